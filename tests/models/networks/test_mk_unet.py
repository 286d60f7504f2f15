"""What is particular to MK-UNet; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.layers.attention import SpatialAttention
from bmis.models.networks.mk_unet import ChannelAttention, MultiKernelBlock


@pytest.mark.parametrize(
    ("name", "published", "unused_heads"),
    [
        ("mk_unet", 315_566, (64, 32, 16)),
        ("mk_unet_s", 93_050, (32, 16, 8)),
        ("mk_unet_t", 27_384, (16, 8, 4)),
    ],
)
def test_parameters_are_as_published_less_the_unused_heads(name, published, unused_heads):
    model = build_model(name, num_classes=1)  # as the authors count them
    heads = sum(channels + 1 for channels in unused_heads)
    assert sum(p.numel() for p in model.parameters()) == published - heads


def test_macs_are_as_published():
    macs = count_macs(build_model("mk_unet", num_classes=1), (224, 224))
    assert macs == pytest.approx(0.213e9, rel=0.02)


@pytest.mark.parametrize(("kernels", "side"), [((1, 3, 5), 5), ((3, 3), 3), ((1,), 1)])
def test_kernels_work_side_by_side_not_one_after_the_other(kernels, side):
    torch.manual_seed(0)
    block = MultiKernelBlock(32, 6, kernels).eval()
    x = torch.randn(1, 32, 9, 9, requires_grad=True)
    (gradient,) = torch.autograd.grad(block(x)[0, :, 4, 4].square().sum(), x)
    assert (gradient[0].abs().sum(0) > 0).sum() == side**2


@pytest.mark.parametrize("silent", range(3))
def test_every_kernel_takes_part(silent):
    torch.manual_seed(0)
    block, x = MultiKernelBlock(4, 4, (1, 3, 5)).eval(), torch.randn(1, 4, 9, 9)
    before = block(x)
    torch.nn.init.zeros_(block.branches[silent][0].weight)
    assert (block(x) - before).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("attention", "summed"), [(ChannelAttention(8, 4), (2, 3)), (SpatialAttention(), (1,))]
)
@pytest.mark.parametrize("same", ["mean", "amax"])
def test_attention_looks_at_means_and_at_maxima(attention, summed, same):
    """Two inputs that only the other of the two summaries can tell apart."""
    torch.manual_seed(0)
    for parameter in attention.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 0.2)
    one = torch.zeros(1, 8, 4, 4)
    one[0, 0, 0, 0] = 1
    one[0, 1, 1, 1] = 1
    other = one * 0.5 + 0.5 * one.mean(summed, keepdim=True)
    if same == "amax":
        other = other + one.amax(summed, keepdim=True) - other.amax(summed, keepdim=True)
    factors = [attention(x + 1) / (x + 1) for x in (one, other)]
    assert (factors[0] - factors[1]).abs().max() > 1e-4
    assert all(f.min() > 0 and f.max() < 1 for f in factors)


@pytest.mark.parametrize("step", range(4))
def test_the_gate_decides_what_passes_a_silenced_step(step):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for opened in (True, False):
        torch.manual_seed(0)
        model = build_model("mk_unet_t").eval()
        for parameter in model.decoders[step].parameters():
            torch.nn.init.zeros_(parameter)
        for i, gate in enumerate(model.gates):
            bias = 5.0 if opened and i == step else -200.0
            torch.nn.init.constant_(gate.score[1].bias, bias)
        one, other = model(x)
        assert torch.equal(one, other) is not opened


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"widths": (16, 32, 64, 96)}, "widths must be 5 even numbers"),
        ({"widths": (16, 32, 64, 97, 160)}, "widths must be 5 even numbers"),
        ({"widths": (0, 32, 64, 96, 160)}, "widths must be 5 even numbers"),
        ({"kernels": ()}, "kernels must be odd numbers"),
        ({"kernels": (1, 4)}, "kernels must be odd numbers"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model("mk_unet", **options)
