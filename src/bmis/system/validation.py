"""Values of files that others may have written, checked by ``msgspec`` against types.

A type says the range of its values by ``msgspec.Meta``, and in ``title`` what an error message asks
for: ``Annotated[int, Meta(ge=1, title="a whole number from 1")]``.
"""

import reprlib
from typing import Any, get_args, get_type_hints

import msgspec

from bmis.errors import ConfigError


def check_fields(settings: object) -> None:
    """Raise ``ConfigError`` unless every field of a data class has a value of its type.

    Example:
        >>> from bmis.records import Trial
        >>> check_fields(Trial("polyps", "bmis"))
        >>> check_fields(Trial("polyps", "bmis", seed=0.5))
        Traceback (most recent call last):
        bmis.errors.ConfigError: seed must be int (got float), got 0.5
    """
    for name, kind in get_type_hints(type(settings), include_extras=True).items():
        check_value(name, getattr(settings, name), kind)


def check_value(name: str, value: Any, kind: Any) -> Any:
    """A value as that type, or an error in one line. Text is no number, and 1.0 no whole number.

    Args:
        name: What the value is called in the error.
        value: Plain values.
        kind: A type as ``msgspec`` takes it.

    Raises:
        ConfigError: The value is not of that type.

    Example:
        >>> from typing import Annotated
        >>> check_value("stride", 8, Annotated[int, msgspec.Meta(ge=1, title="1 or more")])
        8
        >>> check_value("stride", 0, Annotated[int, msgspec.Meta(ge=1, title="1 or more")])
        Traceback (most recent call last):
        bmis.errors.ConfigError: stride must be 1 or more, got 0
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        wanted = _title(kind) or explain_validation_error(error)
        raise ConfigError(f"{name} must be {wanted}, got {reprlib.repr(value)}") from error


def explain_validation_error(error: msgspec.ValidationError) -> str:
    """What ``msgspec`` wanted and where, to stand behind "must be".

    Example:
        >>> try:
        ...     msgspec.convert({"width": "wide"}, dict[str, int])
        ... except msgspec.ValidationError as error:
        ...     explain_validation_error(error)
        'int (got str, at [...])'
    """
    text = str(error).replace("`", "").removeprefix("Expected ")
    text, _, place = text.partition(" - at $")
    wanted, _, came = text.partition(", got ")
    details = [f"got {came}"] * bool(came) + [f"at {place.lstrip('.')}"] * bool(place)
    return f"{wanted} ({', '.join(details)})" if details else wanted


def _title(kind: Any) -> str | None:
    metas = (part for part in get_args(kind) if isinstance(part, msgspec.Meta))
    return next((meta.title for meta in metas if meta.title), None)
