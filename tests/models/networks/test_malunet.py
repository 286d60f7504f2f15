"""What is particular to MALUNet; what all models share is in test_contract.py."""

import pytest
import torch
import torch.nn.functional as F

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.malunet import AttentionBridge, DilatedGatedAttention, ExternalAttention


def test_parameters_and_macs_are_as_published():
    model = build_model("malunet", num_classes=1)  # as the authors count them
    assert sum(p.numel() for p in model.parameters()) == 177_943
    assert count_macs(model, (224, 224)) == pytest.approx(0.063e9, rel=0.02)


def test_each_quarter_of_the_channels_has_its_dilation():
    torch.manual_seed(0)
    block = DilatedGatedAttention(8, 8)
    seen = []
    block.norm.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    x = torch.randn(1, 8, 15, 15, requires_grad=True)
    block(x)
    for group, dilation in enumerate((7, 5, 2, 1)):
        channels = slice(2 * group, 2 * group + 2)
        centre = seen[0][0, channels, 7, 7].sum()
        (gradient,) = torch.autograd.grad(centre, x, retain_graph=True)
        expected = torch.zeros(8, 15, 15, dtype=torch.bool)
        taps = slice(7 - dilation, 8 + dilation, dilation)
        expected[channels, taps, taps] = True
        assert torch.equal(gradient[0] != 0, expected)


def test_a_closed_gate_leaves_only_the_shortcut():
    torch.manual_seed(0)
    block, x = DilatedGatedAttention(8, 12), torch.randn(1, 8, 9, 9)
    for parameter in block.shortcut.parameters():
        torch.nn.init.zeros_(parameter)
    assert block(x).std((2, 3)).min() > 1e-3
    torch.nn.init.constant_(block.gate[2].bias, -1000.0)
    assert block(x).std((2, 3)).max() < 1e-6


def test_external_attention_is_the_published_formula():
    torch.manual_seed(0)
    block, x = ExternalAttention(8).double(), torch.randn(2, 8, 5, 6).double()
    query = block.query(x).flatten(2)
    fits = torch.einsum("kc,ncp->nkp", block.keys.weight[:, :, 0, 0], query).exp()
    weights = fits / fits.sum(2, keepdim=True)
    weights = weights / weights.sum(1, keepdim=True)
    rebuilt = torch.einsum("ck,nkp->ncp", block.values.weight[:, :, 0, 0], weights)
    expected = F.gelu(block.norm(block.project(rebuilt.view_as(x))) + x)
    torch.testing.assert_close(block(x), expected)


def test_the_memories_begin_as_each_others_transpose_and_part():
    model = build_model("malunet")
    attentions = [m for m in model.modules() if isinstance(m, ExternalAttention)]
    assert len(attentions) == 6
    for attention in attentions:
        keys, values = attention.keys.weight, attention.values.weight
        assert torch.equal(keys, values.transpose(0, 1))
        assert keys.data_ptr() != values.data_ptr()


def test_the_bridge_is_the_published_formula():
    """The scales are of one size here, so that all can be computed in one piece."""
    torch.manual_seed(0)
    widths = [4, 8, 4]
    bridge = AttentionBridge(widths).double()
    features = [torch.randn(2, width, 6, 5).double() for width in widths]
    weighed = []
    for x in features:
        summary = torch.stack([x.mean(1), x.max(1).values], dim=1)
        conv = bridge.spatial.conv
        weighed.append(x * F.conv2d(summary, conv.weight, conv.bias, 1, 9, 3).sigmoid())
    x, y = torch.cat(features, dim=1), torch.cat(weighed, dim=1)
    means = F.conv1d((x + y).mean((2, 3))[:, None], bridge.neighbours.weight[0], padding=1)
    factors = F.linear(means[:, 0], bridge.factors.weight, bridge.factors.bias).sigmoid()
    expected = factors[:, :, None, None] * (x + y) + y
    torch.testing.assert_close(torch.cat(bridge(features), dim=1), expected)


@pytest.mark.parametrize("step", range(5))
def test_a_skip_connection_carries_detail_past_a_silenced_step(step):
    torch.manual_seed(0)
    model = build_model("malunet").eval()
    for parameter in model.decoders[step].parameters():
        torch.nn.init.zeros_(parameter)
    model.bridge.register_forward_hook(  # all other skip connections are cut
        lambda _, __, out: [x if i == 4 - step else 0 * x for i, x in enumerate(out)]
    )
    one, other = model(torch.randn(2, 3, 64, 64))
    assert (one - other).abs().max() > 1e-4


def test_the_bottleneck_sees_the_features_before_the_bridge():
    torch.manual_seed(0)
    model = build_model("malunet").eval()
    model.bridge.register_forward_hook(lambda _, __, out: [0 * x for x in out])
    one, other = model(torch.randn(2, 3, 64, 64))
    assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize("widths", [(8, 16, 24, 32, 48), (8, 16, 24, 32, 48, 66), (0,) * 6])
def test_widths_that_cannot_be_built_are_refused(widths):
    with pytest.raises(ConfigError, match="widths must be 6 multiples of 4"):
        build_model("malunet", widths=widths)
