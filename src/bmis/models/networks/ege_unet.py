"""EGE-UNet (Ruan et al., MICCAI 2023, arXiv:2307.08473): attention by learned planes, no products.

A quarter of the channels is multiplied by a learned plane over height and width, a quarter by one
over channels and height, a quarter by one over channels and width, and the last is convolved: the
reach of attention at the price of a multiplication. Each skip connection joins the coarser
features, its own and the logits of an auxiliary head at four dilations. The heads are trained too.

Departures: logits come out (the authors apply a sigmoid inside). An auxiliary head has one channel
for each class, not one in all, which is the same for the one class that the authors count. The
planes over channels and one axis are columns and rows of a feature map's shape, so that nothing is
permuted.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.layers.blocks import ChannelNorm, init_convolutions
from bmis.models.layers.six_stage import SixStageUNet
from bmis.models.registry import register

_SIDE = 8  # of the learned planes, which are resized to the features
_DILATIONS = (1, 2, 5, 7)  # of the four groups of a bridge
_EPS = 1e-6  # of every norm over channels, as published


class LearnedPlane(nn.Module):
    """Factors for each channel, the same for all images: a small plane, resized, convolved.

    Args:
        channels: Channels of the features that are multiplied.
        height: Rows of the plane; 1 gives every row the same factors.
        width: Columns of the plane; 1 gives every column the same factors.

    Example:
        >>> LearnedPlane(4, 8, 1)(torch.ones(1, 4, 16, 12)).shape
        torch.Size([1, 4, 16, 12])
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        kernel = (3 if height > 1 else 1, 3 if width > 1 else 1)
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.plane = nn.Parameter(torch.ones(1, channels, height, width))
        self.refine = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Multiply features (N, C, H, W) by the factors."""
        rows, columns = self.plane.shape[2:]
        size = (x.shape[2] if rows > 1 else 1, x.shape[3] if columns > 1 else 1)
        plane = F.interpolate(self.plane, size=size, mode="bilinear", align_corners=True)
        return x * self.refine(plane)


class HadamardAttention(nn.Module):
    """Three learned planes and a convolution, each for a quarter of the channels; mixed (GHPA).

    Example:
        >>> HadamardAttention(8, 12)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 12, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        quarter = in_channels // 4
        self.norm_1 = ChannelNorm(in_channels, eps=_EPS)
        self.quarters = nn.ModuleList(
            [
                LearnedPlane(quarter, _SIDE, _SIDE),
                LearnedPlane(quarter, _SIDE, 1),
                LearnedPlane(quarter, 1, _SIDE),
                nn.Sequential(
                    nn.Conv2d(quarter, quarter, 1),
                    nn.GELU(),
                    nn.Conv2d(quarter, quarter, 3, padding=1, groups=quarter),
                ),
            ]
        )
        self.norm_2 = ChannelNorm(in_channels, eps=_EPS)
        self.mix = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels),
            nn.GELU(),
            nn.Conv2d(in_channels, out_channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        groups = zip(self.quarters, self.norm_1(x).chunk(4, dim=1), strict=True)
        joined = torch.cat([part(group) for part, group in groups], dim=1)
        return self.mix(self.norm_2(joined))


class AggregationBridge(nn.Module):
    """Join coarser features, the encoder's and the logits of a head at four dilations (GAB).

    Example:
        >>> coarse, fine = torch.zeros(1, 12, 8, 8), torch.zeros(1, 8, 16, 16)
        >>> bridge = AggregationBridge(12, 8, num_classes=2)
        >>> bridge(coarse, fine, torch.zeros(1, 2, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, coarse_channels: int, channels: int, num_classes: int) -> None:
        super().__init__()
        group = channels // 2 + num_classes
        self.project = nn.Conv2d(coarse_channels, channels, 1)
        self.groups = nn.ModuleList(
            nn.Sequential(
                ChannelNorm(group, eps=_EPS),
                nn.Conv2d(group, group, 3, padding=d, dilation=d, groups=group),
            )
            for d in _DILATIONS
        )
        self.mix = nn.Sequential(
            ChannelNorm(4 * group, eps=_EPS), nn.Conv2d(4 * group, channels, 1)
        )

    def forward(self, coarse: Tensor, fine: Tensor, logits: Tensor) -> Tensor:
        """Join coarser features (N, D, h, w), fine ones (N, C, H, W) and logits (N, K, H, W)."""
        size = fine.shape[2:]
        coarse = self.project(coarse)
        coarse = F.interpolate(coarse, size=size, mode="bilinear", align_corners=True)
        parts = zip(self.groups, coarse.chunk(4, dim=1), fine.chunk(4, dim=1), strict=True)
        joined = [conv(torch.cat([c, f, logits], dim=1)) for conv, c, f in parts]
        return self.mix(torch.cat(joined, dim=1))


@register("ege_unet", group="light", source="arXiv:2307.08473", licence="none stated")
class EGEUNet(SixStageUNet):
    """Six stages down to 1/32, five up, each with an auxiliary head for its skip connection.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Feature channels of the six stages, multiples of 4. The first five end at 1/2,
            1/4, 1/8, 1/16 and 1/32 of the image's size, where the last one stays.

    Raises:
        ConfigError: There are not 6 widths, or one is no multiple of 4.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("ege_unet", widths=(4, 4, 8, 8, 8, 8))
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
        >>> len(model.training_logits(torch.zeros(1, 3, 32, 32)))  # and five auxiliary heads
        6
    """

    auxiliary_weights = (0.1, 0.2, 0.3, 0.4, 0.5)  # coarsest head first

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (8, 16, 24, 32, 48, 64),
    ) -> None:
        super().__init__(
            in_channels, num_classes, widths, down=HadamardAttention, up=HadamardAttention
        )
        up = list(reversed(widths))
        self.auxiliary_heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for width in up[1:])
        self.bridges = nn.ModuleList(
            AggregationBridge(coarse, fine, num_classes) for coarse, fine in pairwise(up)
        )
        init_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        return self._all_logits(x)[0]

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        logits, auxiliary = self._all_logits(x)
        size = x.shape[2:]
        return logits, *(
            F.interpolate(small, size=size, mode="bilinear", align_corners=True)
            for small in auxiliary
        )

    def _all_logits(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and those of the auxiliary heads, coarsest first and of their own size."""
        features, x = self.encode(x)
        coarse, auxiliary = x, []
        steps = zip(self.decoders, self.auxiliary_heads, self.bridges, strict=True)
        for decode, head, bridge in steps:
            x = decode(x)
            auxiliary.append(head(x))
            coarse = bridge(coarse, features.pop(), auxiliary[-1])
            x = x + coarse
        return self.head(x), auxiliary
