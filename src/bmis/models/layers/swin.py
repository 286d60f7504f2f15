"""Swin Transformer: Liu et al., "Hierarchical Vision Transformer using Shifted Windows", 2021.

arXiv:2103.14030. This is an encoder for networks of this package, not a network of its own.
Features are cut into windows of 7 x 7 positions. Attention stays inside them, so that its cost
grows with the image and not with its square. Every second block moves the windows by half their
side, so that neighbouring windows exchange information. Between stages 2 x 2 positions are joined
into one.

Departures: no norm after the last stage, no classifier, no stochastic depth. Features whose sides
are no multiples of 7 are padded. The padding is hidden from every position, as if the windows at
the border were smaller.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 7  # side in positions
_HEAD = 32  # channels of an attention head
_PATCH = 4  # side of the pixels that become one position


class WindowAttention(nn.Module):
    """Attention among the positions of a window, by content and relative place.

    Args:
        channels: Channels of the features, a multiple of 32.
        shifted: Whether the windows are moved by half their side.

    Example:
        >>> WindowAttention(32, shifted=True)(torch.zeros(1, 9, 16, 32)).shape
        torch.Size([1, 9, 16, 32])
    """

    bias_index: Tensor

    def __init__(self, channels: int, *, shifted: bool) -> None:
        super().__init__()
        self.shift = WINDOW // 2 if shifted else 0
        self.heads = channels // _HEAD
        self.qkv = nn.Linear(channels, 3 * channels)
        self.bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, self.heads))
        self.register_buffer("bias_index", _relative_places(), persistent=False)
        self.projection = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within the windows of features (N, H, W, C); the shape stays."""
        height, width = x.shape[1:3]
        y = F.pad(self.qkv(x), (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        # a window that holds all of a side need not move along it
        down, right = (self.shift if side > WINDOW else 0 for side in (height, width))
        if down or right:
            y = y.roll((-down, -right), (1, 2))
        padded = y.shape[1:3]
        y = _cut(y)  # (N, windows, 49, 3 C)
        y = y.view(*y.shape[:3], 3, self.heads, _HEAD)
        query, key, value = y.permute(3, 0, 1, 4, 2, 5).unbind(0)  # (N, windows, heads, 49, 32)
        scores = (query * _HEAD**-0.5) @ key.transpose(3, 4)
        weights = (scores + self._bias((height, width), (down, right))).softmax(-1)
        y = _join((weights @ value).transpose(2, 3).flatten(3), padded[0], padded[1])
        if down or right:
            y = y.roll((down, right), (1, 2))
        return self.projection(y[:, :height, :width])

    def _bias(self, sides: tuple[int, int], shifts: tuple[int, int]) -> Tensor:
        """What is added to the scores: (heads, 49, 49), or (windows, heads, 49, 49) with -inf."""
        area = WINDOW**2
        bias = self.bias_table[self.bias_index].view(area, area, self.heads).permute(2, 0, 1)
        if not any(shifts) and all(side % WINDOW == 0 for side in sides):
            return bias
        regions = _regions(sides, shifts, bias.device)  # (windows, 49)
        apart = regions.unsqueeze(1) != regions.unsqueeze(2)
        return bias.masked_fill(apart.unsqueeze(1), float("-inf"))


def _relative_places() -> Tensor:
    """Rows of the table, one for each pair of positions in a window: (49 * 49,)."""
    place = torch.arange(WINDOW**2)
    down, right = place // WINDOW, place % WINDOW
    offset = [axis.unsqueeze(1) - axis.unsqueeze(0) + WINDOW - 1 for axis in (down, right)]
    return (offset[0] * (2 * WINDOW - 1) + offset[1]).flatten()


def _regions(sides: tuple[int, int], shifts: tuple[int, int], device: torch.device) -> Tensor:
    """Number the positions of the moved, padded features; those of one number see each other.

    Rolling brings the first rows and columns to the end, beside others that they do not touch.
    """
    axes = []
    for side, shift in zip(sides, shifts, strict=True):
        padded = side + -side % WINDOW
        before = (torch.arange(padded, device=device) + shift) % padded  # its place before the roll
        axes.append((before >= shift).long() + (before >= side).long())
    numbers = 3 * axes[0].unsqueeze(1) + axes[1]
    return _cut(numbers.view(1, *numbers.shape, 1)).view(-1, WINDOW**2)


def _cut(x: Tensor) -> Tensor:
    """Cut features (N, H, W, C), sides multiples of 7, into windows (N, H/7 * W/7, 49, C)."""
    n, height, width, channels = x.shape
    x = x.view(n, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(n, -1, WINDOW**2, channels)


def _join(x: Tensor, height: int, width: int) -> Tensor:
    """Join windows (N, H/7 * W/7, 49, C) to features (N, H, W, C)."""
    n, channels = x.shape[0], x.shape[3]
    x = x.view(n, height // WINDOW, width // WINDOW, WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(n, height, width, channels)


class SwinBlock(nn.Module):
    """Window attention, then two dense layers per position, each normalised before; residual.

    Example:
        >>> SwinBlock(32, shifted=False)(torch.zeros(1, 8, 8, 32)).shape
        torch.Size([1, 8, 8, 32])
    """

    def __init__(self, channels: int, *, shifted: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, shifted=shifted)
        self.norm_2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, H, W, C); the shape stays."""
        x = x + self.attention(self.norm_1(x))
        return x + self.mlp(self.norm_2(x))


class PatchEmbedding(nn.Module):
    """Make one position of each 4 x 4 pixels: (N, I, H, W) -> (N, H/4, W/4, C).

    Example:
        >>> PatchEmbedding(3, 32)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 8, 32])
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, _PATCH, stride=_PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """Make one position of each 2 x 2: (N, H, W, C) -> (N, H/2, W/2, 2 C).

    Example:
        >>> PatchMerging(32)(torch.zeros(1, 8, 8, 32)).shape
        torch.Size([1, 4, 4, 64])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, channels = x.shape
        x = x.reshape(n, height // 2, 2, width // 2, 2, channels)
        # published weights take the four positions of a square column by column
        x = x.permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.reduction(self.norm(x))


class SwinEncoder(nn.Module):
    """Features of an image at 1/4, 1/8, 1/16 and 1/32 of its size.

    Args:
        in_channels: Channels of the image.
        width: Channels at 1/4, a multiple of 32. Each further scale doubles them.
        depths: Blocks at each scale; (2, 2, 6, 2) is Swin-T.

    Example:
        >>> encoder = SwinEncoder(3, width=32, depths=(1, 1, 1, 1))
        >>> [y.shape[1] for y in encoder(torch.zeros(1, 3, 32, 32))]
        [32, 64, 128, 256]
    """

    def __init__(self, in_channels: int, width: int, depths: Sequence[int]) -> None:
        super().__init__()
        self.widths = [width * 2**i for i in range(len(depths))]
        self.patches = PatchEmbedding(in_channels, width)
        self.merges = nn.ModuleList(PatchMerging(channels) for channels in self.widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(*(SwinBlock(channels, shifted=i % 2 == 1) for i in range(depth)))
            for channels, depth in zip(self.widths, depths, strict=True)
        )
        self.apply(_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Turn images (N, I, H, W), sides multiples of 32, into features, finest first."""
        y = self.patches(x)
        features = [self.stages[0](y)]
        for merge, stage in zip(self.merges, list(self.stages)[1:], strict=True):
            features.append(stage(merge(features[-1])))
        return [y.permute(0, 3, 1, 2) for y in features]


def _initialise(module: nn.Module) -> None:
    """Draw weights with a standard deviation of 0.02, as is common for vision transformers."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, WindowAttention):
        nn.init.trunc_normal_(module.bias_table, std=0.02)
