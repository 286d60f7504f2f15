"""The values that all masks of a source store, and what the set of them shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.errors import DataError
from bmis.importing.pictures import Stored, read_alpha, read_stored
from bmis.system.pipeline import each
from bmis.system.progress import track

_LOW, _HIGH = 0.1, 0.9  # shares of the largest value between which a value is grey
_AREA = 0.1  # share of the pixels of a value that have only it around them, where it has areas
_BRIGHT = 100  # class numbers are smaller, what is white is larger
_MANY = 16  # values that nobody draws by hand
_SEVERAL = 8  # objects of one picture from which on numbers are taken for ids


@dataclass(frozen=True)
class MaskSet:
    """What all masks of a source store.

    Attributes:
        counts: Pixels of each value, by rising value.
        inside: Pixels of each value whose four neighbours have it too.
        per_mask: Values of each mask, rising.
        coloured: Whether there are colours.
        lossy: Whether there are JPEG files.
        alpha: Whether the masks lie in the transparency.
        colours: Whether the colours of palettes count.

    Example:
        >>> found, failed = survey_masks([Path("polyps/masks/endoscopy_0001.png")])
        >>> found.values, found.alpha
        ((0, 255), False)
    """

    counts: dict[int, int]
    inside: dict[int, int]
    per_mask: dict[Path, tuple[int, ...]]
    coloured: bool = False
    lossy: bool = False
    alpha: bool = False
    colours: bool = False

    @property
    def values(self) -> tuple[int, ...]:
        """All values, rising."""
        return tuple(self.counts)

    @property
    def top(self) -> int:
        """The value of white."""
        high = self.values[-1]
        return 255 if _BRIGHT <= high <= 255 else high

    @property
    def grey_edges(self) -> bool:
        """Whether the masks are of two classes and blurred: greys lie between, but fill no area."""
        top, values = self.top, self.values
        if top < _BRIGHT or len(values) < 3:
            return False
        low = [value for value in values if value <= _LOW * top]
        high = [value for value in values if value >= _HIGH * top]
        middle = [value for value in values if _LOW * top < value < _HIGH * top]
        if not low or not high or any(map(self._has_area, middle)):
            return False
        exact = {v for v in (*low, *high) if self._has_area(v)} <= {values[0], values[-1]}
        return self.lossy or bool(middle and (exact or len(values) >= _MANY))

    @property
    def object_ids(self) -> bool:
        """Whether the values seem to number objects: 1 to n, another n in each mask, or huge."""
        objects = [tuple(v for v in values if v) for values in self.per_mask.values()]
        most = max((len(ids) for ids in objects), default=0)
        if most < _SEVERAL:
            return False
        counted = all(ids == tuple(range(1, len(ids) + 1)) for ids in objects)
        differ = len({len(ids) for ids in objects}) > 1
        return (counted and differ) or len(self.values) > 64

    def _has_area(self, value: int) -> bool:
        return self.inside.get(value, 0) >= _AREA * self.counts[value]

    def read(self, path: Path) -> Stored:
        """Read a mask of the set."""
        return read_stored(path, alpha=self.alpha, colours=self.colours)


def survey_masks(
    masks: Sequence[Path], *, colours: bool = False
) -> tuple[MaskSet, dict[Path, DataError]]:
    """Read all masks and count their values.

    Args:
        masks: Files of the masks.
        colours: Whether the colours of palettes count, and not their indices.

    Returns:
        What the readable masks store, and the errors of the others.

    Example:
        >>> found, failed = survey_masks(sorted(Path("polyps/masks").iterdir()))
        >>> len(found.per_mask), failed
        (12, {})
    """
    alpha = _in_alpha(masks)
    counts: Counter[int] = Counter()
    inside: Counter[int] = Counter()
    per_mask, failed = {}, {}
    coloured = lossy = False

    def read(path: Path) -> tuple[Stored, Counter[int], Counter[int]] | DataError:
        try:
            stored = read_stored(path, alpha=alpha, colours=colours)
        except DataError as error:
            return error
        return stored, _count(stored.values), _count(_inner(stored.values))

    found = track(each(read, masks), "reading masks", total=len(masks))
    for path, one in zip(masks, found, strict=True):
        if isinstance(one, DataError):
            failed[path] = one
            continue
        stored, own, areas = one
        counts, inside = counts + own, inside + areas
        per_mask[path] = tuple(sorted(own))
        coloured, lossy = coloured or stored.coloured, lossy or stored.lossy
    ordered = dict(sorted(counts.items()))
    return MaskSet(ordered, inside, per_mask, coloured, lossy, alpha, colours), failed


def _in_alpha(masks: Sequence[Path]) -> bool:
    """Whether all masks have one colour, and some of them more than one transparency."""
    varies = False
    for path in masks:
        alpha = read_alpha(path)
        if alpha is None:
            return False
        varies = varies or bool((alpha != alpha[:1, :1]).any())
    return varies


def _count(values: NDArray[Any]) -> Counter[int]:
    found, counts = np.unique(values, return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _inner(values: NDArray[Any]) -> NDArray[Any]:
    """The values that their four neighbours have too."""
    middle = values[1:-1, 1:-1]
    same = (middle == values[:-2, 1:-1]) & (middle == values[2:, 1:-1])
    same &= (middle == values[1:-1, :-2]) & (middle == values[1:-1, 2:])
    return np.asarray(middle[same])
