"""The registry of networks: which class a name stands for, and where it comes from."""

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
        name: Its name for ``build_model``.
        cls: Its class.
        preset: Constructor arguments that the name stands for.
        group: "light", "classic" or "transformer"; "own" for networks of a user.
        source: Its paper, such as "arXiv:1505.04597", or the library it comes from.
        licence: Licence of its authors' or library's code; "none stated" where there is none.
        extra: The extra of ``bmis`` that it needs besides "train", if any.

    Example:
        >>> method = find_method("bmis_tiny")
        >>> method.family, method.preset["depths"]
        ('bmis', (2, 4))
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
        """The module that it is written in, without its package; its published sizes share it."""
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
    """Register a model class under a name, with preset constructor arguments if any are given.

    One class may carry several names (its published sizes). Two classes cannot share one.

    Args:
        name: Its name for ``build_model``.
        group: "light", "classic" or "transformer"; "own" for networks of a user.
        source: Its paper, such as "arXiv:1505.04597", or the library it comes from.
        licence: Licence of its authors' or library's code; "none stated" where there is none.
        extra: The extra of ``bmis`` that it needs besides "train", if any.
        preset: Constructor arguments that the name stands for.

    Returns:
        A decorator that leaves the class as it is.

    Raises:
        ConfigError: There is no such group.
        ValueError: The name is taken.

    Example:
        >>> from torch import nn
        >>> @register("pixelwise")
        ... class Pixelwise(SegmentationModel):
        ...     def __init__(self, in_channels=3, num_classes=2):
        ...         super().__init__(in_channels, num_classes, stride=1)
        ...         self.head = nn.Conv2d(in_channels, num_classes, 1)
        ...     def forward(self, x):
        ...         return self.head(x)
        >>> find_method("pixelwise").group
        'own'
        >>> del _METHODS["pixelwise"]  # only so that other examples do not list it
    """
    check_choice("group", group, GROUPS)

    def add(cls: _Model) -> _Model:
        if name in _METHODS:
            raise ValueError(
                f"model name {name!r} is already taken by {_METHODS[name].cls.__name__}; "
                "choose another"
            )
        _METHODS[name] = Method(name, cls, preset, group, source, licence, extra)
        return cls

    return add


def list_models() -> list[str]:
    """List all names that ``build_model`` accepts, sorted.

    Example:
        >>> [name for name in list_models() if name.startswith("bmis")]
        ['bmis', 'bmis_edge', 'bmis_edge_s', 'bmis_large', 'bmis_small', 'bmis_tiny']
    """
    return sorted(_METHODS)


def find_method(name: str) -> Method:
    """Look up what is known of a registered network.

    Raises:
        ConfigError: There is no network of that name.

    Example:
        >>> find_method("unet").source
        'arXiv:1505.04597'
    """
    if name not in _METHODS:
        raise ConfigError(
            f"unknown model {name!r}{did_you_mean(name, list_models())}; one of your own: give "
            "--plugin FILE"
        )
    return _METHODS[name]


def takes_size(name: str) -> bool:
    """Whether a network is built for one size of image, which its argument ``size`` sets.

    Raises:
        ConfigError: There is no network of that name.

    Example:
        >>> takes_size("monai_unetr"), takes_size("bmis")
        (True, False)
    """
    return "size" in signature(find_method(name).cls).parameters


def size_options(name: str, options: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """Add the size of the images to a network's options where it needs one and they have none.

    Args:
        name: A network of ``list_models``.
        options: Constructor arguments.
        size: Height and width of the images in pixels.

    Example:
        >>> size_options("monai_unetr", {}, (96, 96)), size_options("bmis", {}, (96, 96))
        ({'size': (96, 96)}, {})
    """
    return {"size": size, **options} if takes_size(name) else dict(options)


def build_model(name: str, **args: Any) -> SegmentationModel:
    """Build an untrained model by name.

    Args:
        name: A network of ``list_models``.
        args: Arguments of its constructor, which go before its preset: ``in_channels``,
            ``num_classes`` and its own.

    Raises:
        ConfigError: The name or an argument is unknown, or an argument's value is refused.
        MissingExtraError: The library that it comes from is not installed.

    Example:
        >>> import torch
        >>> model = build_model("unet", in_channels=1, widths=(4, 8))
        >>> model(torch.zeros(1, 1, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """
    method = find_method(name)
    try:
        return method.cls(**{**method.preset, **args})
    except TypeError as error:
        if "weights" in args and "weights" not in signature(method.cls).parameters:
            having = ", ".join(one for one in list_models() if takes_weights(one))
            raise ConfigError(
                f"{name} has no option 'weights'; those that have it: {having}"
            ) from None
        given = ", ".join(f"{key}={value!r}" for key, value in args.items())
        raise ConfigError(f"model {name!r}: {error}; given: {given}") from error


def build_untrained(name: str, **args: Any) -> SegmentationModel:
    """Build a model whose weights are of no use yet: to count, or to be replaced by others.

    It reads no weights of ImageNet, which ``build_model`` may do.

    Args:
        name: A network of ``list_models``.
        args: Arguments of its constructor.

    Raises:
        ConfigError: The name or an argument is unknown, or an argument's value is refused.
        MissingExtraError: The library that it comes from is not installed.

    Example:
        >>> build_untrained("bmis_edge").in_channels
        3
    """
    if takes_weights(name):
        args = {**args, "weights": "none"}
    return build_model(name, **args)


def initial_weights(name: str, options: Mapping[str, Any]) -> str:
    """What the training of a network starts from: "imagenet", a file, or "none" (random weights).

    Args:
        name: A network of ``list_models``.
        options: Constructor arguments.

    Raises:
        ConfigError: There is no network of that name.

    Example:
        >>> initial_weights("bmis_edge", {}), initial_weights("unet", {})
        ('imagenet', 'none')
        >>> initial_weights("bmis_edge", {"weights": "none"})
        'none'
    """
    if not takes_weights(name):
        return "none"
    method = find_method(name)
    default = signature(method.cls).parameters["weights"].default
    return str({"weights": default, **method.preset, **options}["weights"])


def takes_weights(name: str) -> bool:
    """Whether a network may start from ImageNet, which its argument ``weights`` says.

    A user's own network may mean another thing by that argument.

    Raises:
        ConfigError: There is no network of that name.

    Example:
        >>> takes_weights("lv_unet"), takes_weights("unet")
        (True, False)
    """
    parameter = signature(find_method(name).cls).parameters.get("weights")
    return parameter is not None and parameter.default in ("imagenet", "none")
