"""What is particular to Fast-SCNN; what all models share is in test_contract.py."""

import pytest
import torch
import torch.nn.functional as F

from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.fast_scnn import PyramidPooling, part_means


def test_size_is_as_published():
    model = build_model("fast_scnn")  # two classes
    assert sum(p.numel() for p in model.parameters()) == 1_135_858
    assert count_macs(model, (224, 224)) == pytest.approx(0.159e9, rel=0.02)


def test_both_branches_start_from_the_same_three_halvings():
    model = build_model("fast_scnn").eval()
    seen = {}
    model.fusion.register_forward_hook(lambda _, given, __: seen.update(fusion=given))
    model.context.register_forward_hook(lambda _, given, __: seen.update(context=given))
    model(torch.randn(1, 3, 64, 96))
    detail, coarse = seen["fusion"]
    assert seen["context"][0] is detail
    assert (detail.shape, coarse.shape) == ((1, 64, 8, 12), (1, 128, 2, 3))


@pytest.mark.parametrize("size", [(14, 14), (4, 7), (1, 1)])
def test_parts_are_1_2_3_and_6_a_side_at_any_size(size):
    pyramid = PyramidPooling(8).eval()
    seen = []
    for level in pyramid.levels:
        level.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    x = torch.randn(1, 8, *size)
    assert pyramid(x).shape == x.shape
    assert [tuple(y.shape[2:]) for y in seen] == [(n, n) for n in (1, 2, 3, 6)]
    torch.testing.assert_close(seen[0], x.mean((2, 3), keepdim=True))


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(12, 18), (7, 8), (5, 1)])
def test_deterministic_means_are_those_of_torch(parts, size, deterministic, monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    wanted = F.adaptive_avg_pool2d(x, parts)
    monkeypatch.delattr(F, "adaptive_avg_pool2d")  # as good as not there: it raises on GPUs
    torch.testing.assert_close(part_means(x, parts), wanted)


@pytest.mark.parametrize("level", range(4))
def test_every_level_reaches_every_position(level):
    torch.manual_seed(0)
    pyramid = PyramidPooling(8).eval()
    x = torch.randn(1, 8, 6, 6)
    torch.nn.init.constant_(pyramid.levels[level][1].bias, 9.0)  # nothing is cut off at 0
    seen = []
    pyramid.join.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    pyramid(x)
    for own in pyramid.levels[level].parameters():
        torch.nn.init.zeros_(own)
    pyramid(x)
    changed = (seen[0] != seen[1]).any(1)
    assert changed.all()
