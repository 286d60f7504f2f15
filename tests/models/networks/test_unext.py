"""What is particular to UNeXt; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.unext import ShiftedMLP, shift


def test_parameters_and_macs_are_as_published():
    model = build_model("unext", num_classes=1)  # as the authors count them
    assert sum(p.numel() for p in model.parameters()) == 1_471_921
    assert count_macs(model, (224, 224)) == pytest.approx(0.430e9, rel=0.02)


@pytest.mark.parametrize("axis", [2, 3])
def test_each_fifth_of_the_channels_moves_by_its_own_distance(axis):
    x = 1 + torch.rand(2, 13, 6, 7)  # groups of 3, 3, 3, 3 and 1 channels
    got = shift(x, axis)
    for channel in range(13):
        distance = channel // 3 - 2
        expected = x[:, channel].roll(distance, axis - 1).movedim(axis - 1, 0)
        entered = slice(0, distance) if distance >= 0 else slice(distance, None)
        expected[entered] = 0
        assert torch.equal(got[:, channel].movedim(axis - 1, 0), expected)


def test_the_mlp_sees_two_pixels_along_both_axes():
    torch.manual_seed(0)
    mlp = ShiftedMLP(10).eval()
    with torch.no_grad():
        mlp.depthwise.weight.zero_()[:, :, 1, 1] = 1  # only the shifts reach other pixels
    x = torch.randn(1, 10, 9, 9, requires_grad=True)
    (gradient,) = torch.autograd.grad(mlp(x)[0, :, 4, 4].square().sum(), x)
    seen = torch.zeros(9, 9, dtype=torch.bool)
    seen[2:7, 2:7] = True
    assert torch.equal(gradient[0].abs().sum(0) > 0, seen)


@pytest.mark.parametrize("step", range(4))
def test_a_skip_connection_carries_detail_past_a_silenced_step(step):
    torch.manual_seed(0)
    model = build_model("unext").eval()
    for parameter in model.ups[step].parameters():
        torch.nn.init.zeros_(parameter)
    one, other = model(torch.randn(2, 3, 64, 64))
    assert (one - other).abs().max() > 1e-4


def test_widths_reach_every_scale():
    model = build_model("unext", widths=(2, 3, 4, 6, 7))
    assert [up[0].in_channels for up in model.ups] == [7, 6, 4, 3]
    assert model.head.in_channels == 2


@pytest.mark.parametrize("widths", [(16, 32, 128, 160), (16, 32, 128, 160, 0)])
def test_widths_that_cannot_be_built_are_refused(widths):
    with pytest.raises(ConfigError, match="unext: widths must be 5 numbers"):
        build_model("unext", widths=widths)
