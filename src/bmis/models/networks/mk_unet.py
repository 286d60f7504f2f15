"""MK-UNet (Rahman and Marculescu, ICCV Workshops 2025, arXiv:2509.18493): kernels in parallel.

Every block widens its channels, filters them by depthwise kernels of three sizes whose outputs are
added, and narrows them again: small and large structures at the price of a depthwise network. The
decoder attends to channels, then to positions, before each block. A gate, computed by grouped
convolutions from what the decoder knows, weights the positions of the encoder's features.

Departures:

- The authors' code also holds heads on the three coarser decoder steps, which it uses neither for
  the answer nor for the loss. They are left out, so that the count is theirs less the 1x1
  convolutions from ``widths[2]``, ``widths[1]`` and ``widths[0]`` channels (115 of 315,566
  weights).
- The shuffle of channels before a dense 1x1 convolution only renames its weights and is left out.
- The authors draw all initial weights from N(0, 0.02). Here the blocks and gates, whose norms undo
  any scale, start by torch's own rule, 1x1 depthwise kernels as ones, and the first layers of the
  channel attentions with positive weights. Drawn around 0, such few units are as often as not dead
  from the start.
- The authors copy a grey image to three channels. Here the first block takes one.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.attention import SpatialAttention
from bmis.models.layers.blocks import ConvNormAct
from bmis.models.registry import register

_FACTS: dict[str, Any] = {
    "group": "light",
    "source": "arXiv:2509.18493",
    "licence": "none stated",
}
_EXPANSION = 2
_RELU6 = partial(nn.ReLU6, inplace=True)
_RATIOS = (16, 16, 16, 8, 4)  # of the channel attentions, coarsest first
_SMALL_STD = 0.02  # of an attention's first weights, so that all factors start nearly equal


class MultiKernelBlock(nn.Module):
    """Widen, depthwise kernels side by side, add, narrow, residual (MKIR).

    Example:
        >>> import torch
        >>> MultiKernelBlock(4, 8, kernels=(1, 3, 5))(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int, kernels: Sequence[int]) -> None:
        super().__init__()
        inner = _EXPANSION * in_channels
        self.expand = ConvNormAct(in_channels, inner, 1, activation=_RELU6)
        self.branches = nn.ModuleList(
            ConvNormAct(inner, inner, kernel, groups=inner, activation=_RELU6) for kernel in kernels
        )
        for branch, kernel in zip(self.branches, kernels, strict=True):
            if kernel == 1:  # the norm undoes the scale, but a negative one may leave ReLUs dead
                nn.init.ones_(branch.get_parameter("0.weight"))
        self.project = ConvNormAct(inner, out_channels, 1, activation=nn.Identity)
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        expanded = self.expand(x)
        first, *others = self.branches
        y = first(expanded)
        for branch in others:
            y = y + branch(expanded)
        return self.project(y) + self.shortcut(x)


class ChannelAttention(nn.Module):
    """Scale each channel by a small MLP of all means and all maxima.

    Example:
        >>> import torch
        >>> ChannelAttention(8, ratio=4)(torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        inner = max(channels // ratio, 1)
        squeeze = nn.Conv2d(channels, inner, 1, bias=False)
        expand = nn.Conv2d(inner, channels, 1, bias=False)
        # Each hidden unit starts as a weighted mean of the channels, or it may be dead at once.
        nn.init.uniform_(squeeze.weight, 0, 2 / channels)
        nn.init.normal_(expand.weight, std=_SMALL_STD)
        self.mlp = nn.Sequential(squeeze, nn.ReLU(inplace=True), expand)

    def forward(self, x: Tensor) -> Tensor:
        means, maxima = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return x * (self.mlp(means) + self.mlp(maxima)).sigmoid()


class GroupedAttentionGate(nn.Module):
    """Scale each position of the encoder's features by what the decoder makes of them (GAG).

    Example:
        >>> import torch
        >>> decoder, encoder = torch.zeros(2, 1, 4, 16, 16)
        >>> GroupedAttentionGate(4)(decoder, encoder).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        branch = partial(
            ConvNormAct, channels, inner, groups=inner, bias=True, activation=nn.Identity
        )
        self.of_decoder, self.of_encoder = branch(), branch()
        self.score = ConvNormAct(inner, 1, 1, bias=True, activation=nn.Sigmoid)

    def forward(self, decoder: Tensor, encoder: Tensor) -> Tensor:
        """Weight the encoder's features by the decoder's, both (N, C, H, W)."""
        joined = F.relu(self.of_decoder(decoder) + self.of_encoder(encoder), inplace=True)
        return encoder * self.score(joined)


@register("mk_unet_t", **_FACTS, widths=(4, 8, 16, 24, 32))
@register("mk_unet_s", **_FACTS, widths=(8, 16, 32, 48, 80))
@register("mk_unet", **_FACTS)
class MKUNet(SegmentationModel):
    """Five multi-kernel blocks down, five up, with attention and gated skip connections.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Feature channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image's size, all even.
        kernels: Sides in pixels of the depthwise kernels of every block, odd.

    Raises:
        ConfigError: There are not 5 widths, or a width or kernel is out of range.

    Example:
        >>> import torch
        >>> from bmis import build_model
        >>> model = build_model("mk_unet", widths=(4, 4, 8, 8, 8)).eval()
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (16, 32, 64, 96, 160),
        kernels: Sequence[int] = (1, 3, 5),
    ) -> None:
        super().__init__(in_channels, num_classes, stride=32)
        _check(widths, kernels)
        down, up = [in_channels, *widths], [*reversed(widths), widths[0]]
        self.encoders = nn.ModuleList(MultiKernelBlock(i, o, kernels) for i, o in pairwise(down))
        self.channel_attentions = nn.ModuleList(
            ChannelAttention(width, ratio) for width, ratio in zip(up, _RATIOS, strict=False)
        )
        self.spatial_attention = SpatialAttention()  # one for all steps
        nn.init.normal_(self.spatial_attention.conv.weight, std=_SMALL_STD)
        self.decoders = nn.ModuleList(MultiKernelBlock(i, o, kernels) for i, o in pairwise(up))
        self.gates = nn.ModuleList(GroupedAttentionGate(width) for width in up[1:-1])
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        features = []
        for encode in self.encoders:
            x = F.max_pool2d(encode(x), 2)
            features.append(x)
        features.pop()  # the coarsest is where the decoder begins
        for i, (attend, decode) in enumerate(
            zip(self.channel_attentions, self.decoders, strict=True)
        ):
            x = decode(self.spatial_attention(attend(x)))
            x = F.relu(F.interpolate(x, scale_factor=2, mode="bilinear"), inplace=True)
            if features:  # none at the image's own size
                x = x + self.gates[i](x, features.pop())
        return self.head(x)


def _check(widths: Sequence[int], kernels: Sequence[int]) -> None:
    """Raise ``ConfigError`` unless the shapes can be built."""
    if len(widths) != 5 or any(w < 2 or w % 2 for w in widths):
        raise ConfigError(f"mk_unet: widths must be 5 even numbers, 2 or more, got {list(widths)}")
    if not kernels or any(k < 1 or k % 2 == 0 for k in kernels):
        raise ConfigError(f"mk_unet: kernels must be odd numbers, 1 or more, got {list(kernels)}")
