"""DABNet (Li et al., "DABNet: Depth-wise Asymmetric Bottleneck", BMVC 2019, arXiv:1907.11357).

The block halves the channels with a full 3x3 convolution. Then it looks near and far in two
branches of depthwise 3x1 and 1x3 convolutions, one of them dilated. The image itself, made smaller,
is joined to the features before each stage and before the classifier.

Departures: none.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import NormPReLU, TripleConvStem, image_pyramid
from bmis.models.registry import register

_QUARTER_DILATIONS = (2, 2, 2)
_EIGHTH_DILATIONS = (4, 4, 8, 8, 16, 16)


def _branch(channels: int, dilation: int) -> nn.Sequential:
    """Depthwise 3x1, then 1x3, each dilated along its long axis and normalised."""
    d, c = dilation, channels
    return nn.Sequential(
        nn.Conv2d(c, c, (3, 1), padding=(d, 0), dilation=(d, 1), groups=c, bias=False),
        NormPReLU(c),
        nn.Conv2d(c, c, (1, 3), padding=(0, d), dilation=(1, d), groups=c, bias=False),
        NormPReLU(c),
    )


class AsymmetricBottleneck(nn.Module):
    """Half the channels, near and far context in two branches, back to all; residual (DAB).

    Example:
        >>> AsymmetricBottleneck(8, dilation=2)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Sequential(
            NormPReLU(channels),
            nn.Conv2d(channels, half, 3, padding=1, bias=False),
            NormPReLU(half),
        )
        self.near = _branch(half, 1)
        self.far = _branch(half, dilation)
        self.expand = nn.Sequential(NormPReLU(half), nn.Conv2d(half, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        return x + self.expand(self.near(y) + self.far(y))


class Downsampling(nn.Module):
    """Halve H and W: a strided convolution, beside it a max-pool where channels grow.

    Example:
        >>> Downsampling(4, 8)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.pooled = in_channels < out_channels
        made = out_channels - in_channels if self.pooled else out_channels
        self.conv = nn.Conv2d(in_channels, made, 3, stride=2, padding=1, bias=False)
        self.norm = NormPReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.pooled:
            y = torch.cat([y, F.max_pool2d(x, 2).to(y.dtype)], dim=1)
        return self.norm(y)


class Stage(nn.Module):
    """Downsampling and bottlenecks; the features before these are joined to those after.

    Example:
        >>> Stage(4, 8, dilations=(2, 4))(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 16, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.down = Downsampling(in_channels, out_channels)
        self.blocks = nn.Sequential(*(AsymmetricBottleneck(out_channels, d) for d in dilations))

    def forward(self, x: Tensor) -> Tensor:
        first = self.down(x)
        return torch.cat([self.blocks(first), first], dim=1)


@register("dabnet", group="light", source="arXiv:1907.11357", licence="MIT")
class DABNet(SegmentationModel):
    """Three halvings of asymmetric bottlenecks; logits at 1/8, enlarged bilinearly.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.

    Raises:
        ConfigError: Channels or classes are below 1.

    Example:
        >>> from bmis import build_model
        >>> build_model("dabnet")(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2) -> None:
        super().__init__(in_channels, num_classes, stride=8)
        half, quarter, eighth = 32, 64, 128
        self.stem = TripleConvStem(in_channels, half)
        self.norm_1 = NormPReLU(half + in_channels)
        self.stage_1 = Stage(half + in_channels, quarter, _QUARTER_DILATIONS)
        self.norm_2 = NormPReLU(2 * quarter + in_channels)
        self.stage_2 = Stage(2 * quarter + in_channels, eighth, _EIGHTH_DILATIONS)
        self.norm_3 = NormPReLU(2 * eighth + in_channels)
        self.head = nn.Conv2d(2 * eighth + in_channels, num_classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        y = self.stem(x)
        images = image_pyramid(x.to(y.dtype), 3)  # one type, or autocast widens all that follows
        y = self.stage_1(self.norm_1(torch.cat([y, images[0]], dim=1)))  # (N, 128, H/4, W/4)
        y = self.stage_2(self.norm_2(torch.cat([y, images[1]], dim=1)))  # (N, 256, H/8, W/8)
        y = self.head(self.norm_3(torch.cat([y, images[2]], dim=1)))
        return F.interpolate(y, size=x.shape[2:], mode="bilinear")
