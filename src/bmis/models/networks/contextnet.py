"""ContextNet (Poudel et al., "ContextNet: Exploring Context and Detail", arXiv:1805.04554).

A shallow branch of depthwise separable convolutions sees the image at full size and keeps detail.
A deep one of inverted bottlenecks sees it at a quarter of its size, where depth is cheap, and finds
the context. The sum of both, at 1/8 of the image's size, is classified.

No ReLU stands between a depthwise and its 1x1 convolution. The same authors say so of Fast-SCNN
(arXiv:1902.04502, section 3.2.1), where they follow Xception, MobileNetV2 and this network.

Departures: they are those of the implementations whose 874,370 parameters comparisons quote. The
last plain 3x3 convolution of the deep branch is left out, the classifier has two separable
convolutions before its 1x1, and both branches are trained at once. Those implementations lose a row
and a column at each of the first two convolutions. Here these are padded, so that sizes halve as in
the paper.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ConvNormAct, DepthwiseSeparable, InvertedBottleneck
from bmis.models.registry import register

# The deep branch's groups of bottlenecks: expansion, channels, number, stride of the first.
_DEEP = ((1, 32, 1, 1), (6, 32, 1, 1), (6, 48, 3, 2), (6, 64, 3, 2), (6, 96, 2, 1), (6, 128, 2, 1))


class FeatureFusion(nn.Module):
    """Add coarse features, enlarged and spread by a dilated convolution, to fine ones.

    Args:
        fine_channels: Channels of the fine features.
        channels: Channels of the coarse features and of the sum.
        ratio: Ratio of the two sizes, which is the dilation too.

    Example:
        >>> import torch
        >>> fusion = FeatureFusion(4, 8)
        >>> fusion(torch.zeros(1, 4, 16, 16), torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 16, 16])
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
        """Add fine features (N, F, H, W) and coarse ones (N, C, h, w) to (N, C, H, W)."""
        coarse = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=True)
        return F.relu(self.fine(fine) + self.coarse(self.spread(coarse)), inplace=True)


class Classifier(nn.Sequential):
    """Two separable convolutions, dropout, and a 1x1 convolution to the classes.

    Example:
        >>> import torch
        >>> Classifier(8, num_classes=2)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 2, 16, 16])
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__(
            DepthwiseSeparable(channels, channels),
            DepthwiseSeparable(channels, channels),
            nn.Dropout(0.1),
            nn.Conv2d(channels, num_classes, 1),
        )


def bottlenecks(in_channels: int, plan: tuple[tuple[int, int, int, int], ...]) -> nn.Sequential:
    """Build groups of inverted bottlenecks in a row.

    Args:
        in_channels: Channels of the first one's input.
        plan: For each group: expansion, channels, number of bottlenecks, stride of the first.

    Example:
        >>> len(bottlenecks(8, ((1, 8, 1, 1), (6, 16, 3, 2))))
        4
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
        ConfigError: Channels or classes are below 1.

    Example:
        >>> import torch
        >>> from bmis import build_model
        >>> model = build_model("contextnet").eval()
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
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
