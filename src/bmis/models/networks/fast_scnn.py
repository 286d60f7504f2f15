"""Fast-SCNN (Poudel et al., "Fast-SCNN: Fast Semantic Segmentation Network", arXiv:1902.04502).

ContextNet's two branches with their first layers in common. Three halvings are computed once. From
there detail goes straight to the fusion, context through inverted bottlenecks and averages over
parts of the image.

No ReLU stands between a depthwise and its 1x1 convolution: "we omit the nonlinearity between
depthwise and pointwise convolutions" (section 3.2.1). The one depthwise convolution with a ReLU is
that of the fusion, as the paper's table of it says.

Departures: the auxiliary losses of the paper are left out, whose heads are not in the 1,135,858
parameters that comparisons quote. The implementation counted there loses a row and a column at the
first convolution. Here it is padded, so that sizes halve as in the paper.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ConvNormAct, DepthwiseSeparable
from bmis.models.networks.contextnet import Classifier, FeatureFusion, bottlenecks
from bmis.models.registry import register

# Groups of bottlenecks: expansion, channels, number, stride of the first.
_CONTEXT = ((6, 64, 3, 2), (6, 96, 3, 2), (6, 128, 3, 1))
_PARTS = (1, 2, 3, 6)


def _shares(parts: int, size: int, like: Tensor) -> Tensor:
    """Weights (parts, size) of the positions in the mean of each part; rows sum to 1.

    Parts overlap by a position where they do not divide the size.
    """
    part = torch.arange(parts, device=like.device).unsqueeze(1)
    position = torch.arange(size, device=like.device)
    inside = (position >= part * size // parts) & (position < -(-(part + 1) * size // parts))
    return (inside / inside.sum(1, keepdim=True)).to(like.dtype)


def part_means(x: Tensor, parts: int) -> Tensor:
    """Average over the image cut into parts: (N, C, H, W) -> (N, C, parts, parts).

    torch's own pooling has no deterministic gradient on GPUs. Where determinism is asked for, two
    products with small matrices give the same.

    Example:
        >>> part_means(torch.arange(16.0).view(1, 1, 4, 4), 2).tolist()
        [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    if not torch.are_deterministic_algorithms_enabled():
        return F.adaptive_avg_pool2d(x, parts)
    rows, columns = (_shares(parts, side, x) for side in x.shape[2:])
    return rows @ x @ columns.T


class PyramidPooling(nn.Module):
    """Join averages over the image cut into 1, 2, 3 and 6 parts a side to every position.

    Example:
        >>> PyramidPooling(8).eval()(torch.zeros(1, 8, 12, 12)).shape
        torch.Size([1, 8, 12, 12])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(ConvNormAct(channels, channels // 4, 1) for _ in _PARTS)
        self.join = ConvNormAct(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for parts, level in zip(_PARTS, self.levels, strict=True):
            y = level(part_means(x, parts))
            seen.append(F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=True))
        return self.join(torch.cat(seen, dim=1))


@register("fast_scnn", group="light", source="arXiv:1902.04502", licence="none stated")
class FastSCNN(SegmentationModel):
    """Three halvings in common, then a branch for detail and one for context; logits at 1/8.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.

    Raises:
        ConfigError: Channels or classes are below 1.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("fast_scnn").eval()
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2) -> None:
        super().__init__(in_channels, num_classes, stride=32)
        self.stem = nn.Sequential(
            ConvNormAct(in_channels, 32, stride=2),
            DepthwiseSeparable(32, 48, stride=2),
            DepthwiseSeparable(48, 64, stride=2),
        )
        self.context = nn.Sequential(bottlenecks(64, _CONTEXT), PyramidPooling(128))
        self.fusion = FeatureFusion(64, 128)
        self.head = Classifier(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        detail = self.stem(x)  # (N, 64, H/8, W/8)
        y = self.fusion(detail, self.context(detail))  # context: (N, 128, H/32, W/32)
        return F.interpolate(self.head(y), size=x.shape[2:], mode="bilinear", align_corners=True)
