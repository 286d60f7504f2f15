"""TinyU-Net (Chen et al., MICCAI 2024): U-Net of cascaded multi-receptive fields.

"TinyU-Net: Lighter yet Better U-Net with Cascaded Multi-Receptive Fields". A pointwise convolution
makes an eighth of a block's channels, and half of them go through a cascade of depthwise 3x3
convolutions. Each of these sees a pixel further to every side than the one before. Another
pointwise convolution joins the outputs of all of them: many receptive fields from few weights.

Departures: the cascade starts from the second half of the channels, not from every second one,
which is the same but for their order. The authors' block adds its input where it has as many
channels as its output. In this network none has.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ConvNormAct
from bmis.models.registry import register

_NORM = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)


class CascadedFields(nn.Module):
    """Cascaded multi-receptive fields (CMRF).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, a multiple of ``2 * (cascade + 1)``.
        cascade: Depthwise convolutions in a row.

    Example:
        >>> CascadedFields(4, 16, cascade=3)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 16, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, cascade: int) -> None:
        super().__init__()
        pointwise = partial(ConvNormAct, kernel=1, norm=_NORM, activation=nn.GELU)
        width = out_channels // (2 * (cascade + 1))
        self.reduce = pointwise(in_channels, 2 * width)
        self.cascade = nn.ModuleList(
            ConvNormAct(width, width, groups=width, norm=_NORM, activation=nn.Identity)
            for _ in range(cascade)
        )
        self.expand = pointwise((cascade + 1) * width, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        beside, field = self.reduce(x).chunk(2, dim=1)
        fields = [beside + field]
        for look_further in self.cascade:
            field = look_further(field)
            fields.append(field)
        return self.expand(torch.cat(fields, dim=1))


@register("tinyu_net", group="light", source="doi:10.1007/978-3-031-72114-4_60", licence="MIT")
class TinyUNet(SegmentationModel):
    """U-Net whose blocks are cascaded multi-receptive fields.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Channels at each scale, finest first. H and W are halved after every scale, the
            last one included.
        cascade: Depthwise convolutions in a row, in every block.

    Raises:
        ConfigError: There are no widths, the cascade is below 1 or does not divide them.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("tinyu_net", widths=(8, 16), cascade=3)
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        cascade: int = 7,
    ) -> None:
        _check(widths, cascade)
        super().__init__(in_channels, num_classes, stride=2 ** len(widths))
        self.encoders = nn.ModuleList(
            CascadedFields(i, o, cascade) for i, o in pairwise([in_channels, *widths])
        )
        self.decoders = nn.ModuleList(
            CascadedFields(i + o, o, cascade) for i, o in pairwise([widths[-1], *reversed(widths)])
        )
        self.enlarge = nn.Upsample(scale_factor=2, mode="bicubic")
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        skips = []
        for encoder in self.encoders:
            skips.append(encoder(x))
            x = F.max_pool2d(skips[-1], 2)
        for decoder in self.decoders:
            x = decoder(torch.cat([self.enlarge(x), skips.pop()], dim=1))
        return self.head(x)


def _check(widths: Sequence[int], cascade: int) -> None:
    """Raise ``ConfigError`` unless the shapes can be built."""
    if cascade < 1:
        raise ConfigError(f"tinyu_net: cascade must be 1 or more, got {cascade}")
    share = 2 * (cascade + 1)
    if not widths or any(width < 1 or width % share for width in widths):
        raise ConfigError(
            f"tinyu_net: widths must be multiples of 2 * (cascade + 1) = {share}, "
            f"got {list(widths)}"
        )
