"""EfficientNet-Lite, the trunk of networks that start from ImageNet.

EfficientNet (Tan and Le, arXiv:1905.11946) as its publishers made it for small devices: no
squeeze-and-excitation, ReLU6 in place of swish, and a first and last stage that do not grow with
the network. Padding is symmetric, as in timm's ``efficientnet_lite0``; the published networks pad
as TensorFlow does.
"""

import math
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.layers.blocks import ConvNormAct, InvertedBottleneck

_NORM = partial(nn.BatchNorm2d, eps=1e-3)
_RELU6 = partial(nn.ReLU6, inplace=True)
_STEM = 32


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


_STAGES = (  # arXiv:1905.11946, table 1, without its last row
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)
TRUNKS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # width, depth
MAX_STAGES = len(_STAGES)


class EfficientNetLite(nn.Module):
    """The first stages of EfficientNet-Lite: one map for each scale, finest first.

    Args:
        in_channels: Channels of the image.
        trunk: "lite0", "lite1" or "lite2".
        stages: How many of the seven stages are used: 4 and 5 end at 1/16, 6 and 7 at 1/32.

    Attributes:
        channels: Channels of each map of the result.

    Raises:
        ConfigError: There is no such trunk, or fewer than 3 or more than 7 stages.

    Example:
        >>> import torch
        >>> trunk = EfficientNetLite(3, "lite0", stages=5)
        >>> [tuple(y.shape[1:]) for y in trunk(torch.zeros(1, 3, 64, 64))]
        [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4)]
    """

    def __init__(self, in_channels: int, trunk: str, stages: int) -> None:
        super().__init__()
        if trunk not in TRUNKS:
            raise ConfigError(f"trunk must be one of {', '.join(TRUNKS)}, got {trunk!r}")
        if not 3 <= stages <= MAX_STAGES:
            raise ConfigError(f"stages must be 3 to {MAX_STAGES}, got {stages}")
        width, depth = TRUNKS[trunk]
        self.stem = ConvNormAct(in_channels, _STEM, stride=2, norm=_NORM, activation=_RELU6)
        self.stages = nn.ModuleList()
        channels = [_STEM]
        for index, stage in enumerate(_STAGES[:stages]):
            fixed = index in (0, MAX_STAGES - 1)
            blocks = stage.blocks if fixed else math.ceil(stage.blocks * depth)
            out = _round_to_eights(stage.channels * width)
            self.stages.append(_make_stage(channels[-1], out, blocks, stage))
            channels.append(out)
        self._last = {*(i - 1 for i in range(1, stages) if _STAGES[i].stride == 2), stages - 1}
        self.channels = tuple(channels[i + 1] for i in sorted(self._last))

    def forward(self, x: Tensor) -> list[Tensor]:
        y = self.stem(x)
        maps = []
        for index, stage in enumerate(self.stages):
            y = stage(y)
            if index in self._last:
                maps.append(y)
        return maps


def _make_stage(in_channels: int, channels: int, blocks: int, stage: _Stage) -> nn.Sequential:
    if stage.expansion == 1:
        return nn.Sequential(
            ConvNormAct(
                in_channels,
                in_channels,
                stage.kernel,
                groups=in_channels,
                norm=_NORM,
                activation=_RELU6,
            ),
            ConvNormAct(in_channels, channels, 1, norm=_NORM, activation=nn.Identity),
        )
    block = partial(
        InvertedBottleneck,
        expansion=stage.expansion,
        kernel=stage.kernel,
        norm=_NORM,
        activation=_RELU6,
    )
    return nn.Sequential(
        block(in_channels, channels, stride=stage.stride),
        *(block(channels, channels) for _ in range(blocks - 1)),
    )


def _round_to_eights(channels: float) -> int:
    """The nearest multiple of 8 that takes away no more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8
