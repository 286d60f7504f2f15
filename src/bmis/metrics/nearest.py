"""The exact distance from each of many pixels to the nearest of many others, with numpy alone.

Own code, because the k-d tree of scipy would add 113 MB to an installation on a device.

Both sets are put into squares of 4 x 4 pixels, those into squares of 4 x 4 squares, and so on.
From the largest squares down, each square of one set keeps those of the other set that can hold
the nearest pixel of any of its own. The distances of the centres decide on that. For an outline
these are few at each level, however long it is.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_MOST = 1 << 17  # pairs of squares compared at a time, so that they stay in the processor's cache
_TOP = 4  # largest height and width of the image in squares of the top level
_SLACK = 1.0001  # allows for rounding of roots and of centres in millimetres
_SPREAD = (  # steps that put a zero before each bit of a number below 2^32
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def nearest_distances(
    points: IntArray, others: IntArray, spacing: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Measure how far each point of one set is from the nearest point of the other.

    Args:
        points: (N, 2) rows and columns of distinct pixels, N at least 1.
        others: (M, 2) rows and columns of distinct pixels, M at least 1.
        spacing: Length of a step along rows and along columns.

    Returns:
        Distances (N,) of the points and (M,) of the others, in the order of the arguments.

    Example:
        >>> points, others = np.array([[0, 0], [0, 9]]), np.array([[3, 4]])
        >>> nearest_distances(points, others, spacing=(1.0, 1.0))
        (array([5.        , 5.83095189]), array([5.]))
    """
    corner = np.minimum(points.min(0), others.min(0))
    points, others = points - corner, others - corner
    reach, depth = int(max(points.max(), others.max())), 1
    while reach >> 2 * depth >= _TOP:
        depth += 1
    ours, theirs = _Tree(points, depth, spacing), _Tree(others, depth, spacing)
    return _search(ours, theirs), _search(theirs, ours)


class _Tree:
    """The squares that are not empty, of side 4^L at level L, sorted by their parents.

    Attributes:
        order: Index of the point that each square of level 0 is.
        centres: For each level (n,) centres of the squares, row + column i, scaled by the spacing.
        firsts: For each level (n + 1,) index of the first child of each square in the level below.
        reaches: For each level the largest distance of a pixel from the centre of its square.
    """

    def __init__(self, points: IntArray, depth: int, spacing: tuple[float, float]) -> None:
        down, across = spacing
        codes = _interleave(points)
        self.order = np.argsort(codes)
        codes, places = codes[self.order], points[self.order].T
        self.centres = [places[0] * down + 1j * (places[1] * across)]
        self.firsts, self.reaches = [np.empty(0, np.intp)], [0.0]
        for level in range(1, depth + 1):
            codes = codes >> np.uint64(4)
            first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
            self.firsts.append(np.append(first, len(codes)))
            codes, places = codes[first], places[:, first] >> 2
            side = 4.0**level
            middle = places * side + (side - 1) / 2
            self.centres.append(middle[0] * down + 1j * (middle[1] * across))
            self.reaches.append(float(np.hypot(down, across)) * (side - 1) / 2)


class _Candidates(NamedTuple):
    """Squares of one tree at one level, and for each those of the other that may be the nearest.

    Attributes:
        squares: (n,) indices of the squares.
        counts: (n,) number of candidates of each square, at least 1.
        which: (sum of counts,) candidates of the first square, then those of the second, ...
    """

    squares: IntArray
    counts: IntArray
    which: IntArray


def _interleave(points: IntArray) -> NDArray[np.uint64]:
    """Bits of row and column alternating, (n, 2) -> (n,): pixels of a square share the first."""
    bits = points.T.astype(np.uint64)
    for shift, mask in _SPREAD:
        bits = (bits | bits << np.uint64(shift)) & np.uint64(mask)
    interleaved: NDArray[np.uint64] = bits[0] << np.uint64(1) | bits[1]
    return interleaved


def _search(tree: _Tree, others: _Tree) -> FloatArray:
    """Distance from each point of one tree to the nearest of the other."""
    top = len(tree.centres) - 1
    every, theirs = np.arange(len(tree.centres[top])), np.arange(len(others.centres[top]))
    start = _Candidates(every, np.full(len(every), len(theirs)), np.tile(theirs, len(every)))
    found = np.empty(len(tree.order))
    found[tree.order] = np.sqrt(_squared(tree, others, top, start))
    return found


def _squared(tree: _Tree, others: _Tree, level: int, found: _Candidates) -> FloatArray:
    """Squared distances of all points in the squares of a level above 0."""
    children = np.diff(tree.firsts[level])[found.squares]
    widths = np.diff(others.firsts[level])[found.which]
    pairs = np.cumsum(children * np.add.reduceat(widths, _starts(found.counts)))
    if pairs[-1] > _MOST and len(pairs) > 1:
        half = int(np.clip(np.searchsorted(pairs, pairs[-1] // 2), 1, len(pairs) - 1))
        return np.concatenate([_squared(tree, others, level, part) for part in _cut(found, half)])
    below = _children(tree, others, level, found)
    level -= 1
    apart = np.repeat(tree.centres[level][below.squares], below.counts)
    apart -= others.centres[level][below.which]
    squared = apart.real**2 + apart.imag**2
    starts = _starts(below.counts)
    least = np.minimum.reduceat(squared, starts)
    if level == 0:
        return least
    # the distance of two pixels differs from that of their squares' centres by two reaches at most
    limit = (np.sqrt(least) + _SLACK * 4 * tree.reaches[level]) ** 2
    keep = squared <= np.repeat(limit, below.counts)
    counts = np.add.reduceat(keep, starts, dtype=np.intp)
    return _squared(tree, others, level, _Candidates(below.squares, counts, below.which[keep]))


def _children(tree: _Tree, others: _Tree, level: int, found: _Candidates) -> _Candidates:
    """The children of the squares. Their candidates are the children of the candidates."""
    first, theirs = tree.firsts[level], others.firsts[level]
    children, widths = np.diff(first)[found.squares], np.diff(theirs)[found.which]
    which = _stretches(theirs[found.which], widths)
    total = np.add.reduceat(widths, _starts(found.counts))  # candidates of the children
    counts = np.repeat(total, children)
    return _Candidates(
        _stretches(first[found.squares], children),
        counts,
        which[_stretches(np.repeat(_starts(total), children), counts)],
    )


def _cut(found: _Candidates, at: int) -> tuple[_Candidates, _Candidates]:
    """The squares before a position, and the others."""
    squares, counts, which = found
    end = int(counts[:at].sum())
    return (
        _Candidates(squares[:at], counts[:at], which[:end]),
        _Candidates(squares[at:], counts[at:], which[end:]),
    )


def _starts(counts: IntArray) -> IntArray:
    """Where each stretch begins if they follow each other."""
    return np.cumsum(counts) - counts


def _stretches(begins: IntArray, counts: IntArray) -> IntArray:
    """For each stretch ``count`` consecutive numbers from its beginning on, all in one array."""
    numbers = np.repeat(begins - _starts(counts), counts)
    numbers += np.arange(len(numbers))
    return numbers
