"""BMIS Edge: a trunk of EfficientNet-Lite0 from ImageNet under a light decoder.

BMIS (``bmis``) is small but not fast: it works on wide maps at 1/4 of the image's size. Here a
trunk that halves its maps early does most of the work, and it starts from ImageNet. The decoder
brings every scale to one width and adds them up, coarse to fine, as a feature pyramid does
(arXiv:1612.03144). The last map has one number for each pixel of a square and each class, which
depth-to-space lays out (arXiv:1609.05158). There is no transposed convolution, which not every
runtime takes.

What comes from BMIS is an option: residual blocks of asymmetric dilated convolutions with
efficient channel attention at the coarsest scale, and attention of every position there to pooled
ones.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.config import check_choice
from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.imagenet import load_trunk
from bmis.models.layers.blocks import ConvNormAct, init_convolutions
from bmis.models.layers.efficientnet_lite import EfficientNetLite
from bmis.models.layers.factorised import residual_stage
from bmis.models.registry import register

_FACTS: dict[str, Any] = {
    "group": "light",
    "source": "arXiv:1905.11946",  # of the trunk; the decoder is described here alone
    "licence": "Apache-2.0",
}
_DILATIONS = (1, 2, 3)  # of the blocks of BMIS at the coarsest scale, 14 pixels of a side
_AUXILIARY_WEIGHT = 0.4
CONTEXTS = ("none", "dilated", "attention")
STEPS = (2, 4)


class PooledAttention(nn.Module):
    """Every position attends to the means of squares of 2x2, weighted by a gamma that starts at 0.

    It is BMIS's position attention with a quarter of its keys.

    Example:
        >>> import torch
        >>> x = torch.randn(1, 8, 4, 4)
        >>> torch.equal(PooledAttention(8)(x), x)  # before training
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 2, 1)
        self.key = nn.Conv2d(channels, channels // 2, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, 2, ceil_mode=True)
        query = self.query(x).flatten(2).transpose(1, 2)
        scores = query @ self.key(pooled).flatten(2) / query.shape[2] ** 0.5
        seen = self.value(pooled).flatten(2) @ scores.softmax(-1).transpose(1, 2)
        return self.gamma * seen.view_as(x) + x


@register("bmis_edge_s", **_FACTS, stages=4, width=32, depthwise=True)
@register("bmis_edge", **_FACTS)
class BMISEdge(SegmentationModel):
    """The first stages of EfficientNet-Lite from ImageNet, and a decoder that adds up its scales.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        trunk: "lite0", "lite1" or "lite2".
        stages: Stages of the trunk: 4 and 5 end at 1/16, 6 and 7 at 1/32.
        weights: What the trunk starts from: "imagenet", "none", or a file of
            ``benchmarks/imagenet_weights.py``.
        width: Channels of the decoder.
        finest: The decoder ends at 1/4 or 1/2 of the image's size. 1/2 is for thin vessels and
            small nuclei, and needs nearly twice the multiplications.
        depthwise: Whether the decoder's convolutions are depthwise ones followed by 1x1.
        context: What is added at the coarsest scale: "dilated" (BMIS's residual blocks with ECA),
            "attention" (to pooled positions) or "none".
        dropout: Share of the decoder's last channels that training leaves out.
        deep_supervision: Whether a head on the coarsest scale is trained too.

    Raises:
        ConfigError: A value is out of range, or the package has no weights for the trunk.
        BundleError: The file of the weights is damaged or of another trunk.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("bmis_edge", in_channels=1, weights="none").eval()
        >>> model(torch.zeros(1, 1, 64, 64)).shape
        torch.Size([1, 2, 64, 64])
    """

    def __init__(  # noqa: PLR0913  (every part that the ablations vary)
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        trunk: str = "lite0",
        stages: int = 5,
        weights: str = "imagenet",
        width: int = 48,
        finest: int = 4,
        depthwise: bool = False,
        context: str = "none",
        dropout: float = 0.1,
        deep_supervision: bool = False,
    ) -> None:
        check_choice("context", context, CONTEXTS)
        _check(width, finest, dropout)
        super().__init__(in_channels, num_classes, stride=16 if stages < 6 else 32)
        self.trunk = EfficientNetLite(in_channels, trunk, stages)
        scales = [c for i, c in enumerate(self.trunk.channels) if 2 ** (i + 1) >= finest]
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in scales)
        self.steps = nn.ModuleList(_step(width, depthwise) for _ in scales)
        self.context = _context(context, width)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(width, num_classes * finest**2, 1)
        self.finest = finest
        self._pretrained = weights != "none"
        self.auxiliary_heads = nn.ModuleList()
        if deep_supervision:
            self.auxiliary_heads.append(nn.Conv2d(width, num_classes, 1))
            self.auxiliary_weights = (_AUXILIARY_WEIGHT,)
        init_convolutions(self.trunk)
        load_trunk(self.trunk, trunk, weights)

    def forward(self, x: Tensor) -> Tensor:
        return self._logits(x)[0]

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """The logits and, with deep supervision, those of the coarsest scale at their size."""
        logits, coarse = self._logits(x)
        sides = (head(coarse) for head in self.auxiliary_heads)
        return (logits, *(F.interpolate(y, x.shape[2:], mode="bilinear") for y in sides))

    def trunk_parameters(self) -> Iterable[nn.Parameter]:
        return self.trunk.parameters() if self._pretrained else ()

    def _logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the decoder's map at the coarsest scale."""
        self.check_input(x)
        maps = self.trunk(x)[-len(self.laterals) :]
        y = coarse = self.steps[-1](F.relu(self.context(self.laterals[-1](maps[-1]))))
        for index in reversed(range(len(maps) - 1)):
            y = F.interpolate(y, scale_factor=2.0, mode="nearest")
            y = self.steps[index](F.relu(y + self.laterals[index](maps[index])))
        return F.pixel_shuffle(self.head(self.dropout(y)), self.finest), coarse


def _step(width: int, depthwise: bool) -> nn.Module:
    """A convolution of the decoder, 3x3 or depthwise 3x3 and 1x1, normalised, with ReLU."""
    if not depthwise:
        return ConvNormAct(width, width)
    return nn.Sequential(
        ConvNormAct(width, width, groups=width, activation=nn.Identity),
        ConvNormAct(width, width, 1),
    )


def _context(name: str, width: int) -> nn.Module:
    if name == "dilated":
        return nn.Sequential(nn.ReLU(), residual_stage(width, _DILATIONS, dropout=0.1, eca=True))
    return PooledAttention(width) if name == "attention" else nn.Identity()


def _check(width: int, finest: int, dropout: float) -> None:
    if width < 2:
        raise ConfigError(f"bmis_edge: width must be 2 or more, got {width}")
    if finest not in STEPS:
        raise ConfigError(f"bmis_edge: finest must be 2 or 4, got {finest}")
    if not 0 <= dropout < 1:
        raise ConfigError(f"bmis_edge: dropout must be 0 to below 1, got {dropout}")
