"""ContextNet (Poudel et al., "ContextNet: Exploring Context and Detail", arXiv:1805.04554).

A shallow branch of depthwise separable convolutions sees the image at full size and keeps detail;
a deep one of inverted bottlenecks sees it at a quarter of its size, where depth is cheap, and finds
the context. The sum of both, at 1/8 of the image's size, is classified.

Departures: as in the implementations whose 874,370 parameters comparisons quote, the last plain
3x3 convolution of the deep branch is not there, the classifier has two separable convolutions
before its 1x1, and both branches are trained at once. Those lose a row and a column at each of the
two first convolutions; here these are padded, so that sizes halve as in the paper.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ConvNormAct, DepthwiseSeparable, InvertedBottleneck
from bmis.models.registry import register

# Expansion, channels, number and stride of the first, of the deep branch's bottlenecks.
_DEEP = ((1, 32, 1, 1), (6, 32, 1, 1), (6, 48, 3, 2), (6, 64, 3, 2), (6, 96, 2, 1), (6, 128, 2, 1))


class FeatureFusion(nn.Module):
    """Coarse features, enlarged bilinearly and spread by a dilated convolution, added to fine ones.

    Args:
        fine_channels: Of the fine features.
        channels: Of the coarse features and of the sum.
        ratio: Of the sizes, which is the dilation too.
    """

    def __init__(self, fine_channels: int, channels: int, ratio: int = 4) -> None:
        super().__init__()
        self.spread = nn.Sequential(
            nn.Conv2d(
                channels, channels, 3, padding=ratio, dilation=ratio, groups=channels, bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        self.coarse = ConvNormAct(channels, channels, 1, bias=True, activation=nn.Identity)
        self.fine = ConvNormAct(fine_channels, channels, 1, bias=True, activation=nn.Identity)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(N, F, H, W) and (N, C, h, w) -> (N, C, H, W)."""
        coarse = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=True)
        return F.relu(self.fine(fine) + self.coarse(self.spread(coarse)), inplace=True)


class Classifier(nn.Sequential):
    """Two separable convolutions, dropout, 1x1 to the classes."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__(
            DepthwiseSeparable(channels, channels),
            DepthwiseSeparable(channels, channels),
            nn.Dropout(0.1),
            nn.Conv2d(channels, num_classes, 1),
        )


def bottlenecks(in_channels: int, plan: tuple[tuple[int, int, int, int], ...]) -> nn.Sequential:
    """Inverted bottlenecks in a row.

    Args:
        in_channels: Of what the first one takes.
        plan: For each group: expansion, channels, how many of them, stride of the first.
    """
    blocks = nn.Sequential()
    for expansion, channels, number, first_stride in plan:
        for i in range(number):
            stride = first_stride if i == 0 else 1
            blocks.append(InvertedBottleneck(in_channels, channels, expansion, stride=stride))
            in_channels = channels
    return blocks


@register("contextnet", group="light", source="arXiv:1805.04554", licence="none stated")
class ContextNet(SegmentationModel):
    """A shallow branch at full size, a deep one at a quarter, and their sum classified at 1/8.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.

    Raises:
        ConfigError: Channels or classes below 1.
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2) -> None:
        super().__init__(in_channels, num_classes, stride=32)
        self.detail = nn.Sequential(
            ConvNormAct(in_channels, 32, stride=2),
            DepthwiseSeparable(32, 64, stride=2),
            DepthwiseSeparable(64, 128, stride=2),
            DepthwiseSeparable(128, 128),
        )
        self.context = nn.Sequential(ConvNormAct(in_channels, 32, stride=2), bottlenecks(32, _DEEP))
        self.fusion = FeatureFusion(128, 128)
        self.head = Classifier(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        quarter = [side // 4 for side in x.shape[2:]]
        small = F.interpolate(x, size=quarter, mode="bilinear", align_corners=True)
        y = self.fusion(self.detail(x), self.context(small))  # (N, 128, H/8, W/8)
        return F.interpolate(self.head(y), size=x.shape[2:], mode="bilinear", align_corners=True)
