"""UNeXt (Valanarasu and Patel, MICCAI 2022, arXiv:2203.04967): convolutions, then shifted MLPs.

The three fine scales are one convolution each. The two coarse ones mix channels by an MLP. Its
groups of channels are shifted by -2 to 2 pixels before each layer, along the height before the
first and along the width before the second, so that it sees neighbours without a larger kernel.
The decoder has the same parts, and the encoder's features are added to it.

Departures: none in the structure. Tokens stay feature maps, so that a linear layer is a 1x1
convolution and nothing is reordered between the two.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ChannelNorm, init_convolutions
from bmis.models.registry import register

_REACH = 2  # pixels; there are 2 * reach + 1 groups of channels


def shift(x: Tensor, axis: int) -> Tensor:
    """Move the first fifth of the channels by -2 pixels, the next by -1, ..., the last by +2.

    Args:
        x: Features (N, C, H, W).
        axis: 2 moves along the height, 3 along the width. Zeros come in at the border.

    Returns:
        A new tensor of the same shape.

    Example:
        >>> shift(torch.tensor([1.0, 2.0, 3.0]).expand(1, 5, 1, 3), axis=3)[0, :, 0].tolist()
        [[3.0, 0.0, 0.0], [2.0, 3.0, 0.0], [1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]]
    """
    length = x.shape[axis]
    border = (0, 0, _REACH, _REACH) if axis == 2 else (_REACH, _REACH)
    groups = F.pad(x, border).chunk(2 * _REACH + 1, dim=1)
    moved = [g.narrow(axis, 2 * _REACH - i, length) for i, g in enumerate(groups)]
    return torch.cat(moved, dim=1)


class ShiftedMLP(nn.Module):
    """Norm, shift, linear, depthwise 3x3, GELU, shift, linear, residual.

    Example:
        >>> ShiftedMLP(10)(torch.zeros(1, 10, 16, 16)).shape
        torch.Size([1, 10, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.linear_1 = nn.Conv2d(channels, channels, 1)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.linear_2 = nn.Conv2d(channels, channels, 1)
        init_convolutions(self)
        for linear in (self.linear_1, self.linear_2):
            nn.init.trunc_normal_(linear.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear_1(shift(self.norm(x), 2))
        y = F.gelu(self.depthwise(y))
        return x + self.linear_2(shift(y, 3))


class Embedding(nn.Sequential):
    """Halve H and W: strided 3x3 convolution, norm.

    Example:
        >>> Embedding(4, 8)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1),
            ChannelNorm(out_channels),
        )
        init_convolutions(self)


class MLPStage(nn.Sequential):
    """A shifted MLP, then a norm.

    Example:
        >>> MLPStage(10)(torch.zeros(1, 10, 16, 16)).shape
        torch.Size([1, 10, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__(ShiftedMLP(channels), ChannelNorm(channels))


class ConvStage(nn.Sequential):
    """3x3 convolution, batch norm, max-pool by 2, ReLU.

    Example:
        >>> ConvStage(3, 8)(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
        )


class Upsampling(nn.Sequential):
    """3x3 convolution, batch norm, bilinear upsampling by 2, ReLU.

    Example:
        >>> Upsampling(8, 4)(torch.zeros(1, 8, 8, 8)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, *, norm: bool = True) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels) if norm else nn.Identity(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.ReLU(inplace=True),
        )


@register("unext", group="light", source="arXiv:2203.04967", licence="MIT")
class UNeXt(SegmentationModel):
    """Three convolutional and two MLP stages, and a decoder of the same parts.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Feature channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image's size.

    Raises:
        ConfigError: There are not 5 widths, or one is below 1.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("unext", widths=(4, 4, 8, 10, 10)).eval()
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (16, 32, 128, 160, 256),
    ) -> None:
        super().__init__(in_channels, num_classes, stride=32)
        if len(widths) != 5 or min(widths) < 1:
            raise ConfigError(
                f"unext: widths must be 5 numbers, 1 or more each, got {list(widths)}"
            )
        *_, eighth, sixteenth, coarsest = widths
        fine = pairwise([in_channels, *widths[:3]])
        self.encoders = nn.ModuleList(ConvStage(i, o) for i, o in fine)
        self.encoders.append(nn.Sequential(Embedding(eighth, sixteenth), MLPStage(sixteenth)))
        self.bottleneck = nn.Sequential(Embedding(sixteenth, coarsest), MLPStage(coarsest))
        self.ups = nn.ModuleList(Upsampling(i, o) for i, o in pairwise(reversed(widths)))
        self.decoders = nn.ModuleList([MLPStage(sixteenth), MLPStage(eighth)])
        self.up_last = Upsampling(widths[0], widths[0], norm=False)
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        features = []
        for encode in self.encoders:
            x = encode(x)
            features.append(x)
        x = self.bottleneck(x)  # (N, 256, H/32, W/32) at the default widths
        for i, up in enumerate(self.ups):
            x = up(x) + features.pop()
            if i < len(self.decoders):  # the two fine scales have no MLP
                x = self.decoders[i](x)
        return self.head(self.up_last(x))
