"""ENet (Paszke et al., "ENet: A Deep Neural Network Architecture", arXiv:1606.02147).

It has bottlenecks throughout, at 1/8 of the image's size for most of the way: plain, dilated and
asymmetric ones in turn. The decoder gets back by unpooling what the encoder's pooling lost in
position: every value returns to the pixel that held the maximum.

Structure and numbers are those of the authors' code. Departures: encoder and decoder are trained at
once, without the classifier with which the authors train the encoder first. Convolutions have no
bias where a batch norm follows, which takes it off again. The 355,798 parameters that comparisons
quote are those of a later version. It has one PReLU slope a block instead of one a channel,
narrower bottlenecks where the encoder halves and wider ones where the decoder doubles.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.base import SegmentationModel
from bmis.models.layers.factorised import check_widens
from bmis.models.registry import register

_EPS = 1e-3  # of every batch norm, as published
_EIGHTH = (1, 2, None, 4, 1, 8, None, 16)  # dilations of 3x3; None: 1x5 and 5x1

_Activation = Callable[[int], nn.Module]


def _relu(_: int) -> nn.Module:
    return nn.ReLU(inplace=True)


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=_EPS)


def pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """Take the maximum of every 2x2 window, and which pixel of the window it was.

    Returns:
        Both (N, C, H/2, W/2). The second holds 0 to 3: upper left, upper right, lower left, lower
        right, the first of them where several are equal.

    Example:
        >>> pooled, corners = pool(torch.tensor([[[[1.0, 5.0], [2.0, 3.0]]]]))
        >>> pooled.item(), corners.item()
        (5.0, 1.0)
    """
    pooled, index = F.max_pool2d(x, 2, return_indices=True)  # index: row * W + column
    return pooled, (index // x.shape[3] % 2 * 2 + index % 2).to(x.dtype)


def unpool(x: Tensor, corners: Tensor) -> Tensor:
    """Put every value of (N, C, H, W) into its corner of 2x2 pixels, with zeros around it.

    The result is that of torch's own unpooling, which has no deterministic kernel on GPUs.

    Args:
        x: Values (N, C, H, W).
        corners: The corner of each, 0 to 3, as ``pool`` gives it.

    Returns:
        (N, C, 2 H, 2 W).

    Example:
        >>> x = torch.tensor([[[[1.0, 5.0], [2.0, 3.0]]]])
        >>> unpool(*pool(x)).tolist()
        [[[[0.0, 5.0], [0.0, 0.0]]]]
    """
    height, width = (2 * side for side in x.shape[2:])
    rows = torch.arange(height, device=x.device).unsqueeze(1) % 2 * 2
    own = rows + torch.arange(width, device=x.device) % 2  # (2 H, 2 W): the corner each pixel is
    kept = F.interpolate(corners, size=(height, width)) == own
    return F.interpolate(x, size=(height, width)) * kept


def _body(
    channels: tuple[int, int],
    middle: Sequence[nn.Module],
    activation: _Activation,
    *,
    halve: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Project to a quarter of the output channels, convolve there (``middle``), project back."""
    inputs, outputs = channels
    inner, side = outputs // 4, 2 if halve else 1
    return nn.Sequential(
        nn.Conv2d(inputs, inner, side, stride=side, bias=False),
        _norm(inner),
        activation(inner),
        *middle,
        _norm(inner),
        activation(inner),
        nn.Conv2d(inner, outputs, 1, bias=False),
        _norm(outputs),
        nn.Dropout2d(dropout),
    )


def _middle(channels: int, dilation: int | None) -> list[nn.Module]:
    if dilation is None:
        return [
            nn.Conv2d(channels, channels, (1, 5), padding=(0, 2), bias=False),
            nn.Conv2d(channels, channels, (5, 1), padding=(2, 0), bias=False),
        ]
    return [nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)]


class Bottleneck(nn.Module):
    """A residual bottleneck; ``dilation=None`` makes its convolution asymmetric.

    Example:
        >>> Bottleneck(8, nn.PReLU, dilation=2)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(
        self,
        channels: int,
        activation: _Activation,
        *,
        dilation: int | None = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        middle = _middle(channels // 4, dilation)
        self.body = _body((channels, channels), middle, activation, dropout=dropout)
        self.activation = activation(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.body(x))


class DownBottleneck(nn.Module):
    """Halve H and W; beside the bottleneck a max-pool, widened with zero channels.

    Example:
        >>> y, corners = DownBottleneck(4, 8, nn.PReLU, dropout=0.1)(torch.zeros(1, 4, 16, 16))
        >>> y.shape, corners.shape
        (torch.Size([1, 8, 8, 8]), torch.Size([1, 4, 8, 8]))
    """

    def __init__(
        self, in_channels: int, out_channels: int, activation: _Activation, *, dropout: float
    ) -> None:
        super().__init__()
        middle = _middle(out_channels // 4, 1)
        channels = in_channels, out_channels
        self.body = _body(channels, middle, activation, halve=True, dropout=dropout)
        self.activation = activation(out_channels)
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at half the size, and the corners of the maxima."""
        pooled, corners = pool(x)
        widened = F.pad(pooled, (0, 0, 0, 0, 0, self.new_channels))
        return self.activation(widened + self.body(x)), corners


class UpBottleneck(nn.Module):
    """Double H and W; beside the bottleneck the features go back to where the maxima were.

    Example:
        >>> up = UpBottleneck(8, 4, nn.PReLU)
        >>> up(torch.zeros(1, 8, 8, 8), corners=torch.zeros(1, 4, 8, 8)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, activation: _Activation) -> None:
        super().__init__()
        inner = out_channels // 4
        double = nn.ConvTranspose2d(
            inner, inner, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        self.body = _body((in_channels, out_channels), [double], activation)
        self.project = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), _norm(out_channels)
        )
        self.activation = activation(out_channels)

    def forward(self, x: Tensor, corners: Tensor) -> Tensor:
        y = unpool(self.project(x), corners) + self.body(x)
        return self.activation(y)


class Stem(nn.Module):
    """Halve H and W: a strided convolution beside a max-pool of the image.

    Example:
        >>> Stem(3, 16)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 16, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        check_widens(in_channels, out_channels)
        self.conv = nn.Conv2d(
            in_channels, out_channels - in_channels, 3, stride=2, padding=1, bias=False
        )
        self.norm = _norm(out_channels)
        self.activation = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        pooled = F.max_pool2d(x, 2).to(y.dtype)  # or autocast widens all that follows to float32
        return self.activation(self.norm(torch.cat([y, pooled], dim=1)))


@register("enet", group="light", source="arXiv:1606.02147", licence="CC-BY-NC-4.0")
class ENet(SegmentationModel):
    """A long encoder of bottlenecks and a short decoder that unpools.

    Args:
        in_channels: Channels of the image, fewer than 16.
        num_classes: Channels of the logits, background included.

    Raises:
        ConfigError: Channels or classes are below 1, or there are 16 channels or more.

    Example:
        >>> from bmis import build_model
        >>> build_model("enet")(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2) -> None:
        super().__init__(in_channels, num_classes, stride=8)
        self.stem = Stem(in_channels, 16)
        self.down_1 = DownBottleneck(16, 64, nn.PReLU, dropout=0.01)
        self.stage_1 = nn.Sequential(*(Bottleneck(64, nn.PReLU, dropout=0.01) for _ in range(4)))
        self.down_2 = DownBottleneck(64, 128, nn.PReLU, dropout=0.1)
        self.stage_2 = nn.Sequential(
            *(Bottleneck(128, nn.PReLU, dilation=d, dropout=0.1) for d in _EIGHTH * 2)
        )
        self.up_1 = UpBottleneck(128, 64, _relu)
        self.decoder_1 = nn.Sequential(*(Bottleneck(64, _relu) for _ in range(2)))
        self.up_2 = UpBottleneck(64, 16, _relu)
        self.decoder_2 = Bottleneck(16, _relu)
        self.head = nn.ConvTranspose2d(16, num_classes, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        y, quarter = self.down_1(self.stem(x))  # (N, 64, H/4, W/4)
        y, eighth = self.down_2(self.stage_1(y))  # (N, 128, H/8, W/8)
        y = self.decoder_1(self.up_1(self.stage_2(y), eighth))
        y = self.decoder_2(self.up_2(y, quarter))  # (N, 16, H/2, W/2)
        return self.head(y)
