"""What is particular to U-Net; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs


def test_parameters_and_macs_are_as_published():
    model = build_model("unet", num_classes=1)
    assert sum(p.numel() for p in model.parameters()) == 34_527_041
    assert count_macs(model, (224, 224)) == pytest.approx(50.0e9, rel=0.005)


@pytest.mark.parametrize(("widths", "stride"), [((4, 8), 2), ((4, 8, 8, 8), 8)])
def test_the_stride_doubles_with_each_scale(widths, stride):
    assert build_model("unet", widths=widths).stride == stride


def test_skip_connections_carry_detail_past_a_silenced_bottleneck():
    model = build_model("unet", widths=(4, 8)).eval()
    for parameter in model.ups.parameters():
        torch.nn.init.zeros_(parameter)
    one, other = model(torch.randn(2, 3, 8, 8))
    assert not torch.equal(one, other)


def test_the_bottleneck_carries_context_past_silenced_skip_connections():
    model = build_model("unet", widths=(4, 8)).eval()
    model.skip = lambda step, features, decoded: torch.zeros_like(features)
    x = torch.randn(1, 3, 16, 16)
    other = x.clone()
    other[..., 0, 0] += 1
    changed = (model(x) != model(other)).nonzero()[:, 2:]
    # 2 convolutions at full size reach 2 pixels, the way through half the size 13 or so
    assert changed.max() > 6


@pytest.mark.parametrize("name", ["unet", "attention_unet"])
@pytest.mark.parametrize("widths", [(4,), (4, 0)])
def test_widths_that_make_no_unet_are_refused(name, widths):
    with pytest.raises(ConfigError, match=r"widths must be 2 or more numbers .* got \[4"):
        build_model(name, widths=widths)
