"""Blocks that several networks use."""

import pytest
import torch

from bmis.models.layers.blocks import ChannelNorm, init_convolutions


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
