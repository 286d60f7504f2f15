"""LV-UNet (Jiang et al., BIBM 2024, arXiv:2408.16886): MobileNetV3 trunk, plain mergeable blocks.

"LV-UNet: A Lightweight and Vanilla Model for Medical Image Segmentation". The first ten layers of
MobileNetV3-Large are followed by blocks in the manner of VanillaNet: two pointwise convolutions and
a "series informed activation" (ReLU, then a small depthwise convolution that looks at the
neighbours' activations). Once nothing non-linear is left between the two pointwise convolutions,
they and their norms are one convolution, which ``merge`` makes. The published parameters and MACs
are those of the network as it is trained, before merging.

Departures: the trunk starts untrained, unless torchvision's weights of ImageNet are asked for, from
which the authors start (``weights``). Their "deep training" lowers the non-linearity between the
pointwise convolutions epoch by epoch until it is gone. Here it stays, which is their plain
training, or is left out from the start (``linear``). Max-pooling rounds sizes up and upsampling
goes to the skip connection's size, so that any multiple of 16 will do. At multiples of 128, the
only sizes that the published network takes, this makes no difference.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bmis.config import check_choice
from bmis.errors import ConfigError, require
from bmis.models.base import SegmentationModel
from bmis.models.downloads import WEIGHTS, fetch_url, reading_weights, wants_weights
from bmis.models.imagenet import take_channels
from bmis.models.layers.blocks import ConvNormAct
from bmis.models.registry import register

_NORM = partial(nn.BatchNorm2d, eps=1e-6)
_TRUNK = (16, 24, 40, 80)  # channels of MobileNetV3-Large at 1/2, 1/4, 1/8 and 1/16


def _trunk(in_channels: int, *, trained: bool) -> tuple[nn.Module, ...]:
    """Build the layers of MobileNetV3-Large that give each scale of ``_TRUNK``."""
    torchvision = require("torchvision.models", extra="zoo")
    if trained:
        weights = torchvision.MobileNet_V3_Large_Weights.IMAGENET1K_V1
        with reading_weights(fetch_url(weights.url)):
            layers = torchvision.mobilenet_v3_large(weights=weights).features
    else:
        layers = torchvision.mobilenet_v3_large(weights=None).features
    take_channels(layers, in_channels, trained=trained)
    return layers[0], layers[1:3], layers[3:6], layers[6:10]


class SeriesActivation(nn.Sequential):
    """ReLU, then a depthwise convolution over each position's neighbours, normalised.

    Example:
        >>> SeriesActivation(4)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        nn.init.trunc_normal_(conv.weight, std=0.02)
        super().__init__(nn.ReLU(inplace=True), conv, _NORM(channels))


def _folded(part: nn.Module) -> Any:
    """Fold the norm of a part into the convolution before it."""
    conv = next(child for child in part.eval().children() if isinstance(child, nn.Conv2d))
    norm = next(child for child in part.children() if isinstance(child, nn.BatchNorm2d))
    return fuse_conv_bn_eval(conv, norm)


class PlainBlock(nn.Module):
    """Two pointwise convolutions, a change of scale, the series informed activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        linear: Whether there is no ReLU between the two convolutions, so that they can be merged.

    Example:
        >>> block = PlainBlock(4, 8, linear=False)
        >>> block(torch.zeros(1, 4, 15, 15)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, *, linear: bool) -> None:
        super().__init__()
        between = nn.Identity if linear else partial(nn.ReLU, inplace=True)
        conv = partial(ConvNormAct, kernel=1, bias=True, norm=_NORM)
        self.pointwise = nn.Sequential(
            conv(in_channels, in_channels, activation=between),
            conv(in_channels, out_channels, activation=nn.Identity),
        )
        self.activation: nn.Sequential = SeriesActivation(out_channels)

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """Turn (N, C, H, W) into (N, D, *size), or halve H and W, rounded up, without a size."""
        x = self.pointwise(x)
        if size is None:
            x = F.max_pool2d(x, 2, ceil_mode=True)
        else:
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        return self.activation(x)

    @torch.no_grad()
    def merge(self) -> None:
        """Make one convolution of the pointwise ones, and fold every norm, as in evaluation."""
        first, second = (_folded(part) for part in self.pointwise)
        weight = second.weight.flatten(1) @ first.weight.flatten(1)
        bias = second(first.bias[None, :, None, None]).flatten()
        merged = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
        merged.weight, merged.bias = nn.Parameter(weight[..., None, None]), nn.Parameter(bias)
        self.pointwise = nn.Sequential(merged)
        self.activation = nn.Sequential(self.activation[0], _folded(self.activation))


@register("lv_unet", group="light", source="arXiv:2408.16886", licence="none stated", extra="zoo")
class LVUNet(SegmentationModel):
    """MobileNetV3-Large's first layers in a U of plain blocks, skip connections added.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Channels at 1/32, 1/64 and so on, below the trunk's 1/16.
        linear: Whether the plain blocks have no ReLU inside, so that ``merge`` shrinks them.
        weights: What the trunk starts from: "none", or "imagenet", which is fetched once.

    Raises:
        BundleError: The file of the weights is damaged.
        ConfigError: There are no widths, one is below 1, or the weights cannot be fetched.
        MissingExtraError: torchvision is not installed.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("lv_unet", widths=(8,), linear=True).eval()
        >>> before = sum(p.numel() for p in model.parameters())
        >>> model.merge()
        >>> sum(p.numel() for p in model.parameters()) < before
        True
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (160, 240, 480),
        linear: bool = False,
        weights: str = "none",
    ) -> None:
        check_choice("weights", weights, WEIGHTS)
        if not widths or min(widths) < 1:
            raise ConfigError(f"lv_unet: widths must be 1 or more numbers, got {list(widths)}")
        super().__init__(in_channels, num_classes, stride=16)
        self.linear = linear
        block = partial(PlainBlock, linear=linear)
        deep = (_TRUNK[-1], *widths)
        self._pretrained = wants_weights(weights)
        trunk = _trunk(in_channels, trained=self._pretrained)
        self.stem, self.encoder_1, self.encoder_2, self.encoder_3 = trunk
        self.downs = nn.ModuleList(block(i, o) for i, o in pairwise(deep))
        self.ups = nn.ModuleList(block(i, o) for i, o in pairwise([*deep[::-1], *_TRUNK[2:0:-1]]))
        self.up_half = block(_TRUNK[1], _TRUNK[0])
        self.up_full = block(_TRUNK[0], _TRUNK[0])
        self.head = nn.Conv2d(_TRUNK[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        half = self.stem(x)
        skips = [self.encoder_1(half)]
        for step in (self.encoder_2, self.encoder_3, *self.downs):
            skips.append(step(skips[-1]))
        y = skips.pop()
        for up in self.ups:
            skip = skips.pop()
            y = up(y, skip.shape[2:]) + skip
        y = self.up_full(self.up_half(y, half.shape[2:]), x.shape[2:])
        return self.head(y)

    def trunk_parameters(self) -> Iterable[nn.Parameter]:
        parts = (self.stem, self.encoder_1, self.encoder_2, self.encoder_3)
        return (p for part in parts for p in part.parameters()) if self._pretrained else ()

    def merge(self) -> None:
        if not self.linear:  # a ReLU stands between what would be merged
            return
        for block in [m for m in self.modules() if isinstance(m, PlainBlock)]:
            block.merge()
