"""Checks of single values. ``msgspec`` does them; what is wrong is said here, in one line."""

import re
import reprlib
from collections.abc import Iterator
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from bmis.errors import ConfigError, did_you_mean

_Side = Annotated[int, Meta(ge=8, le=16384)]
_Sides = tuple[_Side, _Side]
Size = Annotated[_Sides, Meta(title="(height, width), each from 8 to 16384")]


def one_of(*choices: str) -> Meta:
    """The constraint that a text is one of some words; type checkers go on seeing ``str``.

    Example:
        >>> check_value("device", "cdua", Annotated[str, one_of("cpu", "cuda")])
        Traceback (most recent call last):
        bmis.errors.ConfigError: unknown device 'cdua' (did you mean 'cuda'?); available: cpu, cuda
    """
    pattern = "|".join(map(re.escape, choices))
    return Meta(pattern=rf"\A(?:{pattern})\Z", extra={"choices": choices})


def choices_of(kind: Any) -> tuple[str, ...]:
    """The words that ``one_of`` allows a type, if it does.

    Example:
        >>> choices_of(Annotated[str, one_of("cpu", "cuda")])
        ('cpu', 'cuda')
    """
    metas = (part for part in parts_of(kind) if isinstance(part, Meta))
    return tuple(word for meta in metas for word in (meta.extra or {}).get("choices", ()))


def check_choice(what: str, value: str, options: tuple[str, ...]) -> None:
    """Raise ``ConfigError`` unless ``value`` is one of ``options``.

    Example:
        >>> check_choice("engine", "openvno", ("onnxruntime", "openvino"))
        Traceback (most recent call last):
        bmis.errors.ConfigError: unknown engine 'openvno' (did you mean 'openvino'?); available: ...
    """
    if value not in options:
        raise ConfigError(f"unknown {what} {value!r}{did_you_mean(str(value), options)}")


def check_size(size: object) -> None:
    """Raise ``ConfigError`` unless ``size`` is (height, width) in pixels, each from 8 to 16384.

    Example:
        >>> check_size((224, 320))
        >>> check_size((224, 4))
        Traceback (most recent call last):
        bmis.errors.ConfigError: size must be (height, width), each from 8 to 16384, got (224, 4)
    """
    check_value("size", size, Size)


def expand_side(value: Any, kind: Any) -> Any:
    """Make (height, width) of a whole number where the type is a ``Size``: the side of a square.

    Example:
        >>> expand_side(96, Size), expand_side(96, int)
        ((96, 96), 96)
    """
    return (value, value) if type(value) is int and _Sides in parts_of(kind) else value


def check_value(name: str, value: Any, kind: Any) -> Any:
    """Check a value against a type and its constraints. Nothing is guessed: "3" is no number.

    Args:
        name: What the value is called in the error.
        value: Plain values, from wherever they come.
        kind: A type as ``msgspec`` takes it, such as ``Annotated[int, Meta(ge=1)]``.

    Returns:
        The value as that type: lists become tuples, and whole numbers floats, where it says so.

    Raises:
        ConfigError: One line on what came and what is wanted.

    Example:
        >>> check_value("epochs", 3, Annotated[int, Meta(ge=1)])
        3
        >>> check_value("epochs", 0, Annotated[int, Meta(ge=1)])
        Traceback (most recent call last):
        bmis.errors.ConfigError: epochs must be 1 or more, got 0
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(name, value, kind, str(error))) from None


def parts_of(kind: Any) -> Iterator[Any]:
    """Go through a type, all types inside of it, and what they are annotated with.

    Example:
        >>> list(parts_of(tuple[int, str]))
        [tuple[int, str], <class 'int'>, <class 'str'>]
    """
    yield kind
    for part in get_args(kind):
        yield from parts_of(part)


_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "names and values",
}
_BOUNDS = {">=": "{} or more", "<=": "{} or less", ">": "above {}", "<": "below {}"}
_EXPECTED = re.compile(r"Expected `([^`]+)`(?: ([<>]=?) (\S+))?(?:, got .*)?")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def _explain(name: str, value: Any, kind: Any, message: str) -> str:
    """One line on a value that ``msgspec`` refused with this message."""
    titles = [part.title for part in parts_of(kind) if isinstance(part, Meta) and part.title]
    wanted = titles[-1] if titles else None  # the outermost comes last
    verb = "be"
    if wanted is None:
        message, _, place = message.partition(" - at `$")
        verb = "hold" if place.startswith("[...]") else "be"  # one of the values of a dictionary
        inside = re.match(r"(?:\[\d+\])*", place)  # the one value of a list that is wrong
        for index in re.findall(r"\d+", inside[0] if inside else ""):
            value, name = value[int(index)], f"{name}[{index}]"
        if choices := choices_of(kind):
            return f"unknown {name} {_SHORT.repr(value)}{did_you_mean(str(value), choices)}"
        wanted = _translate(message)
    return f"{name} must {verb} {wanted}, got {_SHORT.repr(value)}"


def _translate(message: str) -> str:
    """What ``msgspec`` expected, in the words of our own errors."""
    found = _EXPECTED.fullmatch(message)
    if not found:
        return f"another value ({message})"
    names, bound, limit = found.groups()
    if bound:
        return _BOUNDS[bound].format(limit)
    return " or ".join(_NAMES.get(name, name) for name in names.split(" | ") if name != "null")
