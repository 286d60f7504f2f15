"""What is particular to LV-UNet; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs

PAIRS = [
    *((80, 160), (160, 240), (240, 480), (480, 240), (240, 160)),
    *((160, 80), (80, 40), (40, 24), (24, 16), (16, 16)),
]


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def used(**options) -> torch.nn.Module:
    """A seeded network in evaluation mode whose norms have seen a batch."""
    torch.manual_seed(0)
    model = build_model("lv_unet", **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.momentum = None  # the one batch that it sees sets its values
        model.train()(torch.randn(8, 3, 128, 128))
    return model.eval()


def test_parameters_and_macs_are_as_published():
    model = build_model("lv_unet", num_classes=1)
    assert count(model) == 934_545
    assert count_macs(model, (256, 256)) == pytest.approx(0.175e9, rel=0.003)


@pytest.mark.parametrize("size", [(64, 96), (224, 224)])
def test_merged_blocks_answer_as_before_with_fewer_parameters(size):
    model = used(linear=True).double()  # in float32 rounding alone comes to 1e-4 on some processors
    x = torch.randn(1, 3, *size, dtype=torch.float64)
    before, parameters = model(x).detach(), count(model)
    model.merge()
    torch.testing.assert_close(model(x), before, rtol=1e-9, atol=1e-9)
    # of each pair i -> o: one of the convolutions, and the scale and shift of three norms less
    # the one bias that the depthwise convolution gets
    assert parameters - count(model) == sum(i * i + i + 2 * i + 3 * o for i, o in PAIRS)


def test_with_a_relu_in_between_nothing_is_merged():
    model = build_model("lv_unet")
    before = count(model)
    model.merge()
    assert count(model) == before


def test_linear_leaves_out_the_relu_and_nothing_else():
    model, other = used(), used(linear=True)
    other.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert (model(x) - other(x)).abs().max() > 1e-3
        for block in (m for m in model.modules() if hasattr(m, "pointwise")):
            block.pointwise[0][2] = torch.nn.Identity()
        assert torch.equal(model(x), other(x))


def test_a_positions_activation_depends_on_its_neighbours():
    activation = used().up_full.activation
    x = torch.zeros(1, 16, 7, 7)
    x[..., 3, 3] = 1
    with torch.inference_mode():
        changed = (activation(x) != activation(torch.zeros_like(x))).any(1)[0]
    assert changed.nonzero().tolist() == [[i, j] for i in (2, 3, 4) for j in (2, 3, 4)]


def test_sizes_that_do_not_halve_evenly_keep_all_their_rows():
    """224 is 14, 7, 4, 2 deep down: rounding down would be blind to the last rows."""
    down = used().downs[1]
    x = torch.randn(1, 160, 7, 7)
    other = x.clone()
    other[..., 6, :] += 10
    with torch.inference_mode():
        assert down(x).shape == (1, 240, 4, 4)
        assert not torch.equal(down(x)[..., 3, 3], down(other)[..., 3, 3])


@pytest.mark.parametrize("scale", range(5))
def test_every_skip_connection_carries_detail_past_a_silenced_step(scale):
    model = used()
    for parameter in model.ups[scale].parameters():
        torch.nn.init.zeros_(parameter)
    one, other = model(torch.randn(2, 3, 64, 64)).detach()
    assert (one - other).abs().max() > 1e-3


def test_widths_below_the_trunk_are_an_option():
    model = build_model("lv_unet", widths=(8,))
    assert [tuple(up.pointwise[1][0].weight.shape[:2]) for up in model.ups] == [
        *((80, 8), (40, 80), (24, 40))
    ]


@pytest.mark.parametrize("widths", [(), (160, 0)])
def test_widths_that_cannot_be_built_are_refused(widths):
    with pytest.raises(ConfigError, match="widths must be 1 or more numbers"):
        build_model("lv_unet", widths=widths)
