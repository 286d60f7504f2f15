"""ERFNet's parts, from which BMIS and LEDNet are made too: factorised residual blocks, resizing."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.layers.attention import EfficientChannelAttention
from bmis.models.layers.cpu_layers import TransposedConvolution, with_means

_EPS = 1e-3  # of every batch norm, as published


class ParallelDownsampling(nn.Module):
    """Halve H and W: a strided convolution beside a max-pool, joined, normalised (BMIS: PCDM).

    Args:
        in_channels: Channels of the input, which the max-pool keeps.
        out_channels: Channels of the output, more than ``in_channels``.

    Raises:
        ConfigError: ``out_channels`` is not more than ``in_channels``.

    Example:
        >>> ParallelDownsampling(3, 8)(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        check_widens(in_channels, out_channels)
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(out_channels, eps=_EPS)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        pooled = max_pool(x).to(y.dtype)  # or autocast widens all that follows to float32
        return self.relu(self.norm(torch.cat([y, pooled], dim=1)))


def check_widens(in_channels: int, out_channels: int) -> None:
    """Raise ``ConfigError`` unless a max-pool's channels leave room for those of a convolution.

    Example:
        >>> check_widens(16, 16)
        Traceback (most recent call last):
        bmis.errors.ConfigError: in_channels must be below 16, got 16; give images of fewer channels
    """
    if in_channels >= out_channels:
        raise ConfigError(
            f"in_channels must be below {out_channels}, got {in_channels}; "
            "give images of fewer channels"
        )


def max_pool(x: Tensor) -> Tensor:
    """Largest of 2x2 pixels; ``max_pool2d`` takes ten times as long over an image's few channels.

    Example:
        >>> max_pool(torch.arange(8.0).view(1, 1, 2, 4)).tolist()
        [[[[5.0, 7.0]]]]
    """
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
    """Two asymmetric convolutions, the second dilated, ECA, residual (BMIS: EACB and DACB).

    Args:
        channels: Channels of input and output.
        dilation: Dilation of the second convolution.
        dropout: Share of the channels that is left out in training, 0 to below 1.
        asymmetric: Pairs of 3x1 and 1x3 convolutions; otherwise one 3x3 for each pair.
        eca: Whether efficient channel attention scales the channels.

    Example:
        >>> block = ResidualBlock(8, dilation=2, dropout=0.1, asymmetric=True, eca=True)
        >>> block(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

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
        return self.relu(y)

    def _factors(self, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """What to use in place of y, and the channels' factors (N, C, 1, 1); None are all 1.

        Dropout and ECA both scale whole channels. Joined, and with the sum that follows, they cost
        one pass over y.
        """
        dropped = self.dropout(y.new_ones(*y.shape[:2], 1, 1)) if self.training else None
        if self.eca is None:
            return y, dropped
        y, means = with_means(y)
        if dropped is None:
            return y, self.eca(means).to(y.dtype)
        return y, (dropped * self.eca(dropped * means)).to(y.dtype)


def residual_stage(
    channels: int,
    dilations: Sequence[int],
    *,
    dropout: float,
    asymmetric: bool = True,
    eca: bool = False,
) -> nn.Sequential:
    """One ``ResidualBlock`` after another, one for each dilation.

    Example:
        >>> len(residual_stage(8, (2, 4, 8), dropout=0.1))
        3
    """
    return nn.Sequential(
        *(
            ResidualBlock(channels, dilation=d, dropout=dropout, asymmetric=asymmetric, eca=eca)
            for d in dilations
        )
    )


class Upsampling(nn.Sequential):
    """Double H and W by a transposed convolution, normalised.

    Example:
        >>> Upsampling(8, 4)(torch.zeros(1, 8, 8, 8)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            TransposedConvolution(
                in_channels, out_channels, 3, stride=2, padding=1, output_padding=1
            ),
            nn.BatchNorm2d(out_channels, eps=_EPS),
            nn.ReLU(inplace=True),
        )
