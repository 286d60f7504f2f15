"""What the reader of a format gives: images, and a way to draw the mask of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.description import Description
from bmis.data.labels import MAX_CLASSES
from bmis.errors import DataError, did_you_mean
from bmis.wording import counted

BACKGROUND = "background"
_BACKGROUNDS = ("background", "_background_", "__background__", "bg")


@dataclass(frozen=True, eq=False)
class Drawn:
    """The mask of one image.

    Attributes:
        labels: (H, W) uint8 class numbers.
        notes: What was decided on the way.
        problems: What is wrong with the annotation, but leaves the mask right.

    Example:
        >>> Drawn(np.zeros((4, 6), np.uint8), notes=("no outline: all background",)).problems
        ()
    """

    labels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


Draw = Callable[[tuple[int, int]], Drawn]
"""Draws the mask of an image of (height, width) pixels, or raises ``DataError``."""


@dataclass(frozen=True)
class Item:
    """An image of a source.

    Attributes:
        image: File of the image.
        annotation: File that says what is to be seen on it.
        draw: Draws its mask.
        split: Its split, where the source has splits.
        group: Its group (a patient), where the source has groups.
        stratum: Its stratum (a diagnosis), where the source has strata.
        field_of_view: File of its field of view, if any.

    Example:
        >>> item = Item(Path("a.jpg"), Path("a.json"), lambda size: Drawn(np.zeros(size, np.uint8)))
        >>> item.draw((4, 6)).labels.shape
        (4, 6)
    """

    image: Path
    annotation: Path
    draw: Draw
    split: str | None = None
    group: str | None = None
    stratum: str | None = None
    field_of_view: Path | None = None


@dataclass(frozen=True)
class Source:
    """All that a source holds.

    Attributes:
        items: Its images.
        classes: Names of the classes, background first.
        failed: What cannot be used, each with the reason.
        notes: What was decided for all of it.
        used: Files that were read besides those of the items.
        description: What the source declares about itself in a ``dataset.yaml``.

    Example:
        >>> Source((), ("background", "lesion")).failed
        ()
    """

    items: tuple[Item, ...]
    classes: tuple[str, ...]
    failed: tuple[DataError, ...] = ()
    notes: tuple[str, ...] = ()
    used: tuple[Path, ...] = ()
    description: Description = field(default_factory=Description)


@dataclass(frozen=True)
class ClassList:
    """The classes of a source that names them, and the number of each name.

    Attributes:
        names: Names of the classes, background first.
        numbers: Class number of every name in the source; 0 for background and what is not taken.
        note: What was decided, if anything.

    Example:
        >>> choose_classes(["lesion", "hair"], wanted=("hair",)).numbers
        {'lesion': 0, 'hair': 1}
    """

    names: tuple[str, ...]
    numbers: dict[str, int]
    note: str | None = None


def choose_classes(found: Sequence[str], wanted: Sequence[str]) -> ClassList:
    """Number the classes of a source.

    Args:
        found: Names in the source, in its order. Names of the background become class 0.
        wanted: Names to take, in the order to take them; all if empty.

    Raises:
        DataError: There are no classes, too many, or none of a wanted name.

    Example:
        >>> choose_classes(["_background_", "lesion"], wanted=()).names
        ('background', 'lesion')
    """
    there = list(dict.fromkeys(name for name in found if not is_background(name)))
    taken = [name for name in wanted if not is_background(name)] or there
    for name in taken:
        if name not in there:
            raise DataError(f"has no class {name!r}{did_you_mean(name, there)}")
    if not taken:
        raise DataError("names no class; label something, or name the file that has the labels")
    if len(taken) >= MAX_CLASSES:
        raise DataError(
            f"has {len(taken)} classes, and {MAX_CLASSES - 1} fit beside the background; choose "
            "some with --classes A,B"
        )
    numbers = {name: taken.index(name) + 1 if name in taken else 0 for name in found}
    left = [name for name in there if name not in taken]
    note = f"not taken, so background: {', '.join(left)}" if left else None
    return ClassList((BACKGROUND, *taken), numbers, note)


def is_background(name: str) -> bool:
    """Whether a class of this name means the background.

    Example:
        >>> is_background("_background_"), is_background("lesion")
        (True, False)
    """
    return name.strip().lower() in _BACKGROUNDS


def name_classes(count: int, names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes of a source that only numbers them.

    Args:
        count: Number of classes, background included.
        names: Names if none are wanted, background first.
        wanted: Names that were asked for, with or without a background.

    Raises:
        DataError: There are more or fewer names than classes.

    Example:
        >>> name_classes(2, ("background", "foreground"), ("polyp",))
        ('background', 'polyp')
    """
    if not wanted:
        return tuple(names)
    given = tuple(wanted) if is_background(wanted[0]) else (BACKGROUND, *wanted)
    if len(given) != count:
        raise DataError(
            f"has {counted(count, 'class')} with the background, but {len(given)} named; name each"
        )
    return given
