"""What is particular to DSU-Net; its published numbers are in test_published.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.dsu_net import foreground


def test_parameters_and_macs_are_as_published():
    model = build_model("dsu_net", num_classes=1)
    assert sum(p.numel() for p in model.parameters()) == 35_688_458
    assert 9.62e9 <= count_macs(model, (224, 224)) <= 9.66e9


def test_one_class_is_foreground_where_its_sigmoid_is_above_a_half():
    logits = torch.tensor([-2.0, -1e-3, 0.0, 1e-3, 2.0]).view(1, 1, 1, 5)
    assert foreground(logits).flatten().tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([1.0, 1.1], True),
        ([1.1, 1.0], False),
        ([0.5, 0.2, 0.2], True),  # neither is likelier than the background, both together are
        ([1.0, 0.2, 0.2], False),
        ([-300.0, -301.0, -299.0], True),  # where exp gives zeros
    ],
)
def test_several_classes_count_together(logits, expected):
    assert foreground(torch.tensor(logits).view(1, -1, 1, 1)).item() is expected


@pytest.mark.parametrize("classes", [1, 3])
def test_the_fine_network_sees_what_the_coarse_one_kept(classes):
    torch.manual_seed(0)
    model = build_model("dsu_net", num_classes=classes, widths=(8, 8, 8, 8)).eval()
    # enough spread to keep some pixels and not others
    torch.nn.init.normal_(model.coarse_decoder.head[-1].weight, std=3)
    seen = []
    model.fine_encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        _, coarse = model.training_logits(x)
    likely = coarse.sigmoid() if classes == 1 else 1 - coarse.softmax(1)[:, :1]
    kept = (likely > 0.5).expand_as(x)
    assert 0.1 < kept.float().mean() < 0.9
    assert torch.equal(seen[0][kept], x[kept])
    assert not seen[0][~kept].any()


def test_the_coarse_network_learns_from_its_own_answer_alone():
    torch.manual_seed(0)
    model = build_model("dsu_net", widths=(8, 8, 8, 8)).eval()
    x = torch.randn(1, 3, 64, 32)
    fine, coarse = model.training_logits(x)
    assert torch.equal(model(x), fine)
    assert not torch.equal(fine, coarse)
    assert len(model.auxiliary_weights) == 1
    fine.square().mean().backward(retain_graph=True)
    assert model.coarse_decoder.head[-1].weight.grad is None
    coarse.square().mean().backward()
    assert model.coarse_decoder.head[-1].weight.grad.any()


@pytest.mark.parametrize("widths", [(8, 8, 8), (8, 8, 8, 12), (0, 8, 8, 8)])
def test_widths_that_cannot_be_built_are_refused(widths):
    with pytest.raises(ConfigError, match="widths must be 4 multiples of 8, got"):
        build_model("dsu_net", widths=widths)
