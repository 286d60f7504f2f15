"""The promise that every model keeps, and the table from name to class."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bmis.errors import ConfigError, DataError, did_you_mean


class SegmentationModel(nn.Module):
    """Turns images (N, in_channels, H, W) into logits (N, num_classes, H, W).

    The answer is always one tensor, in training too, and never an activation. H and W are
    multiples of ``stride``.
    """

    def __init__(self, in_channels: int, num_classes: int, *, stride: int) -> None:
        super().__init__()
        if in_channels < 1 or num_classes < 1:
            raise ConfigError(
                "in_channels and num_classes must be at least 1, "
                f"got {in_channels} and {num_classes}"
            )
        self.in_channels, self.num_classes, self.stride = in_channels, num_classes, stride

    def check_input(self, x: Tensor) -> None:
        """Raise ``DataError`` unless the batch fits this model."""
        if torch.compiler.is_compiling():  # an exported graph fixes its shapes by itself
            return
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise DataError(
                f"expected a batch of shape (N, {self.in_channels}, H, W), got {tuple(x.shape)}"
            )
        height, width = x.shape[2:]
        if height % self.stride or width % self.stride or not height or not width:
            fits = [max(1, -(-side // self.stride)) * self.stride for side in (height, width)]
            raise DataError(
                f"height and width must be multiples of {self.stride}, got {height}x{width}; "
                f"pad the image to {fits[0]}x{fits[1]}"
            )


_MODELS: dict[str, tuple[type[SegmentationModel], Mapping[str, Any]]] = {}
_Model = TypeVar("_Model", bound=type[SegmentationModel])


def register(name: str, **preset: Any) -> Callable[[_Model], _Model]:
    """Make a model class known as ``name``, with constructor arguments preset if any are given.

    One class may carry several names (its published sizes); two classes cannot share one.
    """

    def add(cls: _Model) -> _Model:
        if name in _MODELS:
            raise ValueError(f"model name {name!r} is already taken by {_MODELS[name][0].__name__}")
        _MODELS[name] = (cls, preset)
        return cls

    return add


def list_models() -> list[str]:
    """All names that ``build_model`` accepts, sorted."""
    return sorted(_MODELS)


def build_model(name: str, **args: Any) -> SegmentationModel:
    """Build an untrained model by name.

    Args:
        name: See ``list_models``.
        args: For its constructor, over its preset: ``in_channels``, ``num_classes`` and its own.

    Raises:
        ConfigError: The name or an argument is unknown, or an argument's value is refused.
    """
    if name not in _MODELS:
        raise ConfigError(f"unknown model {name!r}{did_you_mean(name, list_models())}")
    cls, preset = _MODELS[name]
    try:
        return cls(**{**preset, **args})
    except TypeError as error:
        raise ConfigError(f"model {name!r}: {error}") from error
