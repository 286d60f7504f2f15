"""The single objects of a mask: connected pixels of one class, each measured by itself."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bmis.predict.measurements import Measurement, extent, measure

_Ints = NDArray[np.intp]
_V = TypeVar("_V", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of neighbouring pixels along the rows of a mask, and which piece each belongs to.

    Attributes:
        rows: Row of each run, ascending.
        starts: Its first column.
        stops: The column behind its last one.
        numbers: Its piece, 0 to n - 1, in the order of the first pixels by row and column.

    Example:
        >>> runs = find_runs(np.array([[1, 1, 0], [0, 0, 1]]) > 0)
        >>> runs.numbers.tolist(), runs.sizes().tolist()
        ([0, 0], [3])
    """

    rows: _Ints
    starts: _Ints
    stops: _Ints
    numbers: _Ints

    def sizes(self) -> _Ints:
        """Pixels of each piece."""
        return np.bincount(self.numbers, self.stops - self.starts).astype(np.intp)

    def pixels(self, chosen: NDArray[np.bool_]) -> tuple[_Ints, _Ints, _Ints]:
        """Row, column and piece of every pixel of the pieces that are chosen."""
        here = chosen[self.numbers]
        starts, lengths = self.starts[here], (self.stops - self.starts)[here]
        first = np.repeat(lengths.cumsum() - lengths - starts, lengths)
        columns = np.arange(len(first)) - first
        return np.repeat(self.rows[here], lengths), columns, np.repeat(self.numbers[here], lengths)

    def paint(self, values: NDArray[_V], shape: tuple[int, ...]) -> NDArray[_V]:
        """An array (H, W) that holds in each run the value of its piece, and 0 elsewhere."""
        starts, stops = (self.rows * shape[1] + ends for ends in (self.starts, self.stops))
        lengths = np.diff(np.stack([starts, stops], 1).ravel(), prepend=0, append=math.prod(shape))
        each = np.zeros(len(lengths), values.dtype)
        each[1::2] = values[self.numbers]
        return np.repeat(each, lengths).reshape(shape)


def find_runs(inside: NDArray[np.bool_], *, corners: bool = True) -> Runs:
    """Find the pieces of a mask: true pixels that touch belong to one piece.

    Args:
        inside: (H, W).
        corners: Whether pixels touch that share a corner alone.

    Example:
        >>> mask = np.array([[1, 0], [0, 1]]) > 0
        >>> [len(find_runs(mask, corners=corners).sizes()) for corners in (True, False)]
        [1, 2]
    """
    framed = np.pad(inside, ((0, 0), (1, 1)))
    edges = np.flatnonzero(framed[:, 1:] != framed[:, :-1])  # where each run starts and stops
    rows, starts = np.divmod(edges[::2], framed.shape[1] - 1)
    stops = edges[1::2] % (framed.shape[1] - 1)
    parents = _join(len(rows), *_neighbours(rows, starts, stops, corners=corners))
    _, numbers = np.unique(parents, return_inverse=True)
    return Runs(rows, starts, stops, numbers)


def find_objects(labels: NDArray[np.uint8], class_index: int) -> NDArray[np.int32]:
    """Number the objects of a class: pixels that touch, corners included, are one object.

    Args:
        labels: (H, W).
        class_index: The label to look for.

    Returns:
        (H, W): 0 outside, 1 to n inside, in the order of the first pixels by row and column.

    Example:
        >>> find_objects(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]], np.uint8), 1)
        array([[1, 0, 1],
               [0, 1, 0],
               [0, 0, 0],
               [2, 0, 0]], dtype=int32)
    """
    runs = find_runs(labels == class_index)
    numbers = np.arange(1, len(runs.sizes()) + 1, dtype=np.int32)
    return runs.paint(numbers, labels.shape)


def _neighbours(rows: _Ints, starts: _Ints, stops: _Ints, *, corners: bool) -> tuple[_Ints, _Ints]:
    """Pairs of runs that touch: each run, and those of the row above that reach it."""
    wide = int(stops.max(initial=0)) + 2  # one number line: a row after the other, never touching
    before: Literal["left", "right"] = "left" if corners else "right"
    behind: Literal["left", "right"] = "right" if corners else "left"
    first = np.searchsorted((rows + 1) * wide + stops, rows * wide + starts, side=before)
    last = np.searchsorted((rows + 1) * wide + starts, rows * wide + stops, side=behind)
    counts = np.maximum(last - first, 0)
    own = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    return own, np.repeat(first, counts) + offsets


def _join(count: int, first: _Ints, second: _Ints) -> _Ints:
    """The lowest run that each of ``count`` runs is connected with by the pairs."""
    parents = np.arange(count)
    while True:
        a, b = parents[first], parents[second]
        if np.array_equal(a, b):
            return parents
        np.minimum.at(parents, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(parents, parents[parents]):  # everyone points to the root
            parents = parents[parents]


def measure_objects(
    labels: NDArray[np.uint8], class_index: int, spacing: tuple[float, float] | None = None
) -> Iterator[Measurement]:
    """Measure each object of a class; places and shares are those in the whole image.

    Args:
        labels: (H, W).
        class_index: The label to look for.
        spacing: Millimetres per pixel, (down a column, along a row); None where unknown.

    Example:
        >>> labels = np.zeros((10, 10), np.uint8)
        >>> labels[1:3, 1:3], labels[6:9, 5:9] = 1, 1
        >>> [found.diameter_px for found in measure_objects(labels, 1)]
        [2.828..., 5.0]
    """
    inside = labels == class_index
    if not inside.any():
        return
    (first_row, last_row), (first_column, last_column) = (
        extent(inside.any(1)),
        extent(inside.any(0)),
    )
    inside = inside[first_row:last_row, first_column:last_column]
    runs = find_runs(inside)
    count = len(runs.sizes())
    numbered = runs.paint(np.arange(1, count + 1, dtype=np.int32), inside.shape)
    low, high = np.full((2, count), labels.size), np.zeros((2, count), np.intp)
    ends = ((runs.rows, runs.rows + 1), (runs.starts, runs.stops))
    for axis, (first, behind) in enumerate(ends):
        np.minimum.at(low[axis], runs.numbers, first)
        np.maximum.at(high[axis], runs.numbers, behind)
    for number in range(count):
        (top, left), (bottom, right) = low[:, number].tolist(), high[:, number].tolist()
        one = (numbered[top:bottom, left:right] == number + 1).astype(np.uint8)
        found = measure(one, 1, spacing)
        yield _moved(found, first_row + top, first_column + left, labels.size)


def _moved(found: Measurement, top: int, left: int, pixels: int) -> Measurement:
    """The measurements of a cut-out as those of the image that it was cut from."""
    height, width = (found.box or (0, 0, 0, 0))[2:]
    row, column = found.centroid or (0.0, 0.0)
    return replace(
        found,
        fraction=found.area_px / pixels,
        box=(top, left, height, width),
        centroid=(top + row, left + column),
    )
