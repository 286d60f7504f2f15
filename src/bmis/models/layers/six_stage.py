"""The frame that MALUNet and EGE-UNet share: six narrow stages down to 1/32, and five up again."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel

Block = Callable[[int, int], nn.Module]  # made from its input and output channels
_FINE = 3  # stages near the image's size, which have one convolution each


class SixStageUNet(SegmentationModel):
    """Convolutions at the three fine scales, blocks of the network's own at the coarse ones.

    After its block a stage has a norm in 4 groups of channels, max-pooling or bilinear upsampling
    by 2 (not between the deepest two, which are of one size), and GELU. A subclass decides in its
    ``forward`` how the encoder's features reach the decoder.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Feature channels of the six stages, multiples of 4. The first five end at 1/2,
            1/4, 1/8, 1/16 and 1/32 of the image's size, where the last one stays.
        down: Makes the block of a coarse stage of the encoder.
        up: Makes the block of a coarse stage of the decoder.

    Raises:
        ConfigError: There are not 6 widths, or one is no multiple of 4.

    Example:
        >>> import torch
        >>> def block(inputs, outputs):
        ...     return nn.Conv2d(inputs, outputs, 1)
        >>> frame = SixStageUNet(3, 2, (4, 4, 8, 8, 8, 8), down=block, up=block)
        >>> features, deepest = frame.encode(torch.zeros(1, 3, 64, 64))
        >>> [y.shape[2] for y in features], deepest.shape
        ([32, 16, 8, 4, 2], torch.Size([1, 8, 2, 2]))
    """

    def __init__(
        self, in_channels: int, num_classes: int, widths: Sequence[int], *, down: Block, up: Block
    ) -> None:
        super().__init__(in_channels, num_classes, stride=32)
        if len(widths) != 6 or any(w < 4 or w % 4 for w in widths):
            raise ConfigError(f"widths must be 6 multiples of 4, got {list(widths)}")
        self.encoders = nn.ModuleList(
            _stage((_convolution if i < _FINE else down)(*pair), pair[1], nn.MaxPool2d(2))
            for i, pair in enumerate(pairwise([in_channels, *widths[:5]]))
        )
        self.bottleneck = nn.Sequential(down(*widths[4:]), nn.GELU())
        self.decoders = nn.ModuleList(
            _stage((up if i < _FINE else _convolution)(*pair), pair[1], _upsampling(2 if i else 1))
            for i, pair in enumerate(pairwise(reversed(widths)))
        )
        self.head = nn.Sequential(nn.Conv2d(widths[0], num_classes, 1), _upsampling(2))

    def encode(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Turn an image into the features of the first five stages, finest first, and the last."""
        self.check_input(x)
        features = []
        for encode in self.encoders:
            x = encode(x)
            features.append(x)
        return features, self.bottleneck(x)


def _convolution(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _stage(block: nn.Module, channels: int, resize: nn.Module) -> nn.Module:
    return nn.Sequential(block, nn.GroupNorm(4, channels), resize, nn.GELU())


def _upsampling(factor: int) -> nn.Module:
    if factor == 1:
        return nn.Identity()
    return nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=True)
