"""BMIS (Dai et al., Applied Soft Computing 182 (2025) 113549): shallow, wide, no skip connections.

Section numbers of the paper are left out on purpose: the steps below follow its overview figure,
left to right. Departures: logits come out (the authors apply a sigmoid inside), ECA and position
attention are computed by equivalent means (see ``blocks``), and everything the paper's ablations
vary is an option.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import EfficientChannelAttention, attend, channel_affinity
from bmis.models.layers.cpu_gradients import TransposedConvolution, with_means
from bmis.models.registry import register

_FACTS: dict[str, Any] = {
    "group": "light",
    "source": "doi:10.1016/j.asoc.2025.113549",
    "licence": "none stated",
}
_EPS = 1e-3  # of every batch norm outside the attention, as published
_GUESS_WEIGHTS = (0.4, 0.4)  # of the losses of inner supervision; the answer's is 1


class ParallelDownsampling(nn.Module):
    """Halves H and W: a strided convolution beside a max-pool, joined, normalised (PCDM)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(out_channels, eps=_EPS)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        pooled = _max_pool(x).to(y.dtype)  # or autocast widens all that follows to float32
        return self.relu(self.norm(torch.cat([y, pooled], dim=1)))  # type: ignore[no-any-return]


def _max_pool(x: Tensor) -> Tensor:
    """Largest of 2x2; ``max_pool2d`` takes ten times as long over an image's few channels."""
    if x.requires_grad or torch.compiler.is_compiling():
        return F.max_pool2d(x, 2)
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


def _convolution(channels: int, dilation: int, *, asymmetric: bool) -> nn.Module:
    """3x1 then 1x3, each dilated along its long axis, or one 3x3 in their place."""
    d = dilation
    if not asymmetric:
        return nn.Conv2d(channels, channels, 3, padding=d, dilation=d)
    return nn.Sequential(
        nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1)),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d)),
    )


class ResidualBlock(nn.Module):
    """Two asymmetric convolutions, the second dilated, ECA, residual (EACB; DACB if dilated)."""

    def __init__(
        self, channels: int, *, dilation: int, dropout: float, asymmetric: bool, eca: bool
    ) -> None:
        super().__init__()
        self.conv_1 = _convolution(channels, 1, asymmetric=asymmetric)
        self.norm_1 = nn.BatchNorm2d(channels, eps=_EPS)
        self.conv_2 = _convolution(channels, dilation, asymmetric=asymmetric)
        self.norm_2 = nn.BatchNorm2d(channels, eps=_EPS)
        self.dropout = nn.Dropout2d(dropout)
        self.eca = EfficientChannelAttention() if eca else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm_1(self.conv_1(x)))
        y, factors = self._factors(self.norm_2(self.conv_2(y)))
        y = y + x if factors is None else torch.addcmul(x, y, factors)
        return self.relu(y)  # type: ignore[no-any-return]

    def _factors(self, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """What to use in place of y, and the channels' factors (N, C, 1, 1); None are all 1.

        Dropout and ECA both scale whole channels: joined, and with the sum that follows, they cost
        one pass over y.
        """
        dropped = self.dropout(y.new_ones(*y.shape[:2], 1, 1)) if self.training else None
        if self.eca is None:
            return y, dropped
        y, means = with_means(y)
        if dropped is None:
            return y, self.eca(means).to(y.dtype)
        return y, (dropped * self.eca(dropped * means)).to(y.dtype)


class SpatialAttention(nn.Module):
    """Every position looks at every other one; gamma, from 0, lets it in."""

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


class ChannelAttention(nn.Module):
    """Every channel looks at the channels unlike it; gamma, from 0, lets it in."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * channel_affinity(x.flatten(2)).view_as(x).to(x.dtype) + x


class ChannelSpatialAttention(nn.Module):
    """The sum of both attentions (CSAM); at the start of training it is twice its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = SpatialAttention(channels)
        self.channel = ChannelAttention()

    def forward(self, x: Tensor) -> Tensor:
        return self.spatial(x) + self.channel(x)  # type: ignore[no-any-return]


class Upsampling(nn.Sequential):
    """Doubles H and W by a transposed convolution, normalised."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            TransposedConvolution(
                in_channels, out_channels, 3, stride=2, padding=1, output_padding=1
            ),
            nn.BatchNorm2d(out_channels, eps=_EPS),
            nn.ReLU(inplace=True),
        )


@register("bmis_tiny", **_FACTS, widths=(16, 32, 48), depths=(2, 4))
@register("bmis_small", **_FACTS, widths=(16, 48, 64), depths=(3, 4))
@register("bmis", **_FACTS)
@register("bmis_large", **_FACTS, widths=(32, 96, 160), depths=(5, 8))
class BMIS(SegmentationModel):
    """Three halvings, two stages of residual blocks, attention, and a decoder far lighter.

    Args:
        in_channels: Channels of the image, fewer than ``widths[0]``.
        num_classes: Channels of the logits, background included.
        widths: Feature channels at 1/2, 1/4 and 1/8 of the image's size, each more than the last.
        depths: Residual blocks at 1/4 and at 1/8.
        dilations: Dilation of the blocks at 1/8, in turn, begun again if there are more blocks.
        asymmetric: 3x1 and 1x3 convolutions in pairs; otherwise one 3x3 for each pair.
        eca: Efficient channel attention in every block.
        attention: Channel and spatial attention at 1/8.
        skip_connections: Add the encoder's features at 1/4 and 1/2 to the decoder's.
        decoder_depth: Residual blocks after each upsampling.
        dropout: Share of the channels that the blocks at 1/4 and at 1/8 leave out in training.
        deep_supervision: In training the features at 1/8 (after attention) and at 1/4 (of the
            decoder) guess the answer too, each through a 1x1 convolution, and are corrected (not in
            the paper; C.-Y. Lee et al., Deeply-Supervised Nets, arXiv:1409.5185). Costs nothing at
            inference.

    Raises:
        ConfigError: Widths that do not grow, values out of range, or another number of values than
            said above.
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

        def stage(width: int, dropped: float, dilations: Sequence[int]) -> nn.Sequential:
            return nn.Sequential(
                *(
                    ResidualBlock(
                        width, dilation=d, dropout=dropped, asymmetric=asymmetric, eca=eca
                    )
                    for d in dilations
                )
            )

        half, quarter, eighth = widths
        self.stem = ParallelDownsampling(in_channels, half)
        self.down_1 = ParallelDownsampling(half, quarter)
        self.stage_1 = stage(quarter, dropout[0], [1] * depths[0])
        self.down_2 = ParallelDownsampling(quarter, eighth)
        cycle = [dilations[i % len(dilations)] for i in range(depths[1])]
        self.stage_2 = stage(eighth, dropout[1], cycle)
        self.attention = ChannelSpatialAttention(eighth) if attention else None
        self.up_1 = Upsampling(eighth, quarter)
        self.decoder_1 = stage(quarter, 0.0, [1] * decoder_depth)
        self.up_2 = Upsampling(quarter, half)
        self.decoder_2 = stage(half, 0.0, [1] * decoder_depth)
        self.head = TransposedConvolution(half, num_classes, 2, stride=2)
        self.guesses = nn.ModuleList()
        if deep_supervision:
            self.guesses += [nn.Conv2d(width, num_classes, 1) for width in (eighth, quarter)]
            self.auxiliary_weights = _GUESS_WEIGHTS

    def forward(self, x: Tensor) -> Tensor:
        return self._logits(x, None)

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """The answer, and with inner supervision both guesses made as large by interpolation."""
        if not self.guesses:
            return super().training_logits(x)
        inner: list[Tensor] = []
        answer = self._logits(x, inner)
        guesses = (
            F.interpolate(guess(y), x.shape[2:], mode="bilinear")
            for guess, y in zip(self.guesses, inner, strict=True)
        )
        return (answer, *guesses)

    def _logits(self, x: Tensor, inner: list[Tensor] | None) -> Tensor:
        """The answer; with ``inner``, the features to guess from go into it.

        One name for all features, and others only where they are used: each step frees the one
        before, without which the first, largest features would be held to the end.
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
        if inner is not None:
            inner.append(y)
        y = self.up_1(y)
        y = self.decoder_1(y if quarter is None else y + quarter)
        if inner is not None:
            inner.append(y)
        y = self.up_2(y)
        y = self.decoder_2(y if half is None else y + half)
        return self.head(y)  # type: ignore[no-any-return]


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
