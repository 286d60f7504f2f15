"""LEDNet (Wang et al., "LEDNet: A Lightweight Encoder-Decoder Network", arXiv:1905.02423).

The encoder's residual blocks split their channels in two and take each half through pairs of 3x1
and 1x3 convolutions in opposite order. Then they shuffle the channels, so that the halves meet in
the next block. The decoder is an attention pyramid. One map per image, built from three scales,
weights the class scores of every position, and a global average adds the scores of the whole image.

Departures: the class scores and the global scores are not clipped by the ReLU of the published
code, which leaves no logit below 0. H and W are halved as in BMIS, which took this from ERFNet.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.base import SegmentationModel
from bmis.models.layers.factorised import ParallelDownsampling
from bmis.models.registry import register

_EPS = 1e-3  # of every batch norm, as published
_WIDTHS = (32, 64, 128)
_EIGHTH_DILATIONS = (1, 2, 5, 9, 2, 5, 9, 17)


def _pair(channels: int, dilation: int, *, tall_first: bool) -> list[nn.Module]:
    """Layers: 3x1 and 1x3 convolutions in either order, ReLU in between, batch norm after."""
    d = dilation
    tall = nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1))
    wide = nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d))
    first, second = (tall, wide) if tall_first else (wide, tall)
    return [first, nn.ReLU(inplace=True), second, nn.BatchNorm2d(channels, eps=_EPS)]


def _branch(channels: int, dilation: int, *, tall_first: bool) -> nn.Sequential:
    return nn.Sequential(
        *_pair(channels, 1, tall_first=tall_first),
        nn.ReLU(inplace=True),
        *_pair(channels, dilation, tall_first=tall_first),
    )


class SplitShuffleBlock(nn.Module):
    """Two halves of the channels, each factorised its own way; residual; shuffle (SS-nbt).

    Example:
        >>> block = SplitShuffleBlock(8, dilation=2, dropout=0.1)
        >>> block(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int, *, dilation: int, dropout: float) -> None:
        super().__init__()
        self.left = _branch(channels // 2, dilation, tall_first=True)
        self.right = _branch(channels // 2, dilation, tall_first=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1)
        y = self.dropout(torch.cat([self.left(left), self.right(right)], dim=1))
        return F.channel_shuffle(F.relu(x + y, inplace=True), 2)


def _long_pair(in_channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Kernel x 1, then 1 x kernel, to one channel, each strided along its long axis."""
    pad = kernel // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, 1, (kernel, 1), stride=(stride, 1), padding=(pad, 0)),
        nn.Conv2d(1, 1, (1, kernel), stride=(1, stride), padding=(0, pad)),
        nn.BatchNorm2d(1, eps=_EPS),
        nn.ReLU(inplace=True),
    )


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


class AttentionPyramid(nn.Module):
    """Class scores, weighted by a map from three scales, plus the whole image's scores (APN).

    Example:
        >>> pyramid = AttentionPyramid(8, num_classes=2).eval()
        >>> pyramid(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 2, 16, 16])
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        kernels = (7, 5, 3)  # at 1/2, 1/4 and 1/8 of the features' size
        self.downs = nn.ModuleList(
            _long_pair(inputs, kernel, 2)
            for inputs, kernel in zip((channels, 1, 1), kernels, strict=True)
        )
        self.laterals = nn.ModuleList(_long_pair(1, kernel, 1) for kernel in kernels)
        self.scores = self._scores(channels, num_classes)
        self.image_scores = self._scores(channels, num_classes)

    @staticmethod
    def _scores(channels: int, num_classes: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, num_classes, 1), nn.BatchNorm2d(num_classes, eps=_EPS)
        )

    def attention(self, x: Tensor) -> Tensor:
        """Build the map (N, 1, H, W) of features (N, C, H, W); no value is below 0."""
        scales = [x]
        for down in self.downs:
            scales.append(down(scales[-1]))
        y = _resize(self.laterals[2](scales[3]), scales[2])
        y = _resize(self.laterals[1](scales[2]) + y, scales[1])
        return _resize(self.laterals[0](scales[1]) + y, x)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.image_scores(x.mean((2, 3), keepdim=True))
        return self.scores(x) * self.attention(x) + whole


def _stage(channels: int, dropout: float, dilations: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(
        *(SplitShuffleBlock(channels, dilation=d, dropout=dropout) for d in dilations)
    )


@register("lednet", group="light", source="arXiv:1905.02423", licence="MIT")
class LEDNet(SegmentationModel):
    """Three halvings with split-and-shuffle blocks, and an attention pyramid as decoder.

    Args:
        in_channels: Channels of the image, fewer than 32.
        num_classes: Channels of the logits, background included.

    Raises:
        ConfigError: Channels or classes are below 1, or there are 32 channels or more.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("lednet").eval()
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2) -> None:
        super().__init__(in_channels, num_classes, stride=8)
        half, quarter, eighth = _WIDTHS
        self.stem = ParallelDownsampling(in_channels, half)
        self.stage_1 = _stage(half, 0.03, (1, 1, 1))
        self.down_1 = ParallelDownsampling(half, quarter)
        self.stage_2 = _stage(quarter, 0.03, (1, 1))
        self.down_2 = ParallelDownsampling(quarter, eighth)
        self.stage_3 = _stage(eighth, 0.3, _EIGHTH_DILATIONS)
        self.decoder = AttentionPyramid(eighth, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        y = self.stage_1(self.stem(x))  # (N, 32, H/2, W/2)
        y = self.stage_2(self.down_1(y))  # (N, 64, H/4, W/4)
        y = self.stage_3(self.down_2(y))  # (N, 128, H/8, W/8)
        return _resize(self.decoder(y), x)
