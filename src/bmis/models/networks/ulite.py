"""U-Lite (Dinh et al., 2023, arXiv:2306.16103): U-Net of axial depthwise convolutions.

"1M parameters are enough? A lightweight CNN-based model for medical image segmentation". In place
of 3x3 convolutions every block has two depthwise ones, 7x1 and 1x7, added to each other and to
their input. Pointwise convolutions mix the channels. The bottleneck does the same with 3x1 and 1x3
at three dilations.

Departures: paddings are written out, which changes no number but lets the network be exported.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.registry import register


class AxialDepthwise(nn.Module):
    """The sum of the input and of a vertical and a horizontal depthwise convolution of it.

    Example:
        >>> AxialDepthwise(4, kernel=7)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, channels: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        reach = kernel // 2 * dilation
        conv = partial(nn.Conv2d, channels, channels, groups=channels, dilation=dilation)
        self.vertical = conv(kernel_size=(kernel, 1), padding=(reach, 0))
        self.horizontal = conv(kernel_size=(1, kernel), padding=(0, reach))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.vertical(x) + self.horizontal(x)


class EncoderBlock(nn.Module):
    """Axial features, which are the skip connection; then more channels, and half of H and W.

    Example:
        >>> y, skip = EncoderBlock(4, 8, kernel=7)(torch.zeros(1, 4, 16, 16))
        >>> y.shape, skip.shape
        (torch.Size([1, 8, 8, 8]), torch.Size([1, 4, 16, 16]))
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.axial = AxialDepthwise(in_channels, kernel)
        self.norm = nn.BatchNorm2d(in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (N, C, H, W) into (N, D, H/2, W/2) and the skip connection (N, C, H, W)."""
        skip = self.norm(self.axial(x))
        return F.gelu(F.max_pool2d(self.pointwise(skip), 2)), skip


class Bottleneck(nn.Module):
    """A quarter of the channels, beside its axial features at dilation 1, 2 and 3.

    Example:
        >>> Bottleneck(8)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.branches = nn.ModuleList(AxialDepthwise(channels // 4, 3, d) for d in (1, 2, 3))
        self.norm = nn.BatchNorm2d(channels)
        self.expand = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        x = torch.cat([x, *(branch(x) for branch in self.branches)], dim=1)
        return F.gelu(self.expand(self.norm(x)))


class DecoderBlock(nn.Module):
    """Double H and W by repeating pixels, join with the skip connection, axial features.

    Example:
        >>> block = DecoderBlock(8, 4, kernel=7)
        >>> block(torch.zeros(1, 8, 8, 8), torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.fuse = nn.Conv2d(in_channels + out_channels, out_channels, 1)
        self.norm = nn.BatchNorm2d(out_channels)
        self.axial = AxialDepthwise(out_channels, kernel)
        self.pointwise = nn.Conv2d(out_channels, out_channels, 1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1)
        return F.gelu(self.pointwise(self.axial(self.norm(self.fuse(x)))))


@register("ulite", group="light", source="arXiv:2306.16103", licence="none stated")
class ULite(SegmentationModel):
    """U-Net whose blocks are axial depthwise convolutions.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Channels at each scale, finest first; every further scale halves H and W.
        kernel: Length of the axial convolutions in encoder and decoder, in pixels, odd.

    Raises:
        ConfigError: There are fewer than two scales, the last width is no multiple of 4, or the
            kernel is even.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("ulite", widths=(4, 8))
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (16, 32, 64, 128, 256, 512),
        kernel: int = 7,
    ) -> None:
        if len(widths) < 2 or min(widths) < 1 or widths[-1] % 4:
            raise ConfigError(
                "ulite: widths must be 2 or more numbers of channels, the last a multiple of 4, "
                f"got {list(widths)}"
            )
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"ulite: kernel must be odd, 1 or more, got {kernel}")
        super().__init__(in_channels, num_classes, stride=2 ** (len(widths) - 1))
        self.stem = nn.Conv2d(in_channels, widths[0], 7, padding=3)
        self.encoders = nn.ModuleList(EncoderBlock(i, o, kernel) for i, o in pairwise(widths))
        self.bottleneck = Bottleneck(widths[-1])
        self.decoders = nn.ModuleList(
            DecoderBlock(i, o, kernel) for i, o in pairwise(reversed(widths))
        )
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        x = self.stem(x)
        skips = []
        for encoder in self.encoders:
            x, skip = encoder(x)
            skips.append(skip)
        x = self.bottleneck(x)
        for decoder in self.decoders:
            x = decoder(x, skips.pop())
        return self.head(x)
