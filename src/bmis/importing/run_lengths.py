"""Masks as lengths of runs (RLE), of COCO and of CVAT.

pycocotools reads them too, but gives what happens to lie in memory where the runs end early.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.errors import DataError

_WRONG = "has run lengths (RLE) that do not fill its {0} x {1} pixels; export it again"


def decode_runs(counts: Any, size: tuple[int, int], *, by_columns: bool) -> NDArray[np.bool_]:
    """Fill a mask by the lengths of its runs, the first of them background.

    Args:
        counts: Lengths in pixels.
        size: Height and width of the mask.
        by_columns: Whether the runs go down the columns, as those of COCO do.

    Raises:
        DataError: The runs do not fill the mask exactly.

    Example:
        >>> decode_runs([1, 2, 1], (2, 2), by_columns=True).tolist()
        [[False, True], [True, False]]
    """
    wrong = DataError(_WRONG.format(*size))
    if not isinstance(counts, Sequence) or not all(type(n) is int and n >= 0 for n in counts):
        raise wrong
    if sum(counts) != size[0] * size[1]:
        raise wrong
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(size, order="F" if by_columns else "C")


def encode_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of a mask down its columns, the first of them background, as in COCO.

    Args:
        mask: (H, W).

    Example:
        >>> encode_runs(np.array([[False, True], [True, False]]))
        [1, 2, 1]
        >>> encode_runs(np.ones((2, 2), bool))
        [0, 4]
    """
    flat = mask.ravel(order="F")
    turns = np.flatnonzero(np.diff(flat, prepend=False))
    lengths: list[int] = np.diff(turns, prepend=0, append=flat.size).tolist()
    return lengths


def unpack_counts(text: str) -> list[int]:
    """The lengths of runs that COCO packs into text.

    Each number has five bits a letter, the lowest first, and a sixth that says whether more
    follow. From the fourth on, numbers are differences to the last but one.

    Raises:
        DataError: The text ends inside a number, or holds other letters.

    Example:
        >>> unpack_counts("0453")
        [0, 4, 5, 7]
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise DataError("has packed run lengths (RLE) that are damaged; export it again")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # the sign
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError("has packed run lengths (RLE) that end early; export it again")
    return counts
