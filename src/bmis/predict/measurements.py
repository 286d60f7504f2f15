"""Measurements of a mask: area, place and longest diameter, in pixels and millimetres."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256  # corners compared with all others at a time
_PASSES = 6  # over all points, after which few are left
_NEIGHBOURS = slice(None, -2), slice(1, -1), slice(2, None)
_Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Measurement:
    """The measurements of one class in one mask.

    Pixels are squares: pixel (0, 0) reaches from 0 to 1 in both directions.

    Attributes:
        area_px: Number of pixels.
        area_mm2: Area in square millimetres, where the spacing is known.
        fraction: Share of the whole image, 0..1.
        box: (top, left, height, width) in pixels. This and all below are None where the class is
            absent.
        centroid: (row, column) of the mean pixel's centre. A single pixel (0, 0) gives (0.5, 0.5).
        diameter_px: Longest distance between two outer corners of the class's pixels (largest
            Feret diameter). A single pixel measures the square root of 2. All pieces of the class
            count together.
        diameter_mm: The longest distance in millimetres. It can lie between other corners than
            ``diameter_px`` where pixels are not square.

    Example:
        >>> measure(np.ones((3, 4), np.uint8), 1).diameter_px
        5.0
    """

    area_px: int
    area_mm2: float | None
    fraction: float
    box: tuple[int, int, int, int] | None
    centroid: tuple[float, float] | None
    diameter_px: float | None
    diameter_mm: float | None


def extent(some: NDArray[np.bool_]) -> tuple[int, int]:
    """Index of the first true value of (n,), and that behind the last one; one must be true.

    Example:
        >>> extent(np.array([False, True, True, False]))
        (1, 3)
    """
    return int(some.argmax()), len(some) - int(some[::-1].argmax())


def measure(
    labels: NDArray[np.uint8], class_index: int, spacing: tuple[float, float] | None = None
) -> Measurement:
    """Measure one class of a mask.

    Args:
        labels: (H, W), H and W at least 1.
        class_index: The label to look for.
        spacing: Millimetres per pixel, (down a column, along a row); None where unknown.

    Example:
        >>> labels = np.zeros((10, 10), np.uint8)
        >>> labels[2:5, 4:8] = 1
        >>> found = measure(labels, 1, spacing=(0.5, 0.5))
        >>> found.area_px, found.area_mm2, found.box
        (12, 3.0, (2, 4, 3, 4))
    """
    inside = labels == class_index
    area = int(np.count_nonzero(inside))
    area_mm2 = None if spacing is None else area * spacing[0] * spacing[1]
    if area == 0:
        return Measurement(0, area_mm2, 0.0, None, None, None, None)
    top, bottom = extent(inside.any(1))
    inside = inside[top:bottom]
    left, right = extent(inside.any(0))
    inside = inside[:, left:right]  # all else is slow for small pieces of large images
    row, column = (
        float(inside.sum(1 - axis) @ (np.arange(first, behind) + 0.5)) / area
        for axis, (first, behind) in enumerate(((top, bottom), (left, right)))
    )
    corners = _hull(inside)
    return Measurement(
        area_px=area,
        area_mm2=area_mm2,
        fraction=area / labels.size,
        box=(top, left, bottom - top, right - left),
        centroid=(row, column),
        diameter_px=_longest(corners),
        diameter_mm=None if spacing is None else _longest(corners * np.array(spacing)),
    )


def _hull(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Corners (n, 2) as (row, column) of the convex hull of all true pixels, edges included.

    Only the outermost pixel corners of each row can be corners of the hull. They come sorted, so
    one pass down each side is enough (Andrew's monotone chain).
    """
    rows = np.flatnonzero(inside.any(1))
    first = inside[rows].argmax(1)
    last = inside.shape[1] - inside[rows][:, ::-1].argmax(1)
    lines = np.repeat(rows, 2) + np.tile([0, 1], len(rows))  # upper and lower edge of each row
    left = _chain(*_thinned(lines, np.repeat(first, 2)))
    right = _chain(*_thinned(lines, -np.repeat(last, 2)))
    return np.array(left + [(row, -column) for row, column in right], np.float64)


def _thinned(rows: _Ints, columns: _Ints) -> tuple[_Ints, _Ints]:
    """The points without most of those that are no corners, because ``_chain`` is slow.

    A point that its two neighbours rule out is no corner of the hull of all points, so that all of
    them may go at once. Equal points are no exception: they lie within an upright edge.
    """
    for _ in range(_PASSES):
        a, b, c = ((rows[part], columns[part]) for part in _NEIGHBOURS)
        keep = np.concatenate([[True], ~_bends_in(a, b, c), [True]])
        rows, columns = rows[keep], columns[keep]
    return rows, columns


def _chain(rows: _Ints, columns: _Ints) -> list[tuple[int, int]]:
    """The leftmost corners of the hull from top to bottom; rows must come sorted."""
    chain: list[tuple[int, int]] = []
    for point in zip(rows.tolist(), columns.tolist(), strict=True):
        while len(chain) > 1 and _bends_in(chain[-2], chain[-1], point):
            chain.pop()
        chain.append(point)
    return chain


def _bends_in(a: Any, b: Any, c: Any) -> Any:
    """Whether b lies on the line from a down to c or on its right, and so is no corner.

    Each is a pair of row and column, of numbers or of arrays.
    """
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def _longest(points: NDArray[np.float64]) -> float:
    """Largest distance between two of the points (n, 2)."""
    best = 0.0
    for start in range(0, len(points), _BLOCK):
        apart = points[start : start + _BLOCK, None] - points[None]
        best = max(best, float(np.square(apart).sum(-1).max()))
    return math.sqrt(best)
