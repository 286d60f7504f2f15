"""The base of all settings: frozen values, checked when made; plain dictionaries in and out.

A field says everything about itself in one place: its type, its range and what it is for
(``msgspec.Meta``). The checks, the docstrings and the options of the command line follow from it.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from inspect import cleandoc
from pathlib import PurePath
from typing import Any, Self, get_type_hints

from msgspec import Meta

from bmis.config.checks import check_value, expand_side, parts_of
from bmis.errors import ConfigError, did_you_mean


def field_types(kind: type["Settings"]) -> dict[str, Any]:
    """Names and types of the fields of some settings, constraints and descriptions included.

    Example:
        >>> from bmis.config import ModelConfig
        >>> list(field_types(ModelConfig))
        ['name', 'in_channels', 'num_classes', 'options']
    """
    return get_type_hints(kind, include_extras=True)


def describe_field(kind: Any) -> str:
    """The description that comes with the type of a field; nothing if there is none.

    Example:
        >>> from bmis.config import Epochs
        >>> describe_field(Epochs)
        'Passes over the training images.'
    """
    texts = [part.description for part in parts_of(kind) if isinstance(part, Meta)]
    return next((text for text in reversed(texts) if text), "")


def settings_in(kind: Any) -> type["Settings"] | None:
    """The settings that are the value of a field, or inside of it, if there are any.

    Example:
        >>> from bmis.config import ModelConfig
        >>> settings_in(ModelConfig | None).__name__
        'ModelConfig'
    """
    classes = (part for part in parts_of(kind) if isinstance(part, type))
    return next((part for part in classes if issubclass(part, Settings)), None)


@dataclass(frozen=True)
class Settings:
    """Base of everything that is written to ``config.yaml``, into checkpoints and into bundles.

    Subclasses are frozen data classes. Their values are checked against the types of their fields;
    a ``__post_init__`` of their own calls that of this class first. The descriptions of the fields
    are added to the docstring.

    Example:
        >>> from bmis.config import ModelConfig
        >>> ModelConfig(name="unet", num_classes=3).to_dict()["num_classes"]
        3
        >>> ModelConfig.from_dict({"nam": "unet"})
        Traceback (most recent call last):
        bmis.errors.ConfigError: unknown setting 'nam' of ModelConfig (did you mean 'name'?); ...
    """

    def __init_subclass__(cls) -> None:
        described = {name: describe_field(kind) for name, kind in field_types(cls).items()}
        lines = [f"    {name}: {text}" for name, text in described.items() if text]
        if lines and cls.__doc__:  # there are no docstrings under `python -OO`
            cls.__doc__ = "\n".join([cleandoc(cls.__doc__), "", "Attributes:", *lines])

    def __post_init__(self) -> None:
        """Check every value, and make nested settings of nested dictionaries."""
        for name, kind in field_types(type(self)).items():
            value = expand_side(_parse(getattr(self, name), settings_in(kind)), kind)
            object.__setattr__(self, name, check_value(name, value, kind))

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values: what YAML and JSON can hold."""
        return _plain(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``to_dict``.

        Raises:
            ConfigError: A name that this version does not know, one that is missing, or a value
                that is wrong.
        """
        known = {one.name: one for one in fields(cls)}
        for name in values:
            if name not in known:
                hint = did_you_mean(str(name), sorted(known))
                raise ConfigError(f"unknown setting {name!r} of {cls.__name__}{hint}")
        for name, one in known.items():
            if name not in values and one.default is one.default_factory is MISSING:
                raise ConfigError(f"the setting {name!r} of {cls.__name__} is missing; add it")
        return cls(**{name: _parse(value, None) for name, value in values.items()})


def _parse(value: Any, nested: type[Settings] | None) -> Any:
    """Tuples for lists, text for paths and settings for dictionaries."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return tuple(_parse(item, nested) for item in value)
    return nested.from_dict(value) if nested and isinstance(value, Mapping) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
