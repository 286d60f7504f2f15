"""CMUNeXt (Tang et al., ISBI 2024, arXiv:2308.01239): U-Net of large depthwise kernels.

"CMUNeXt: An Efficient Medical Image Segmentation Network based on Large Kernel and Skip Fusion".
The encoder mixes positions by large depthwise kernels (with a residual) and channels by an inverted
bottleneck of pointwise convolutions. In the decoder a grouped convolution works on the skip
connection and the upsampled features separately, before an inverted bottleneck joins them.

Departures: none in the network. Activations come before batch norm, as published.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ConvNormAct
from bmis.models.registry import register

_FACTS: dict[str, Any] = {
    "group": "light",
    "source": "arXiv:2308.01239",
    "licence": "none stated",
}
_EXPANSION = 4  # of every inverted bottleneck


def _conv_act_norm(
    in_channels: int, out_channels: int, kernel: int = 1, groups: int = 1
) -> nn.Sequential:
    """Chain a convolution that keeps H and W, GELU and batch norm, in this order."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, groups=groups),
        nn.GELU(),
        nn.BatchNorm2d(out_channels),
    )


def _inverted_bottleneck(in_channels: int, out_channels: int) -> nn.Sequential:
    """Mix the channels of each position, with more channels in between."""
    wide = _EXPANSION * out_channels
    return nn.Sequential(_conv_act_norm(in_channels, wide), _conv_act_norm(wide, out_channels))


class LargeKernelBlock(nn.Module):
    """A large depthwise convolution with a residual, then an inverted bottleneck.

    Example:
        >>> LargeKernelBlock(4, kernel=7)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = _conv_act_norm(channels, channels, kernel, groups=channels)
        self.pointwise = _inverted_bottleneck(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(x + self.depthwise(x))


class SkipFusion(nn.Module):
    """Upsample by 2, then join with the skip connection of that scale.

    Example:
        >>> fusion = SkipFusion(8, 4)
        >>> fusion(torch.zeros(1, 8, 8, 8), torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = ConvNormAct(in_channels, out_channels, bias=True)
        # Two groups: the first sees the skip connection alone, the second the upsampled features.
        self.grouped = _conv_act_norm(2 * out_channels, 2 * out_channels, 3, groups=2)
        self.pointwise = _inverted_bottleneck(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return self.pointwise(self.grouped(torch.cat([skip, x], dim=1)))


@register("cmunext", **_FACTS)
@register(
    "cmunext_s",
    **_FACTS,
    widths=(8, 16, 32, 64, 128),
    depths=(1, 1, 1, 1, 1),
    kernels=(3, 3, 7, 7, 9),
)
@register("cmunext_l", **_FACTS, widths=(32, 64, 128, 256, 512), depths=(1, 1, 1, 6, 3))
class CMUNeXt(SegmentationModel):
    """U-Net of large depthwise kernels; ``cmunext_s`` and ``cmunext_l`` are its published sizes.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Channels at each scale, finest first; every further scale halves H and W.
        depths: Large-kernel blocks at each scale.
        kernels: Side of the blocks' kernels at each scale, in pixels, odd.

    Raises:
        ConfigError: The three differ in length, or a number is out of range.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("cmunext", widths=(4, 8), depths=(1, 1), kernels=(3, 7))
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (16, 32, 128, 160, 256),
        depths: Sequence[int] = (1, 1, 1, 3, 1),
        kernels: Sequence[int] = (3, 3, 7, 7, 7),
    ) -> None:
        _check(widths, depths, kernels)
        super().__init__(in_channels, num_classes, stride=2 ** (len(widths) - 1))
        self.stem = ConvNormAct(in_channels, widths[0], bias=True)
        self.encoders = nn.ModuleList(
            nn.Sequential(
                *(LargeKernelBlock(before, kernel) for _ in range(depth)),
                ConvNormAct(before, width, bias=True),
            )
            for before, width, depth, kernel in zip(
                [widths[0], *widths], widths, depths, kernels, strict=False
            )
        )
        self.decoders = nn.ModuleList(SkipFusion(i, o) for i, o in pairwise(reversed(widths)))
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        x = self.encoders[0](self.stem(x))
        skips = []
        for encoder in self.encoders[1:]:
            skips.append(x)
            x = encoder(F.max_pool2d(x, 2))
        for decoder in self.decoders:
            x = decoder(x, skips.pop())
        return self.head(x)


def _check(widths: Sequence[int], depths: Sequence[int], kernels: Sequence[int]) -> None:
    """Raise ``ConfigError`` unless the shapes can be built."""
    if len({len(widths), len(depths), len(kernels)}) != 1 or len(widths) < 2:
        raise ConfigError(
            "cmunext: widths, depths and kernels must be as many as there are scales, 2 or more, "
            f"got {list(widths)}, {list(depths)} and {list(kernels)}"
        )
    if min(*widths, *depths) < 1:
        raise ConfigError(
            f"cmunext: widths and depths must be 1 or more, got {list(widths)} and {list(depths)}"
        )
    if min(kernels) < 1 or any(kernel % 2 == 0 for kernel in kernels):
        raise ConfigError(f"cmunext: kernels must be odd, 1 or more, got {list(kernels)}")
