"""Blocks that several networks use."""

import pytest
import torch
import torch.nn.functional as F

from bmis.models.blocks import ChannelNorm, DilatedConv2d, init_convolutions


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_dilated_kernel_learns_rightly_in_half_precision(dtype):
    """The sizes are those at which oneDNN's own bf16 gradient was seen to be wrong."""
    torch.manual_seed(0)
    conv = DilatedConv2d(6, 6, 3, padding=2, dilation=2, groups=6)
    x, gradient = torch.randn(2, 2, 6, 48, 32).to(dtype).unbind()
    x, gradient = (t.contiguous(memory_format=torch.channels_last) for t in (x, gradient))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = conv(x)
    assert y.dtype == dtype
    (got,) = torch.autograd.grad(y, conv.weight, gradient)
    weight = conv.weight.double()
    plain = F.conv2d(x.double(), weight, padding=2, dilation=2, groups=6)
    (wanted,) = torch.autograd.grad(plain, conv.weight, gradient.double())
    torch.testing.assert_close(got, wanted, rtol=0.02, atol=0.02 * float(wanted.abs().max()))


def test_only_dilated_kernels_leave_half_precision():
    x = torch.randn(1, 4, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert DilatedConv2d(4, 4, 3)(x).dtype == torch.bfloat16
        assert DilatedConv2d(4, 4, 3, dilation=2)(x).dtype == torch.float32


def test_channel_norm_levels_the_channels_of_each_position():
    x = torch.randn(2, 5, 3, 4) * 3 + 1
    wanted = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(ChannelNorm(5, eps=1e-6)(x), wanted)


def test_convolutions_start_with_the_variance_of_their_group():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(64, 128, 3, groups=4)
    init_convolutions(conv)
    assert conv.weight.var().item() == pytest.approx(2 / (9 * 32), rel=0.05)
    assert not conv.bias.any()
