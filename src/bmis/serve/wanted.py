"""What a client asks for beside the masks: the query of its address."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bmis.errors import did_you_mean
from bmis.serve.accept import JSON
from bmis.serve.refusals import Refused

EXTRAS = ("picture", "probability")
"""What JSON can hold on request: the picture as the network saw it, and its probabilities."""

NAMES = ("include", "spacing")
"""The names of a query."""

_WORD, _NUMBER = f" *({'|'.join(EXTRAS)}) *", r" *[0-9]{0,9}\.?[0-9]{1,9}([eE][-+]?[0-9]{1,2})? *"
EXTRAS_PATTERN, SPACING_PATTERN = (
    f"^({_WORD}(,{_WORD})*)?$",
    f"^({_NUMBER}(,{_NUMBER})?)?$",
)
"""What the query may hold, for OpenAPI; a spacing is more than 0 besides."""


@dataclass(frozen=True)
class Wanted:
    """What a client asks for.

    Attributes:
        kind: One of ``accept.KINDS``.
        extras: Some of ``EXTRAS``.
        spacing: Millimetres per pixel (down, across) of pictures that do not know their own.
        numbers: Whether the greys of a PNG are the numbers of classes, not what one can see.

    Example:
        >>> Wanted().kind
        'application/json'
    """

    kind: str = JSON
    extras: frozenset[str] = frozenset()
    spacing: tuple[float, float] | None = None
    numbers: bool = False


def check_names(names: Iterable[str]) -> None:
    """Check the names in a query. A word that is not heard would be a wish that is not granted.

    Raises:
        Refused: One is none of ``NAMES``.

    Example:
        >>> check_names(["spacin"])
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: unknown query 'spacin' (did you mean 'spacing'?); ...
    """
    for name in names:
        if name not in NAMES:
            raise Refused(400, f"unknown query {name[:40]!r}{did_you_mean(name[:40], NAMES)}")


def read_extras(text: str) -> frozenset[str]:
    """Read words that are separated by commas.

    Raises:
        Refused: A word is none of ``EXTRAS``.

    Example:
        >>> read_extras(""), read_extras("picture")
        (frozenset(), frozenset({'picture'}))
        >>> read_extras("pictures")
        Traceback (most recent call last):
        bmis.serve.refusals.Refused: unknown include 'pictures' (did you mean 'picture'?); ...
    """
    words = [word.strip() for word in text.split(",")] if text else []
    for word in words:
        if word not in EXTRAS:
            raise Refused(400, f"unknown include {word[:40]!r}{did_you_mean(word[:40], EXTRAS)}")
    return frozenset(words)


def read_spacing(text: str) -> tuple[float, float] | None:
    """Read millimetres per pixel: one number, or two as down,across.

    Raises:
        Refused: It is something else.

    Example:
        >>> read_spacing("0.1"), read_spacing("0.1,0.2"), read_spacing("")
        ((0.1, 0.1), (0.1, 0.2), None)
    """
    if not text:
        return None
    fits = re.fullmatch(SPACING_PATTERN, text) is not None
    sides = [float(part) for part in text.split(",")] if fits else [0.0]
    if not all(sides):
        raise Refused(
            400, f"spacing must be millimetres per pixel, or down,across; got {text[:40]!r}"
        )
    return sides[0], sides[-1]
