"""The promise that every model keeps, and the table of names: which class, and where it is from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bmis.config import check_choice
from bmis.errors import ConfigError, DataError, did_you_mean

GROUPS = ("light", "classic", "transformer", "own")


class SegmentationModel(nn.Module):
    """Turns images (N, in_channels, H, W) into logits (N, num_classes, H, W).

    The answer is always one tensor, in training too, and never an activation. H and W are
    multiples of ``stride``, at least ``smallest``; a network built for one size takes only that.

    Attributes:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        stride: Height and width are multiples of it.
        smallest: The least height and width; ``stride`` unless said.
        only_size: The one height and width that the network was built for, if there is one.
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
        only_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if in_channels < 1 or num_classes < 1:
            raise ConfigError(
                "in_channels and num_classes must be at least 1, "
                f"got {in_channels} and {num_classes}"
            )
        self.in_channels, self.num_classes, self.stride = in_channels, num_classes, stride
        self.smallest, self.only_size = smallest or stride, only_size

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """All that is trained, each (N, num_classes, H, W): the answer, then auxiliary heads."""
        return (self(x),)

    def merge(self) -> None:
        """Make one of layers that are but one once training is over, in place; none by default.

        Export calls it on its own copy, in eval mode: the answers stay the same.
        """

    def fitting_size(self, height: int, width: int) -> tuple[int, int]:
        """The least size that the model takes and that holds an image of this one."""
        if self.only_size:
            return self.only_size
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
        fits = self.fitting_size(height, width)
        if self.only_size and fits != (height, width):
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


@dataclass(frozen=True)
class Method:
    """A registered network and where it comes from.

    Attributes:
        name: What ``build_model`` calls it.
        cls: Its class.
        preset: Constructor arguments that the name stands for.
        group: "light", "classic" or "transformer"; "own" for networks of a user.
        source: Its paper, such as "arXiv:1505.04597", or the library it is from.
        licence: Of its authors' or library's code; "none stated" where there is none.
        extra: The extra of ``bmis`` that it needs besides "train", if any.
    """

    name: str
    cls: type[SegmentationModel]
    preset: Mapping[str, Any]
    group: str
    source: str
    licence: str
    extra: str | None

    @property
    def family(self) -> str:
        """The module it is written in: its published sizes share it."""
        return self.cls.__module__.rpartition(".")[2]


_METHODS: dict[str, Method] = {}
_Model = TypeVar("_Model", bound=type[SegmentationModel])


def register(
    name: str,
    *,
    group: str = "own",
    source: str = "",
    licence: str = "",
    extra: str | None = None,
    **preset: Any,
) -> Callable[[_Model], _Model]:
    """Make a model class known as ``name``, with constructor arguments preset if any are given.

    One class may carry several names (its published sizes); two classes cannot share one.

    Args:
        name: What ``build_model`` calls it.
        group: "light", "classic" or "transformer"; "own" for networks of a user.
        source: Its paper, such as "arXiv:1505.04597", or the library it is from.
        licence: Of its authors' or library's code; "none stated" where there is none.
        extra: The extra of ``bmis`` that it needs besides "train", if any.
        preset: Constructor arguments that the name stands for.
    """
    check_choice("group", group, GROUPS)

    def add(cls: _Model) -> _Model:
        if name in _METHODS:
            raise ValueError(
                f"model name {name!r} is already taken by {_METHODS[name].cls.__name__}"
            )
        _METHODS[name] = Method(name, cls, preset, group, source, licence, extra)
        return cls

    return add


def list_models() -> list[str]:
    """All names that ``build_model`` accepts, sorted."""
    return sorted(_METHODS)


def find_method(name: str) -> Method:
    """What is known of a registered network.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in _METHODS:
        raise ConfigError(f"unknown model {name!r}{did_you_mean(name, list_models())}")
    return _METHODS[name]


def takes_size(name: str) -> bool:
    """Whether a network is built for one size of image, which its argument ``size`` sets."""
    return "size" in signature(find_method(name).cls).parameters


def size_options(name: str, options: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """The options, with the size of the images where the network needs it and they do not say."""
    return {"size": size, **options} if takes_size(name) else dict(options)


def build_model(name: str, **args: Any) -> SegmentationModel:
    """Build an untrained model by name.

    Args:
        name: See ``list_models``.
        args: For its constructor, over its preset: ``in_channels``, ``num_classes`` and its own.

    Raises:
        ConfigError: The name or an argument is unknown, or an argument's value is refused.
        MissingExtraError: The library that it is from is not installed.
    """
    method = find_method(name)
    try:
        return method.cls(**{**method.preset, **args})
    except TypeError as error:
        given = ", ".join(f"{key}={value!r}" for key, value in args.items())
        raise ConfigError(f"model {name!r}: {error}; given: {given}") from error
