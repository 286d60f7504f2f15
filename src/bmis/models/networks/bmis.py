"""BMIS (Dai et al., Applied Soft Computing 182 (2025) 113549): shallow, wide, no skip connections.

The steps below follow the paper's overview figure, left to right. The residual blocks and the
changes of size, which ERFNet brought, are in ``layers.factorised``.

Departures: logits come out (the authors apply a sigmoid inside). ECA and attention are computed by
equivalent means (see ``layers.attention``). All that the paper's ablations vary is an option.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.attention import ChannelAttention, attend
from bmis.models.layers.cpu_layers import TransposedConvolution
from bmis.models.layers.factorised import ParallelDownsampling, Upsampling, residual_stage
from bmis.models.registry import register

_FACTS: dict[str, Any] = {
    "group": "light",
    "source": "doi:10.1016/j.asoc.2025.113549",
    "licence": "none stated",
}
_AUXILIARY_WEIGHTS = (0.4, 0.4)  # of the losses of deep supervision; that of the mask is 1


class PositionAttention(nn.Module):
    """Every position attends to every other one, weighted by a learnt gamma that starts at 0.

    Example:
        >>> x = torch.randn(1, 4, 8, 8)
        >>> torch.equal(PositionAttention(4)(x), x)  # before training
        True
    """

    def __init__(self, channels: int, ratio: int = 2) -> None:
        super().__init__()
        inner = channels // ratio
        self.query = nn.Sequential(
            nn.Conv2d(channels, inner, (1, 3), padding=(0, 1)),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
        )
        self.key = nn.Sequential(
            nn.Conv2d(channels, inner, (3, 1), padding=(1, 0)),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
        )
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        seen = attend(self.query(x).flatten(2), self.key(x).flatten(2), self.value(x).flatten(2))
        return self.gamma * seen.view_as(x) + x


class ChannelSpatialAttention(nn.Module):
    """The sum of both attentions (CSAM); before training it is twice its input.

    Example:
        >>> x = torch.ones(1, 4, 8, 8)
        >>> torch.equal(ChannelSpatialAttention(4)(x), 2 * x)
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = PositionAttention(channels)
        self.channel = ChannelAttention()

    def forward(self, x: Tensor) -> Tensor:
        return self.spatial(x) + self.channel(x)


@register("bmis_tiny", **_FACTS, widths=(16, 32, 48), depths=(2, 4))
@register("bmis_small", **_FACTS, widths=(16, 48, 64), depths=(3, 4))
@register("bmis", **_FACTS)
@register("bmis_large", **_FACTS, widths=(32, 96, 160), depths=(5, 8))
class BMIS(SegmentationModel):
    """Three halvings, two stages of residual blocks, attention, and a far lighter decoder.

    Args:
        in_channels: Channels of the image, fewer than ``widths[0]``.
        num_classes: Channels of the logits, background included.
        widths: Feature channels at 1/2, 1/4 and 1/8 of the image's size, each more than the last.
        depths: Residual blocks at 1/4 and at 1/8.
        dilations: Dilations of the blocks at 1/8, repeated from the start if there are more blocks.
        asymmetric: Pairs of 3x1 and 1x3 convolutions; otherwise one 3x3 for each pair.
        eca: Whether every block has efficient channel attention.
        attention: Whether there is channel and position attention at 1/8.
        skip_connections: Whether the encoder's features at 1/4 and 1/2 are added to the decoder's.
        decoder_depth: Residual blocks after each upsampling.
        dropout: Share of the channels that the blocks at 1/4 and at 1/8 leave out in training.
        deep_supervision: Whether two auxiliary heads are trained too, 1x1 convolutions on the
            features at 1/8 (after attention) and at 1/4 (of the decoder). It is not in the paper
            (C.-Y. Lee et al., Deeply-Supervised Nets, arXiv:1409.5185) and costs nothing at
            inference.

    Raises:
        ConfigError: Widths do not grow, a value is out of range, or the number of values is wrong.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("bmis", widths=(4, 8, 12), depths=(1, 1))
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
        >>> build_model("bmis_tiny", deep_supervision=True).auxiliary_weights
        (0.4, 0.4)
    """

    def __init__(  # noqa: PLR0913  (every part that the paper's ablations vary)
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (16, 64, 96),
        depths: Sequence[int] = (5, 4),
        dilations: Sequence[int] = (2, 3, 4, 5),
        asymmetric: bool = True,
        eca: bool = True,
        attention: bool = True,
        skip_connections: bool = False,
        decoder_depth: int = 1,
        dropout: Sequence[float] = (0.03, 0.3),
        deep_supervision: bool = False,
    ) -> None:
        super().__init__(in_channels, num_classes, stride=8)
        _check(in_channels, widths, depths, dilations)
        _check_dropout(dropout)
        self.skip_connections = skip_connections
        stage = partial(residual_stage, asymmetric=asymmetric, eca=eca)
        half, quarter, eighth = widths
        self.stem = ParallelDownsampling(in_channels, half)
        self.down_1 = ParallelDownsampling(half, quarter)
        self.stage_1 = stage(quarter, [1] * depths[0], dropout=dropout[0])
        self.down_2 = ParallelDownsampling(quarter, eighth)
        cycle = [dilations[i % len(dilations)] for i in range(depths[1])]
        self.stage_2 = stage(eighth, cycle, dropout=dropout[1])
        self.attention = ChannelSpatialAttention(eighth) if attention else None
        self.up_1 = Upsampling(eighth, quarter)
        self.decoder_1 = stage(quarter, [1] * decoder_depth, dropout=0.0)
        self.up_2 = Upsampling(quarter, half)
        self.decoder_2 = stage(half, [1] * decoder_depth, dropout=0.0)
        self.head = TransposedConvolution(half, num_classes, 2, stride=2)
        self.auxiliary_heads = nn.ModuleList()
        if deep_supervision:
            self.auxiliary_heads += [
                nn.Conv2d(width, num_classes, 1) for width in (eighth, quarter)
            ]
            self.auxiliary_weights = _AUXILIARY_WEIGHTS

    def forward(self, x: Tensor) -> Tensor:
        return self._logits(x, None)

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """The logits and, with deep supervision, those of both heads interpolated to their size."""
        if not self.auxiliary_heads:
            return super().training_logits(x)
        features: list[Tensor] = []
        logits = self._logits(x, features)
        auxiliary = (
            F.interpolate(head(y), x.shape[2:], mode="bilinear")
            for head, y in zip(self.auxiliary_heads, features, strict=True)
        )
        return (logits, *auxiliary)

    def _logits(self, x: Tensor, features: list[Tensor] | None) -> Tensor:
        """Compute the logits, and put what the auxiliary heads need into ``features``.

        One name serves for all maps, and others only where they are used. Each step thus frees the
        map before; otherwise the first, largest maps would be held to the end.
        """
        self.check_input(x)
        y = self.stem(x)  # (N, 16, H/2, W/2) at the default widths
        half = y if self.skip_connections else None
        y = self.down_1(y)
        y = self.stage_1(y)  # (N, 64, H/4, W/4)
        quarter = y if self.skip_connections else None
        y = self.down_2(y)
        y = self.stage_2(y)  # (N, 96, H/8, W/8)
        if self.attention is not None:
            y = y + self.attention(y)
        if features is not None:
            features.append(y)
        y = self.up_1(y)
        y = self.decoder_1(y if quarter is None else y + quarter)
        if features is not None:
            features.append(y)
        y = self.up_2(y)
        y = self.decoder_2(y if half is None else y + half)
        return self.head(y)


def _check(
    in_channels: int, widths: Sequence[int], depths: Sequence[int], dilations: Sequence[int]
) -> None:
    """Raise ``ConfigError`` unless the shapes can be built."""
    grow = [in_channels, *widths]
    if len(widths) != 3 or any(a >= b for a, b in pairwise(grow)):
        raise ConfigError(
            f"bmis: widths must be 3 numbers that grow from in_channels={in_channels}, "
            f"got {list(widths)}"
        )
    if len(depths) != 2 or min(depths) < 0:
        raise ConfigError(f"bmis: depths must be 2 numbers of blocks, got {list(depths)}")
    if not dilations or min(dilations) < 1:
        raise ConfigError(f"bmis: dilations must be 1 or more, got {list(dilations)}")


def _check_dropout(shares: Sequence[float]) -> None:
    if len(shares) != 2 or not all(0 <= share < 1 for share in shares):
        raise ConfigError(f"bmis: dropout must be 2 numbers from 0 to below 1, got {list(shares)}")
