"""MALUNet (Ruan et al., BIBM 2022, arXiv:2211.01784): six narrow stages and four attentions.

The fine scales have a convolution each. The coarse ones have external attention, which is a pair of
small memories that all positions share, and gated attention over depthwise convolutions of four
dilations. One bridge weights the skip connections of all scales together, first by position, then
by channel, so that each scale's channels are chosen with those of all others in view.

Departures: logits come out (the authors apply a sigmoid inside). The five linear layers that the
bridge applies to the same vector are one, split afterwards. Convolutions over a sequence of
positions or channels are written as 2-D ones. As in the authors' code the second memory begins as
the transpose of the first, and each then learns by itself.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.layers.attention import SpatialAttention
from bmis.models.layers.blocks import init_convolutions
from bmis.models.layers.six_stage import SixStageUNet
from bmis.models.registry import register

_DILATIONS = (7, 5, 2, 1)  # of the four groups of channels


def separable(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """Chain a depthwise convolution, a norm in 4 groups and a 1x1 convolution.

    Example:
        >>> separable(8, 12, kernel=5)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 12, 16, 16])
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel, padding=kernel // 2, groups=in_channels),
        nn.GroupNorm(4, in_channels),
        nn.Conv2d(in_channels, out_channels, 1),
    )


class DilatedGatedAttention(nn.Module):
    """A quarter of the channels at each dilation, mixed, then multiplied by a gate (DGA).

    Example:
        >>> DilatedGatedAttention(8, 12)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 12, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        quarter = in_channels // 4
        self.dilated = nn.ModuleList(
            nn.Conv2d(quarter, quarter, 3, padding=d, dilation=d, groups=quarter)
            for d in _DILATIONS
        )
        self.norm = nn.GroupNorm(4, in_channels)
        self.mix = nn.Conv2d(in_channels, in_channels, 1)
        self.gate = separable(in_channels, in_channels, 3)
        self.value = separable(in_channels, in_channels, 5)
        self.project = separable(in_channels, out_channels, 3)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        groups = zip(self.dilated, x.chunk(4, dim=1), strict=True)
        x = torch.cat([conv(group) for conv, group in groups], dim=1)
        x = F.gelu(self.mix(self.norm(x)))
        gated = self.gate(x).sigmoid() * F.gelu(self.value(x))
        return F.gelu(self.project(gated)) + self.shortcut(x)


class ExternalAttention(nn.Module):
    """Rebuild every position from a memory of 4 C entries, residual (IEA).

    The weight of an entry is a softmax over the positions, divided by the sum over all entries.

    Example:
        >>> ExternalAttention(8)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.keys = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.values = nn.Conv2d(4 * channels, channels, 1, bias=False)
        self.project = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.GroupNorm(4, channels)

    def forward(self, x: Tensor) -> Tensor:
        fits = self.keys(self.query(x))  # (N, 4 C, H, W)
        weights = fits.flatten(2).softmax(-1).view(fits.shape)
        weights = weights / (weights.sum(1, keepdim=True) + 1e-9)
        return F.gelu(self.norm(self.project(self.values(weights))) + x)

    def tie_memories(self) -> None:
        """Start with the keys as the transpose of the values."""
        with torch.no_grad():
            self.keys.weight.copy_(self.values.weight.transpose(0, 1))


class AttentionBridge(nn.Module):
    """Weight the features of all scales by position, then by channel (SCAB).

    Example:
        >>> bridge = AttentionBridge((4, 8))
        >>> [y.shape[1] for y in bridge([torch.zeros(1, 4, 8, 8), torch.zeros(1, 8, 4, 4)])]
        [4, 8]
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = list(widths)
        self.spatial = SpatialAttention(dilation=3, bias=True)  # one for all scales
        self.neighbours = nn.Conv2d(1, 1, (1, 3), padding=(0, 1), bias=False)
        self.factors = nn.Linear(sum(widths), sum(widths))
        nn.init.trunc_normal_(self.factors.weight, std=0.02)
        nn.init.zeros_(self.factors.bias)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Weight features (N, C, H, W) of each scale; the shapes stay."""
        weighted = [self.spatial(x) for x in features]
        sums = [x + y for x, y in zip(features, weighted, strict=True)]
        means = torch.cat([x.mean((2, 3), keepdim=True) for x in sums], dim=1)
        along = self.neighbours(means.transpose(1, 3))  # (N, 1, 1, channels of all scales)
        factors = self.factors(along).sigmoid().transpose(1, 3).split(self.widths, dim=1)
        return [y + f * x for x, y, f in zip(sums, weighted, factors, strict=True)]


@register("malunet", group="light", source="arXiv:2211.01784", licence="none stated")
class MALUNet(SixStageUNet):
    """Six stages down to 1/32, five up, and one bridge for all skip connections.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Feature channels of the six stages, multiples of 4. The first five end at 1/2,
            1/4, 1/8, 1/16 and 1/32 of the image's size, where the last one stays.

    Raises:
        ConfigError: There are not 6 widths, or one is no multiple of 4.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("malunet", widths=(4, 4, 8, 8, 8, 8))
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (8, 16, 24, 32, 48, 64),
    ) -> None:
        super().__init__(in_channels, num_classes, widths, down=_down, up=_up)
        self.bridge = AttentionBridge(widths[:5])
        init_convolutions(self)
        for module in self.modules():
            if isinstance(module, ExternalAttention):
                module.tie_memories()

    def forward(self, x: Tensor) -> Tensor:
        features, x = self.encode(x)
        features = self.bridge(features)
        for decode in self.decoders:
            x = decode(x) + features.pop()
        return self.head(x)


def _down(in_channels: int, out_channels: int) -> nn.Module:
    attention = DilatedGatedAttention(in_channels, out_channels)
    return nn.Sequential(ExternalAttention(in_channels), attention)


def _up(in_channels: int, out_channels: int) -> nn.Module:
    attention = DilatedGatedAttention(in_channels, out_channels)
    return nn.Sequential(attention, ExternalAttention(out_channels))
