"""What a client asks for beside the masks: the query of its address."""

import math
from dataclasses import dataclass

from bmis.errors import did_you_mean
from bmis.serve.accept import JSON
from bmis.serve.refusals import Refused

EXTRAS = ("picture", "probability")
"""What JSON can hold on request: the picture as the network saw it, and its probabilities."""


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
    try:
        sides = [float(part) for part in text.split(",")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or not all(0 < side < math.inf for side in sides):
        raise Refused(
            400, f"spacing must be millimetres per pixel, or down,across; got {text[:40]!r}"
        )
    return sides[0], sides[-1]
