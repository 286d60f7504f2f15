"""How the masks of a data set store its classes, and the label of pixels that do not count."""

from collections.abc import Collection
from dataclasses import dataclass

from bmis.errors import DataError

IGNORE = 255  # the label of pixels that do not count


@dataclass(frozen=True)
class MaskRules:
    """What is declared about the values in masks, before any mask is read.

    Attributes:
        num_classes: Number of classes, background included; 0 if it is to be found.
        ignore: Value of the pixels that count neither in losses nor in scores, where there is one.
        threshold: Value from which on pixels are foreground, where masks are grey.
        first: Value of the first class.

    Example:
        >>> MaskRules(ignore=255).num_classes
        0
    """

    num_classes: int = 0
    ignore: int | None = None
    threshold: int | None = None
    first: int = 0

    @property
    def are_given(self) -> bool:
        """Whether anything is declared besides the number of classes."""
        return self != MaskRules(self.num_classes)


UNDECLARED = MaskRules()
"""Nothing is said about the values."""


@dataclass(frozen=True)
class Coding:
    """How the masks of a data set store its classes.

    Attributes:
        num_classes: Number of classes, background included.
        pair: The values of background and foreground where they are two others than 0/1 or 0/255,
            such as (0, 128); else ().
        ignore: Value of the pixels that count neither in losses nor in scores, where there is one.
        threshold: Value from which on pixels are foreground, where masks are grey.
        first: Value of the first class; the others follow it.

    Raises:
        DataError: The value to ignore is that of a class, or there is a threshold for more than
            two classes.

    Example:
        >>> Coding(2, pair=(0, 128)).notes
        ('masks hold 0 and 128: 128 is read as foreground',)
    """

    num_classes: int
    pair: tuple[int, ...] = ()
    ignore: int | None = None
    threshold: int | None = None
    first: int = 0

    def __post_init__(self) -> None:
        if self.threshold is not None:
            if self.num_classes != 2:
                raise DataError(
                    "dataset.yaml: mask_threshold tells two classes apart, and classes names "
                    f"{self.num_classes}; name two, or leave mask_threshold out"
                )
            return
        taken = self.pair or self._numbers
        if self.ignore in taken:
            raise DataError(
                f"dataset.yaml: ignore is {self.ignore}, the number of a class; the classes are "
                f"{taken[0]} to {taken[-1]}, so choose a value outside of them"
            )

    @property
    def _numbers(self) -> range:
        return range(self.first, self.first + self.num_classes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the values, a sentence for each."""
        notes = []
        if self.pair:
            low, high = self.pair
            notes.append(f"masks hold {low} and {high}: {high} is read as foreground")
        if self.threshold is not None:
            notes.append(f"mask values from {self.threshold} on are read as foreground")
        if self.first:
            notes.append(f"the classes are numbered from {self.first}, which is the background")
        if self.ignore is not None:
            notes.append(f"pixels of value {self.ignore} are ignored in losses and scores")
        return tuple(notes)

    def allows(self, values: Collection[int]) -> bool:
        """Whether a mask may hold these raw values.

        Example:
            >>> Coding(2).allows([0, 255]), Coding(3).allows([0, 255])
            (True, False)
        """
        left = set(values) - {self.ignore}
        if self.pair or self.threshold is not None:
            return self.threshold is not None or left <= set(self.pair)
        binary = self.num_classes == 2 and not self.first
        return left <= set(self._numbers) or (binary and left <= {0, 255})

    def class_of(self, value: int) -> int:
        """The class of a raw value that is allowed, or ``IGNORE``.

        Example:
            >>> Coding(2, ignore=7).class_of(255), Coding(2, ignore=7).class_of(7)
            (1, 255)
        """
        if value == self.ignore:
            return IGNORE
        if self.threshold is not None:
            return int(value >= self.threshold)
        if self.pair:
            return self.pair.index(value)
        return 1 if value == 255 and not self.first else value - self.first


TWO_CLASSES = Coding(2)
"""Masks of 0 and 1, or of 0 and 255."""
