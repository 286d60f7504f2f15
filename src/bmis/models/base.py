"""The promise that every network keeps: tensor in, logits out."""

import torch
from torch import Tensor, nn

from bmis.errors import ConfigError, DataError


class SegmentationModel(nn.Module):
    """Turns images (N, in_channels, H, W) into logits (N, num_classes, H, W).

    The answer is always one tensor, in training too, and never an activation. H and W are
    multiples of ``stride``, at least ``smallest``; a network built for one size takes only that.

    Attributes:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        stride: Height and width are multiples of it.
        smallest: The least height and width; ``stride`` unless said.
        fixed_size: The one height and width that the network was built for, if there is one.
        auxiliary_weights: Of the losses of ``training_logits`` after the first, whose weight is 1.
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
        """All that is trained, each (N, num_classes, H, W): the answer, then auxiliary heads."""
        return (self(x),)

    def merge(self) -> None:
        """Make one of layers that are but one once training is over, in place; none by default.

        Export calls it on its own copy, in eval mode: the answers stay the same.
        """

    def valid_size(self, height: int, width: int) -> tuple[int, int]:
        """The least size that the model takes and that holds an image of this one."""
        if self.fixed_size:
            return self.fixed_size
        high, wide = (
            max(-(-side // self.stride) * self.stride, self.smallest) for side in (height, width)
        )
        return high, wide

    def check_input(self, x: Tensor) -> None:
        """Raise ``DataError`` unless the batch fits this model."""
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
    """A model whose forward pass is its ``training_logits``: what a training loop calls."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.model.training_logits(x)
