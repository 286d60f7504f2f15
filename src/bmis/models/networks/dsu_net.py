"""DSU-Net: Zhong et al., "Dual-Stage U-Net based on CNN and Transformer", 2025.

"DSU-Net: Dual-Stage U-Net based on CNN and Transformer for skin lesion segmentation", Biomedical
Signal Processing and Control 100 (2025) 107090. Two networks stand in a row. A Swin transformer
with a decoder finds the lesion coarsely. A convolutional network with attention to positions and to
channels then sees only the pixels that the first one kept, and draws the mask. Both are trained.

Departures: logits come out (the authors apply a sigmoid inside), with the coarse ones beside them
in training at weight 1, where the paper balances the two by a scheme of its own. The paper has one
class. With more, background included, a pixel is kept where the foreground classes together are
likelier than not. The sides of an image are any multiples of 32, where the authors' network takes
224 x 224 (see ``layers.swin``). Swin-T starts from random weights, not from ImageNet.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.attention import ChannelAttention, attend
from bmis.models.layers.blocks import ChannelNorm, ConvNormAct
from bmis.models.layers.swin import SwinEncoder
from bmis.models.registry import register

_INNER_EPS = 1e-6  # of the layer norms inside the feature extractors, as published
_HEAD_WIDTH = 32
_KEYS = 8  # one channel of query and key for so many of the features
_SWIN_WIDTH, _SWIN_DEPTHS = 96, (2, 2, 6, 2)  # Swin-T


def _depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels)


def _asymmetric(channels: int, d: int) -> nn.Sequential:
    """Depthwise 1x3 then 3x1, each dilated by ``d`` along its long axis."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d), groups=channels),
        nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1), groups=channels),
        nn.GELU(),
    )


class _MultiDilation(nn.Module):
    """Surroundings of three sizes, summed and mixed by a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_asymmetric(channels, d) for d in (1, 2, 3))
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = (branch(x) for branch in self.branches)
        return F.gelu(self.mix(first + second + third))


class _LocalBranch(nn.Module):
    """A gate from three depthwise convolutions, then surroundings of three sizes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.ModuleList(_depthwise(channels) for _ in range(3))
        self.gate = nn.Conv2d(channels, channels, 1)
        self.norm = ChannelNorm(channels, eps=_INNER_EPS)
        self.surroundings = _MultiDilation(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.depthwise:
            y = y + F.gelu(conv(y))
        z = self.norm(torch.addcmul(x, x, self.gate(y).sigmoid().to(x.dtype)))
        return self.surroundings(z) + z


class _GlobalBranch(nn.Module):
    """Attention of every position to every other one (gamma starts at 0), then surroundings."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        keys = channels // _KEYS
        self.query = nn.Conv2d(channels, keys, 3, padding=1, groups=keys)
        self.key = nn.Conv2d(channels, keys, 3, padding=1, groups=keys)
        self.value = _depthwise(channels)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.norm = ChannelNorm(channels, eps=_INNER_EPS)
        self.surroundings = _MultiDilation(channels)

    def forward(self, x: Tensor) -> Tensor:
        seen = attend(self.query(x).flatten(2), self.key(x).flatten(2), self.value(x).flatten(2))
        y = self.gamma * seen.view_as(x) + x
        return self.surroundings(self.norm(y)) + y


class FeatureExtractor(nn.Module):
    """Channel attention, then a local and a global branch side by side; residual.

    Example:
        >>> FeatureExtractor(8)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = ChannelAttention()
        self.near = _LocalBranch(channels)
        self.far = _GlobalBranch(channels)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.channel(x)
        return x + self.mix(self.near(y) + self.far(y))


class Stem(nn.Module):
    """Shrink an image to a quarter of its size: strided convolution, norm, max-pool.

    Example:
        >>> Stem(3, 8)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 7, stride=2, padding=3)
        self.norm = ChannelNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.norm(self.conv(x))), 3, stride=2, padding=1)


class Downsampling(nn.Module):
    """Halve H and W: norm, convolution, max-pool.

    Example:
        >>> Downsampling(4, 8)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.conv(self.norm(x))), 3, stride=2, padding=1)


class ConvolutionalEncoder(nn.Module):
    """Features of an image at 1/4, 1/8, 1/16 and 1/32 of its size, by feature extractors.

    Example:
        >>> encoder = ConvolutionalEncoder(3, widths=(8, 8, 8, 8))
        >>> [y.shape[2] for y in encoder(torch.zeros(1, 3, 64, 64))]
        [16, 8, 4, 2]
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = Stem(in_channels, widths[0])
        self.downs = nn.ModuleList(Downsampling(i, o) for i, o in pairwise(widths))
        self.extractors = nn.ModuleList(FeatureExtractor(width) for width in widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Turn an image (N, I, H, W) into features (N, C, h, w), finest first."""
        features = [self.extractors[0](self.stem(x))]
        for down, extract in zip(self.downs, list(self.extractors)[1:], strict=True):
            features.append(extract(down(features[-1])))
        return features


def _doubling(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    """Layers that double H and W: a transposed 4x4 convolution, normalised."""
    return (
        nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class _UpsamplingBottleneck(nn.Module):
    """Double H and W at a quarter of the channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        inner = in_channels // 4
        self.reduce = ConvNormAct(in_channels, inner, 1, bias=True)
        self.up = nn.Sequential(*_doubling(inner, inner))
        self.expand = ConvNormAct(inner, out_channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.up(self.reduce(x)))


class Decoder(nn.Module):
    """Turn features of four scales, finest first, into logits (N, K, H, W); skips are added.

    Example:
        >>> features = [torch.zeros(1, 8, side, side) for side in (16, 8, 4, 2)]
        >>> Decoder((8, 8, 8, 8), num_classes=2)(features).shape
        torch.Size([1, 2, 64, 64])
    """

    def __init__(self, widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.ups = nn.ModuleList(
            _UpsamplingBottleneck(i, o) for i, o in pairwise(reversed(list(widths)))
        )
        self.head = nn.Sequential(
            *_doubling(widths[0], _HEAD_WIDTH),
            *_doubling(_HEAD_WIDTH, _HEAD_WIDTH),
            nn.Conv2d(_HEAD_WIDTH, _HEAD_WIDTH, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_HEAD_WIDTH, num_classes, 3, padding=1),
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        *skips, y = features
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            y = up(y) + skip
        return self.head(y)


def foreground(logits: Tensor) -> Tensor:
    """Find the pixels where the foreground classes together are likelier than not.

    Args:
        logits: (N, K, H, W). One class: its sigmoid counts. More: the softmax of all but the first.

    Returns:
        (N, 1, H, W), boolean.

    Example:
        >>> logits = torch.tensor([0.5, 0.2, 0.2]).view(1, 3, 1, 1)  # background, two classes
        >>> foreground(logits).item()
        True
    """
    if logits.shape[1] == 1:
        return logits > 0
    return logits[:, 1:].float().logsumexp(1, keepdim=True) > logits[:, :1]


@register(
    "dsu_net",
    group="transformer",
    source="doi:10.1016/j.bspc.2024.107090",
    licence="none stated",
)
class DSUNet(SegmentationModel):
    """A coarse network, and a fine one for the pixels that the coarse one kept.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included; 1 for foreground alone.
        widths: Feature channels of the fine network at 1/4 to 1/32 of the image's size.

    Raises:
        ConfigError: Widths are not 4 multiples of 8.

    Example:
        >>> from bmis import build_model
        >>> with torch.device("meta"):  # shapes without weights
        ...     model = build_model("dsu_net")
        >>> f"{sum(p.numel() for p in model.parameters()):,}"
        '35,689,036'
    """

    auxiliary_weights = (1.0,)

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (72, 144, 256, 320),
    ) -> None:
        super().__init__(in_channels, num_classes, stride=32)
        if len(widths) != 4 or any(width < 1 or width % _KEYS for width in widths):
            raise ConfigError(f"dsu_net: widths must be 4 multiples of {_KEYS}, got {list(widths)}")
        self.coarse_encoder = SwinEncoder(in_channels, _SWIN_WIDTH, _SWIN_DEPTHS)
        self.coarse_decoder = Decoder(self.coarse_encoder.widths, num_classes)
        self.fine_encoder = ConvolutionalEncoder(in_channels, widths)
        self.fine_decoder = Decoder(widths, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.training_logits(x)[0]

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """The fine logits, which ``forward`` gives, and the coarse ones, each (N, K, H, W)."""
        self.check_input(x)
        coarse = self.coarse_decoder(self.coarse_encoder(x))
        fine = self.fine_decoder(self.fine_encoder(x * foreground(coarse)))
        return fine, coarse
