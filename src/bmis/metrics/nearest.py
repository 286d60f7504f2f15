"""The distance from each of many pixels to the nearest of many others: exact, with numpy alone.

Both sets are put into squares of 4 x 4 pixels, those into squares of 4 x 4 squares, and so on.
From the largest squares down, each square of the one set keeps those of the other that can hold
the nearest pixel of any of its own, as told by the distances of their centres. Of an outline that
leaves a few at each level, however long it is.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_MOST = 1 << 17  # pairs of squares looked at in one go: they stay in the processor's cache
_TOP = 4  # the image is at most so many of the largest squares high and wide
_SLACK = 1.0001  # for the last bits of roots and of centres in millimetres
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
    """How far each point of one set is from the nearest of the other.

    Args:
        points: (N, 2) rows and columns of pixels; N at least 1, none twice.
        others: (M, 2), likewise.
        spacing: Lengths of a step along rows and columns.

    Returns:
        (N,) of the points, and (M,) of the others, in the order given.
    """
    corner = np.minimum(points.min(0), others.min(0))
    points, others = points - corner, others - corner
    reach, depth = int(max(points.max(), others.max())), 1
    while reach >> 2 * depth >= _TOP:
        depth += 1
    ours, theirs = _Tree(points, depth, spacing), _Tree(others, depth, spacing)
    return _search(ours, theirs), _search(theirs, ours)


class _Tree:
    """The squares that are not empty, of side 4^L at level L; those of one parent stand together.

    Attributes:
        order: Which of the points as given the squares of level 0 are.
        centres: At each level (n,): of the squares, row + column i, in the unit of the spacing.
        firsts: At each level (n + 1,): where the children of the squares begin in the level below.
        reaches: At each level: how far a pixel can be from the centre of its square.
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
        squares: (n,) one after the other.
        counts: (n,) how many candidates each has, at least 1.
        which: (sum of counts,) the candidates of the first square, then those of the second, ...
    """

    squares: IntArray
    counts: IntArray
    which: IntArray


def _interleave(points: IntArray) -> NDArray[np.uint64]:
    """Bits of row and column in turn, (n, 2) -> (n,): the pixels of a square share the first."""
    bits = points.T.astype(np.uint64)
    for shift, mask in _SPREAD:
        bits = (bits | bits << np.uint64(shift)) & np.uint64(mask)
    interleaved: NDArray[np.uint64] = bits[0] << np.uint64(1) | bits[1]
    return interleaved


def _search(tree: _Tree, others: _Tree) -> FloatArray:
    """From the points of one tree to those of the other."""
    top = len(tree.centres) - 1
    every, theirs = np.arange(len(tree.centres[top])), np.arange(len(others.centres[top]))
    start = _Candidates(every, np.full(len(every), len(theirs)), np.tile(theirs, len(every)))
    found = np.empty(len(tree.order))
    found[tree.order] = np.sqrt(_squared(tree, others, top, start))
    return found


def _squared(tree: _Tree, others: _Tree, level: int, found: _Candidates) -> FloatArray:
    """Squared distances of all points in some squares of a level above 0."""
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
    # two pixels are at most two reaches nearer, or farther apart, than the centres of their squares
    limit = (np.sqrt(least) + _SLACK * 4 * tree.reaches[level]) ** 2
    keep = squared <= np.repeat(limit, below.counts)
    counts = np.add.reduceat(keep, starts, dtype=np.intp)
    return _squared(tree, others, level, _Candidates(below.squares, counts, below.which[keep]))


def _children(tree: _Tree, others: _Tree, level: int, found: _Candidates) -> _Candidates:
    """The children of the squares; their candidates are the children of the squares' own."""
    first, theirs = tree.firsts[level], others.firsts[level]
    children, widths = np.diff(first)[found.squares], np.diff(theirs)[found.which]
    which = _stretches(theirs[found.which], widths)
    total = np.add.reduceat(widths, _starts(found.counts))  # of each square
    counts = np.repeat(total, children)
    return _Candidates(
        _stretches(first[found.squares], children),
        counts,
        which[_stretches(np.repeat(_starts(total), children), counts)],
    )


def _cut(found: _Candidates, at: int) -> tuple[_Candidates, _Candidates]:
    """The first so many squares, and the others."""
    squares, counts, which = found
    end = int(counts[:at].sum())
    return (
        _Candidates(squares[:at], counts[:at], which[:end]),
        _Candidates(squares[at:], counts[at:], which[end:]),
    )


def _starts(counts: IntArray) -> IntArray:
    """Where each of some stretches begins that stand one after the other."""
    return np.cumsum(counts) - counts


def _stretches(begins: IntArray, counts: IntArray) -> IntArray:
    """Whole numbers from each beginning on, so many as counted, one stretch after the other."""
    numbers = np.repeat(begins - _starts(counts), counts)
    numbers += np.arange(len(numbers))
    return numbers
