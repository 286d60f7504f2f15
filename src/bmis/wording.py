"""How messages count: one and several, short numbers, and one line for many that say the same."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

_VARIES = re.compile(r"'[^']*'|\d+(?: \d+)*")  # names and numbers, in which equal texts differ
_T = TypeVar("_T")


def counted(number: int | str, noun: str) -> str:
    """A number and what it counts, as one or as several.

    Args:
        number: How many there are, or a word that says so.
        noun: One of them, such as "image" or "test image".

    Example:
        >>> counted(1, "image"), counted(2, "image"), counted(0, "class")
        ('1 image', '2 images', '0 classes')
    """
    if str(number) == "1":
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def duration(seconds: float) -> str:
    """A time in its two largest units.

    Example:
        >>> duration(7.6), duration(200), duration(7500)
        ('8 s', '3 min 20 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def short(value: float) -> str:
    """Three significant digits without an exponent; from 1000 on, all digits before the point.

    Example:
        >>> short(0.0123456), short(34.527), short(1234.5)
        ('0.0123', '34.5', '1,234')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(9, max(0, digits))}f}"


def time_left(seconds: float, done: int, total: int) -> str:
    """How long work has taken and will take, where every step takes as long as those before.

    Args:
        seconds: Time of the steps that are done.
        done: How many these are, at least 1.
        total: How many there are in all.

    Example:
        >>> time_left(30, 3, 60), time_left(600, 60, 60)
        ('30 s so far, about 9 min 30 s left', '10 min 0 s in all')
    """
    if done >= total:
        return f"{duration(seconds)} in all"
    left = seconds / done * (total - done)
    return f"{duration(seconds)} so far, about {duration(left)} left"


def group_alike(items: Iterable[_T], text: Callable[[_T], str]) -> list[list[_T]]:
    """Items whose texts differ in quoted names and in numbers alone, in the order of the first.

    Args:
        items: What is grouped.
        text: The text of an item, without its own name.

    Example:
        >>> group_alike(["3 grey pixels", "all black", "7 grey pixels"], str)
        [['3 grey pixels', '7 grey pixels'], ['all black']]
    """
    groups: defaultdict[str, list[_T]] = defaultdict(list)
    for item in items:
        groups[_VARIES.sub("#", text(item))].append(item)
    return list(groups.values())


def first_of_alike(errors: Iterable[str]) -> list[str]:
    """The first of all errors that say the same of different files, and how many more there are.

    Args:
        errors: Lines that begin with a path and a colon.

    Example:
        >>> first_of_alike(["a.png: broken", "b.png: broken", "c.png: empty"])
        ['a.png: broken (and 1 more like it)', 'c.png: empty']
    """
    return [
        group[0] + (f" (and {len(group) - 1} more like it)" if len(group) > 1 else "")
        for group in group_alike(errors, _reason)
    ]


def summarise(notes: Iterable[str], noun: str) -> list[str]:
    """Notes that differ in names and numbers alone become one, with a count and the range.

    Args:
        notes: One note about each of many things.
        noun: What the notes are about, such as "image".

    Example:
        >>> summarise(["3 grey pixels", "7 grey pixels", "all background"], "image")
        ['2 images: 3 to 7 grey pixels', '1 image: all background']
    """
    groups = group_alike(notes, str)
    return [f"{counted(len(group), noun)}: {_range(group)}" for group in groups]


def _reason(error: str) -> str:
    return error.partition(": ")[2] or error


def _range(lines: Sequence[str]) -> str:
    """The first of some lines, with the smallest and the largest of each number in them."""
    found = [_VARIES.findall(line) for line in lines]
    columns = iter(zip(*found, strict=True))

    def both(_: re.Match[str]) -> str:
        values: tuple[str, ...] = next(columns)
        if all(value == values[0] for value in values):
            return values[0]
        if all(value.isdecimal() for value in values):
            return f"{min(map(int, values))} to {max(map(int, values))}"
        return f"{values[0]} ..."

    return _VARIES.sub(both, lines[0])


def image_kind(channels: int) -> str:
    """What images of a number of channels are called.

    Example:
        >>> image_kind(1), image_kind(5)
        ('grey', '5-channel')
    """
    return {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
