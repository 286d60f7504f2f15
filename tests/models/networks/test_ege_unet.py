"""What is particular to EGE-UNet; what all models share is in test_contract.py."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.ege_unet import AggregationBridge, HadamardAttention, LearnedPlane


def test_parameters_and_macs_are_as_published():
    model = build_model("ege_unet", num_classes=1)  # as the authors count them
    assert sum(p.numel() for p in model.parameters()) == 53_374
    assert count_macs(model, (224, 224)) == pytest.approx(0.055e9, rel=0.02)


@pytest.mark.parametrize("height", [8, 1])
@pytest.mark.parametrize("width", [8, 1])
def test_a_plane_is_stretched_over_the_features(height, width):
    plane = LearnedPlane(3, height, width)
    plane.refine = nn.Identity()
    nn.init.normal_(plane.plane)
    factors = plane(torch.ones(2, 3, 15, 22))  # every other row, every third column is one's own
    assert torch.equal(factors[0], factors[1])
    kept = factors[:1, :, :: 2 if height > 1 else 15, :: 3 if width > 1 else 22]
    torch.testing.assert_close(kept, plane.plane)
    assert bool(factors.std(2).max() > 0.1) is (height > 1)
    assert bool(factors.std(3).max() > 0.1) is (width > 1)


def test_each_quarter_of_the_channels_has_its_plane():
    torch.manual_seed(0)
    block = HadamardAttention(8, 12)
    seen = []
    block.norm_2.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    for silent in range(4):
        part = block.quarters[silent]
        last = part.refine[2] if isinstance(part, LearnedPlane) else part[2]
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        block(torch.randn(2, 8, 6, 7))
        zero = (seen[-1] == 0).all((0, 2, 3)).tolist()
        assert zero == [channel // 2 <= silent for channel in range(8)]
    assert [tuple(q.plane.shape[2:]) for q in block.quarters[:3]] == [(8, 8), (8, 1), (1, 8)]


def test_each_group_of_a_bridge_has_its_dilation_and_the_logits():
    torch.manual_seed(0)
    bridge = AggregationBridge(12, 8, 3)
    seen = []
    bridge.mix.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    fine, logits = torch.randn(1, 8, 15, 15), torch.randn(1, 3, 15, 15, requires_grad=True)
    bridge(torch.randn(1, 12, 8, 8), fine, logits)
    assert seen[0].shape == (1, 4 * 7, 15, 15)  # of each: 2 coarse, 2 fine, 3 of logits
    for group, dilation in enumerate((1, 2, 5, 7)):
        centre = seen[0][0, 7 * group : 7 * group + 7, 7, 7].square().sum()
        (gradient,) = torch.autograd.grad(centre, logits, retain_graph=True)
        expected = torch.zeros(15, 15, dtype=torch.bool)
        taps = slice(7 - dilation, 8 + dilation, dilation)
        expected[taps, taps] = True
        assert torch.equal(gradient[0].abs().sum(0) > 0, expected)


def test_auxiliary_heads_are_trained_coarsest_first():
    torch.manual_seed(0)
    model = build_model("ege_unet").eval()
    seen = []
    for head in model.auxiliary_heads:
        head.register_forward_hook(lambda _, __, out: seen.append(out))
    x = torch.randn(2, 3, 32, 64)
    logits, *auxiliary = model.training_logits(x)
    assert [g.shape[2] for g in seen] == [1, 2, 4, 8, 16]
    for full, small in zip(auxiliary, seen, strict=True):
        wanted = F.interpolate(small, size=(32, 64), mode="bilinear", align_corners=True)
        torch.testing.assert_close(full, wanted)
    assert torch.equal(logits, model(x))
    assert model.auxiliary_weights == (0.1, 0.2, 0.3, 0.4, 0.5)  # of the published loss


def test_the_logits_rest_on_every_auxiliary_head():
    torch.manual_seed(0)
    model = build_model("ege_unet").eval()
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert all(head.weight.grad.abs().max() > 0 for head in model.auxiliary_heads)


def test_each_bridge_goes_on_from_the_coarser_one():
    model = build_model("ege_unet").eval()
    came, went = [], []
    for bridge in model.bridges:
        bridge.register_forward_pre_hook(lambda _, args: came.append(args[0]))
        bridge.register_forward_hook(lambda _, __, out: went.append(out))
    model(torch.randn(1, 3, 64, 64))
    assert all(a is b for a, b in zip(came[1:], went[:-1], strict=True))


@pytest.mark.parametrize("step", range(5))
def test_a_skip_connection_carries_detail_past_a_silenced_step(step):
    torch.manual_seed(0)
    model = build_model("ege_unet").eval()
    for parameter in model.decoders[step].parameters():
        nn.init.zeros_(parameter)
    for i, bridge in enumerate(model.bridges):
        if i != step:  # all other skip connections are cut
            bridge.register_forward_hook(lambda _, __, out: 0 * out)
    one, other = model(torch.randn(2, 3, 64, 64))
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize("widths", [(8, 16, 24, 32, 48), (8, 16, 24, 32, 48, 66), (0,) * 6])
def test_widths_that_cannot_be_built_are_refused(widths):
    with pytest.raises(ConfigError, match="widths must be 6 multiples of 4"):
        build_model("ege_unet", widths=widths)
