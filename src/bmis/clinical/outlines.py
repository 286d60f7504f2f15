"""Outlines of masks as polygons along the edges of pixels, in GeoJSON."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.predict.objects import find_objects

_Point = tuple[int, int]


def outline(inside: NDArray[np.bool_]) -> list[list[_Point]]:
    """The rings around one object, whose pixels touch each other, corners included.

    Args:
        inside: (H, W).

    Returns:
        The outer ring, then the holes. Corners of pixels as (column, row), the first one again at
        the end; only corners where the ring turns.

    Example:
        >>> outline(np.array([[1, 1], [1, 1]], bool))
        [[(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)]]
    """
    following = _edges(inside)
    rings = []
    for start in sorted(following, key=lambda point: (point[1], point[0])):
        while start in following:  # twice where pixels touch at this corner alone
            rings.append(_corners(_follow(following, start)))
    rings.sort(key=_area, reverse=True)  # holes run the other way round
    return rings


def _edges(inside: NDArray[np.bool_]) -> defaultdict[_Point, list[_Point]]:
    """Steps along the edges of pixels, with the object at the right: from a corner to others."""
    full = np.pad(inside, 1)
    steps: defaultdict[_Point, list[_Point]] = defaultdict(list)
    above, below = full[:-1, 1:-1], full[1:, 1:-1]
    left, right = full[1:-1, :-1], full[1:-1, 1:]
    for edges, start, end in (
        (below & ~above, (0, 0), (0, 1)),
        (above & ~below, (0, 1), (0, 0)),
        (right & ~left, (1, 0), (0, 0)),
        (left & ~right, (0, 0), (1, 0)),
    ):
        for row, column in zip(*(axis.tolist() for axis in np.nonzero(edges)), strict=True):
            steps[column + start[1], row + start[0]].append((column + end[1], row + end[0]))
    return steps


def _follow(following: defaultdict[_Point, list[_Point]], start: _Point) -> list[_Point]:
    """One ring, taken out of the steps; where pixels touch at a corner it crosses over to both."""
    ring, direction = [start], (1, 0)
    while True:
        here = ring[-1]
        choices = following[here]
        # a turn to the left first: what touches at a corner is one object
        choices.sort(key=lambda point: _turn(direction, (point[0] - here[0], point[1] - here[1])))
        after = choices.pop(0)
        if not choices:
            del following[here]
        direction = after[0] - here[0], after[1] - here[1]
        ring.append(after)
        if after == start:
            return ring


def _turn(before: _Point, after: _Point) -> int:
    """-1 for a turn to the left (as seen on the screen), 0 for none, 1 for one to the right."""
    return before[0] * after[1] - before[1] * after[0]


def _corners(ring: list[_Point]) -> list[_Point]:
    """A ring without the points between its corners."""
    points = ring[:-1]
    kept = [
        point
        for before, point, after in zip(
            points[-1:] + points[:-1], points, points[1:] + points[:1], strict=True
        )
        if (before[0] == point[0]) != (point[0] == after[0])
    ]
    return [*kept, kept[0]]


def _area(ring: list[_Point]) -> int:
    """Twice the area inside a ring, negative for a hole."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))


def features(labels: NDArray[np.uint8], label: int) -> Iterator[dict[str, Any]]:
    """The objects of one class as geometries of GeoJSON, in pixels from the top left.

    Args:
        labels: (H, W).
        label: Number of the class.

    Example:
        >>> labels = np.zeros((4, 4), np.uint8)
        >>> labels[1:3, 1:4] = 1
        >>> list(features(labels, 1))
        [{'type': 'Polygon', 'coordinates': [[(1, 1), (4, 1), (4, 3), (1, 3), (1, 1)]]}]
    """
    numbered = find_objects(labels, label)
    rows, columns = np.nonzero(numbered)
    numbers = numbered[rows, columns]
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(1, int(numbers.max(initial=0)) + 2))
    for first, last in pairwise(ends):
        own_rows, own_columns = rows[order[first:last]], columns[order[first:last]]
        top, left = int(own_rows.min()), int(own_columns.min())
        inside = np.zeros((int(own_rows.max()) - top + 1, int(own_columns.max()) - left + 1), bool)
        inside[own_rows - top, own_columns - left] = True
        rings = [[(x + left, y + top) for x, y in ring] for ring in outline(inside)]
        yield {"type": "Polygon", "coordinates": rings}
