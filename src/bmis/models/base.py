"""The contract that every network keeps: a tensor in, logits out."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from bmis.errors import ConfigError, DataError


class SegmentationModel(nn.Module):
    """Turns images (N, in_channels, H, W) into logits (N, num_classes, H, W).

    The result is always one tensor, in training too, and never an activation. H and W are multiples
    of ``stride``, at least ``smallest``. A network built for one size takes only that size.

    Attributes:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        stride: Height and width are multiples of it.
        smallest: The smallest height and width; ``stride`` unless given.
        fixed_size: Height and width that the network was built for, or None if it takes many sizes.
        auxiliary_weights: Weights of the losses of the auxiliary logits; that of the logits is 1.

    Example:
        >>> class Pixelwise(SegmentationModel):
        ...     def __init__(self, in_channels=3, num_classes=2):
        ...         super().__init__(in_channels, num_classes, stride=8)
        ...         self.head = nn.Conv2d(in_channels, num_classes, 1)
        ...     def forward(self, x):
        ...         self.check_input(x)
        ...         return self.head(x)
        >>> Pixelwise().valid_size(30, 50)
        (32, 56)
    """

    auxiliary_weights: tuple[float, ...] = ()

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        stride: int,
        smallest: int | None = None,
        fixed_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 1 or num_classes < 1:
            raise ConfigError(
                "in_channels and num_classes must be at least 1, "
                f"got {in_channels} and {num_classes}"
            )
        self.in_channels, self.num_classes, self.stride = in_channels, num_classes, stride
        self.smallest, self.fixed_size = smallest or stride, fixed_size

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """All logits that are trained, each (N, num_classes, H, W): first those of ``forward``.

        The others come from auxiliary heads; ``auxiliary_weights`` has one weight for each.
        """
        return (self(x),)

    def trunk_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that start from ImageNet, which may learn more slowly; none by default."""
        return ()

    def merge(self) -> None:
        """Merge layers that are one layer once training is over, in place; none by default.

        Export calls it on its own copy, in eval mode. The logits stay the same.
        """

    def valid_size(self, height: int, width: int) -> tuple[int, int]:
        """The smallest height and width that the model takes and that hold an image of this size.

        A network built for one size always answers with that size.
        """
        if self.fixed_size:
            return self.fixed_size
        high, wide = (
            max(-(-side // self.stride) * self.stride, self.smallest) for side in (height, width)
        )
        return high, wide

    def check_input(self, x: Tensor) -> None:
        """Raise ``DataError`` unless the shape of the batch fits this model."""
        if torch.compiler.is_compiling():  # an exported graph fixes its shapes by itself
            return
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise DataError(
                f"expected a batch of shape (N, {self.in_channels}, H, W), got {tuple(x.shape)}"
            )
        height, width = x.shape[2:]
        fits = self.valid_size(height, width)
        if self.fixed_size and fits != (height, width):
            raise DataError(
                f"this network takes {fits[0]}x{fits[1]} pixels only, got {height}x{width}; resize "
                f"the image, or build the network with size=({height}, {width})"
            )
        if fits != (height, width):
            raise DataError(
                f"height and width must be multiples of {self.stride}, {self.smallest} or more, "
                f"got {height}x{width}; pad the image to {fits[0]}x{fits[1]}"
            )


class TrainingView(nn.Module):
    """A model whose forward pass is its ``training_logits``: what a training loop calls.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("bmis", widths=(4, 8, 12), deep_supervision=True)
        >>> len(TrainingView(model)(torch.zeros(1, 3, 32, 32)))  # logits, two auxiliary heads
        3
    """

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.model.training_logits(x)
