"""Options of the command line that follow from settings: each is written once, as a field.

The field's name is the flag, its type says how the value is read, its description is the help.
"""

from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, fields
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from bmis.cli.options import (
    SIZE,
    read_assignment,
    read_fold,
    read_size,
    read_size_or_word,
    read_words,
)
from bmis.config import Settings
from bmis.config.checks import choices_of
from bmis.config.settings import describe_field, field_types, settings_in

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

_S = TypeVar("_S", bound=Settings)
_READERS: dict[Any, tuple[Callable[[str], Any], str | None]] = {
    int: (int, "N"),
    float: (float, "X"),
    str: (str, None),
    int | str: (read_fold, "N|FILE"),
    tuple[int, int]: (read_size, SIZE),
    tuple[int, int] | str: (read_size_or_word, f"{SIZE}|any"),
    tuple[str, ...]: (read_words, "A,B"),
}
# Given one by one, so in the singular.
_SPELLINGS = {
    "options": ("-o", "--option"),
    "changes": ("--set",),
    "outputs": ("--as",),
    "codes": ("--code",),
}


def add_flags(
    parser: "ArgumentParser | _ArgumentGroup",
    kind: type[Settings],
    *,
    leave_out: Collection[str] = (),
    changing: bool = False,
) -> None:
    """Add an option for each field of some settings, and of those inside of them.

    The first field without a default is a positional argument, the others are required options.

    Args:
        parser: Parser of the command, or a group of its options.
        kind: The settings.
        leave_out: Fields that the command line does not offer, or that the command adds itself.
        changing: Whether the options change settings that are there already, see ``changes_from``.
            They have no defaults then, and what is on can be put off: ``--no-largest-piece``.

    Example:
        >>> from bmis.config import RuntimeOptions
        >>> parser = ArgumentParser()
        >>> add_flags(parser, RuntimeOptions, leave_out=["device"])
        >>> parser.parse_args(["--threads", "2"])
        Namespace(engine='auto', precision='auto', threads=2)
    """
    required = [one.name for one in fields(kind) if _default(one) is MISSING]
    for one in fields(kind):
        nested = settings_in(field_types(kind)[one.name])
        if nested is not None:
            add_flags(parser, nested, leave_out=leave_out, changing=changing)
        elif one.name not in leave_out:
            how = _how_to_read(kind, one)
            if changing:
                how = _without_default(how)
            if one.name in required[:1]:
                how["metavar"] = one.name.upper()
                parser.add_argument(one.name, **how)
            else:
                parser.add_argument(
                    *_spelling(one.name), dest=one.name, required=one.name in required, **how
                )


def settings_from(args: Namespace, kind: type[_S]) -> _S:
    """Make settings from what was read by the options of ``add_flags``.

    Args:
        args: The arguments of a command. Others than those of the settings do no harm, and what is
            not there has its default.
        kind: The settings.

    Raises:
        ConfigError: A value is wrong.

    Example:
        >>> from bmis.config import RuntimeOptions
        >>> settings_from(Namespace(threads=2, json=False), RuntimeOptions).threads
        2
    """
    values: dict[str, Any] = {}
    for name, described in field_types(kind).items():
        nested = settings_in(described)
        if nested is not None:
            values[name] = settings_from(args, nested)
        elif name in args:
            value = getattr(args, name)
            is_dict = get_type_hints(kind)[name] == dict[str, Any]
            values[name] = dict(value) if is_dict else value
    return kind(**values)


def changes_from(args: Namespace, kind: type[Settings]) -> dict[str, Any]:
    """The values that were given of options that change settings, by the names of the fields.

    Example:
        >>> from bmis.config import PostProcessing
        >>> parser = ArgumentParser()
        >>> add_flags(parser, PostProcessing, changing=True)
        >>> changes_from(parser.parse_args(["--no-fill-holes"]), PostProcessing)
        {'fill_holes': False}
    """
    return {one.name: getattr(args, one.name) for one in fields(kind) if one.name in args}


def flags_given(args: Namespace, kind: type[Settings]) -> dict[str, str]:
    """The options of some settings whose values are not their defaults, by the names of the fields.

    Example:
        >>> from bmis.config import RuntimeOptions
        >>> flags_given(Namespace(threads=2, engine="auto", json=False), RuntimeOptions)
        {'threads': '--threads'}
    """
    found: dict[str, str] = {}
    for one in fields(kind):
        nested = settings_in(field_types(kind)[one.name])
        if nested is not None:
            found |= flags_given(args, nested)
        elif getattr(args, one.name, None) not in (None, _default(one)):
            found[one.name] = _spelling(one.name)[-1]
    return found


def _spelling(name: str) -> tuple[str, ...]:
    """How the option of a field is written."""
    return _SPELLINGS.get(name, (f"--{name.replace('_', '-')}",))


def _without_default(how: dict[str, Any]) -> dict[str, Any]:
    """The same option for settings that are there already."""
    how = {**how, "default": SUPPRESS, "help": how["help"].partition(" (default: ")[0]}
    return how | ({"action": BooleanOptionalAction} if how.get("action") == "store_true" else {})


def _how_to_read(kind: type[Settings], one: "Field[Any]") -> dict[str, Any]:
    """What ``argparse`` must know to read the value of a field."""
    described, default = field_types(kind)[one.name], _default(one)
    text = describe_field(described)
    how: dict[str, Any] = {"help": text[:1].lower() + text[1:].removesuffix(".").replace("%", "%%")}
    plain = _without_none(get_type_hints(kind)[one.name])
    if plain is bool:
        return {**how, "action": "store_true"}
    if plain == dict[str, Any]:
        how |= {"action": "append", "default": [], "metavar": "NAME=VALUE"}
        return {**how, "type": read_assignment}
    if plain == tuple[str, ...] and default is MISSING:
        return {**how, "nargs": "+", "metavar": "NAME"}
    reader, metavar = _READERS[plain]
    if choices := choices_of(described):
        metavar = metavar or f"{{{','.join(choices)}}}"
    how |= {"type": reader, "metavar": metavar}
    if default is not MISSING:
        how["default"] = default
        how["help"] += f" (default: {_shown(default)})" if default not in (None, ()) else ""
    return how


def _default(one: "Field[Any]") -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _shown(default: Any) -> str:
    """A default as it would be typed: "224" for (224, 224)."""
    return ",".join(dict.fromkeys(map(str, default))) if isinstance(default, tuple) else default


def _without_none(kind: Any) -> Any:
    """``int`` for ``int | None``."""
    if not isinstance(kind, UnionType) and get_origin(kind) is not Union:
        return kind
    return reduce(or_, (part for part in get_args(kind) if part is not NoneType))
