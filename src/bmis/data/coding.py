"""How the masks of a data set store its classes, and the label of pixels that do not count."""

from collections.abc import Collection
from dataclasses import dataclass

from bmis.errors import DataError

IGNORE = 255  # the label of pixels that do not count


@dataclass(frozen=True)
class Coding:
    """How the masks of a data set store its classes.

    Attributes:
        num_classes: Number of classes, background included.
        pair: The values of background and foreground where they are two others than 0/1 or 0/255,
            such as (0, 128); else ().
        ignore: Value of the pixels that count neither in losses nor in scores, where there is one.

    Raises:
        DataError: The value to ignore is that of a class.

    Example:
        >>> Coding(2, pair=(0, 128)).notes
        ('masks hold 0 and 128: 128 is read as foreground',)
    """

    num_classes: int
    pair: tuple[int, ...] = ()
    ignore: int | None = None

    def __post_init__(self) -> None:
        taken = self.pair or range(self.num_classes)
        if self.ignore in taken:
            raise DataError(
                f"dataset.yaml: ignore is {self.ignore}, the number of a class; the classes are "
                f"{taken[0]} to {taken[-1]}, so choose a value outside of them"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the values, a sentence for each."""
        notes = []
        if self.pair:
            low, high = self.pair
            notes.append(f"masks hold {low} and {high}: {high} is read as foreground")
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
        if self.pair:
            return left <= set(self.pair)
        return left <= set(range(self.num_classes)) or (self.num_classes == 2 and left <= {0, 255})

    def class_of(self, value: int) -> int:
        """The class of a raw value that is allowed, or ``IGNORE``.

        Example:
            >>> Coding(2, ignore=7).class_of(255), Coding(2, ignore=7).class_of(7)
            (1, 255)
        """
        if value == self.ignore:
            return IGNORE
        if self.pair:
            return self.pair.index(value)
        return 1 if value == 255 else value
