"""CGNet (Wu et al., "CGNet: A Light-weight Context Guided Network", arXiv:1811.08201).

Every block looks at a pixel's neighbours (3x3), at its surroundings (3x3, dilated) and at the whole
image (a gate for each channel), with depthwise convolutions and few channels. The image itself,
made smaller, is joined to the features before each stage.

Departures: none in structure. The gate's two layers are 1x1 convolutions, which is the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import NormPReLU, TripleConvStem, image_pyramid
from bmis.models.registry import register


class JointFeature(nn.Module):
    """Neighbours and surroundings of every pixel, side by side: C -> 2 C channels, normalised.

    Example:
        >>> JointFeature(4, dilation=2)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.surround = nn.Conv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False
        )
        self.norm = NormPReLU(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.cat([self.local(x), self.surround(x)], dim=1))


class GlobalGate(nn.Module):
    """Scale every channel by a factor in 0..1 that follows from the means of all channels.

    Example:
        >>> GlobalGate(8, reduction=2)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.factors = nn.Sequential(
            nn.Conv2d(channels, channels // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factors(x.mean((2, 3), keepdim=True))


class ContextGuidedBlock(nn.Module):
    """Half the channels, then their neighbours and surroundings, gated; residual.

    Example:
        >>> ContextGuidedBlock(8, dilation=2, reduction=2)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int, *, dilation: int, reduction: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Sequential(nn.Conv2d(channels, half, 1, bias=False), NormPReLU(half))
        self.joint = JointFeature(half, dilation)
        self.gate = GlobalGate(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate(self.joint(self.reduce(x)))


class ContextGuidedDownsampling(nn.Sequential):
    """Halve H and W by a 3x3 convolution; neighbours and surroundings, joined and gated.

    Example:
        >>> down = ContextGuidedDownsampling(4, 8, dilation=2, reduction=2)
        >>> down(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, dilation: int, reduction: int
    ) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
            NormPReLU(out_channels),
            JointFeature(out_channels, dilation),
            nn.Conv2d(2 * out_channels, out_channels, 1, bias=False),
            GlobalGate(out_channels, reduction),
        )


class Stage(nn.Module):
    """A downsampling block and further blocks; the first one's output is joined to the last's.

    Example:
        >>> stage = Stage(4, 8, depth=2, dilation=2, reduction=2)
        >>> stage(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 16, 8, 8])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, depth: int, dilation: int, reduction: int
    ) -> None:
        super().__init__()
        self.down = ContextGuidedDownsampling(
            in_channels, out_channels, dilation=dilation, reduction=reduction
        )
        self.blocks = nn.Sequential(
            *(
                ContextGuidedBlock(out_channels, dilation=dilation, reduction=reduction)
                for _ in range(depth - 1)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        first = self.down(x)
        return torch.cat([self.blocks(first), first], dim=1)


@register("cgnet", group="light", source="arXiv:1811.08201", licence="MIT")
class CGNet(SegmentationModel):
    """Three halvings of context guided blocks; logits at 1/8, enlarged bilinearly.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        depths: Blocks at 1/4 and at 1/8 of the image's size, with the one that halves (M and N).

    Raises:
        ConfigError: Channels or classes are below 1, or depths are not two numbers of 2 or more.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("cgnet", depths=(2, 2))
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self, in_channels: int = 3, num_classes: int = 2, *, depths: tuple[int, int] = (3, 21)
    ) -> None:
        super().__init__(in_channels, num_classes, stride=8)
        if len(depths) != 2 or min(depths) < 2:
            raise ConfigError(f"cgnet: depths must be 2 numbers of 2 or more, got {list(depths)}")
        half, quarter, eighth = 32, 64, 128
        self.stem = TripleConvStem(in_channels, half)
        self.norm_1 = NormPReLU(half + in_channels)
        self.stage_1 = Stage(half + in_channels, quarter, depth=depths[0], dilation=2, reduction=8)
        self.norm_2 = NormPReLU(2 * quarter + in_channels)
        self.stage_2 = Stage(
            2 * quarter + in_channels, eighth, depth=depths[1], dilation=4, reduction=16
        )
        self.norm_3 = NormPReLU(2 * eighth)
        self.head = nn.Conv2d(2 * eighth, num_classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        y = self.stem(x)
        at_half, at_quarter = image_pyramid(x.to(y.dtype), 2)  # one type, or autocast widens all
        y = self.stage_1(self.norm_1(torch.cat([y, at_half], dim=1)))  # (N, 128, H/4, W/4)
        y = self.stage_2(self.norm_2(torch.cat([y, at_quarter], dim=1)))  # (N, 256, H/8, W/8)
        return F.interpolate(self.head(self.norm_3(y)), size=x.shape[2:], mode="bilinear")
