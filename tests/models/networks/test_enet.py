"""What is particular to ENet; what all models share is in test_contract.py."""

import pytest
import torch
import torch.nn.functional as F

from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.enet import pool, unpool


def test_size_is_near_the_one_that_comparisons_quote():
    model = build_model("enet")  # two classes
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters == 362_513
    assert parameters == pytest.approx(355_798, rel=0.02)
    assert count_macs(model, (224, 224)) == pytest.approx(0.364e9, rel=0.02)


@pytest.mark.parametrize("kind", ["random", "many ties"])
def test_pooling_there_and_back_is_that_of_torch(kind):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 10) if kind == "random" else torch.randint(2, (2, 3, 6, 10)).float()
    pooled, corners = pool(x)
    wanted, indices = F.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(pooled, wanted)
    y = torch.randn_like(pooled)
    assert torch.equal(unpool(y, corners), F.max_unpool2d(y, indices, 2))


@pytest.mark.parametrize("up", ["up_1", "up_2"])
def test_each_doubling_puts_values_where_the_maxima_were(up):
    torch.manual_seed(0)
    model = build_model("enet").eval()
    seen = []
    getattr(model, up).register_forward_hook(lambda _, given, out: seen.append((given, out)))
    for weight in (getattr(model, up).body[-2].weight, getattr(model, up).body[-2].bias):
        torch.nn.init.zeros_(weight)  # the way beside the unpooling is shut
    model(torch.randn(1, 3, 32, 32))
    (_, corners), out = seen[0]
    assert corners.unique().tolist() == [0, 1, 2, 3]
    kept = F.pixel_unshuffle(out, 2).unflatten(1, (-1, 4)) != 0
    assert kept.any()
    wanted = corners.unsqueeze(2) == torch.arange(4).view(4, 1, 1)
    assert not (kept & ~wanted).any()


def test_plain_dilated_and_asymmetric_bottlenecks_take_turns():
    middles = [block.body[3] for block in build_model("enet").stage_2]
    kinds = [conv.dilation[0] if conv.kernel_size == (3, 3) else "1x5" for conv in middles]
    assert kinds == [1, 2, "1x5", 4, 1, 8, "1x5", 16] * 2
