"""The table of networks: which class a name stands for, and where it is from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

from bmis.config import check_choice
from bmis.errors import ConfigError, did_you_mean
from bmis.models.base import SegmentationModel

GROUPS = ("light", "classic", "transformer", "own")


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
