"""What is done with a mask's pieces: small ones vanish, holes are filled, the largest is chosen."""

import numpy as np
from numpy.typing import NDArray

from bmis.config import PostProcessing
from bmis.predict.objects import find_runs


def clean(labels: NDArray[np.uint8], rules: PostProcessing) -> NDArray[np.uint8]:
    """Apply the rules on pieces to a mask, class by class, in the order of ``PostProcessing``.

    Args:
        labels: (H, W), 0 is the background.
        rules: Its threshold and its flips play no part here.

    Returns:
        (H, W); the labels themselves where no rule is on.

    Example:
        >>> labels = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 0]], np.uint8)
        >>> clean(labels, PostProcessing(largest_piece=True, fill_holes=True))
        array([[1, 1, 1, 0, 0],
               [1, 1, 1, 0, 0],
               [1, 1, 1, 0, 0]], dtype=uint8)
    """
    least = rules.smallest_size * labels.size
    if least <= 1 and not rules.fill_holes and not rules.largest_piece:
        return labels
    labels = labels.copy()
    classes = range(1, int(labels.max()) + 1)
    if least > 1:
        for index in classes:
            _remove(labels, index, least)
    if rules.fill_holes:
        _fill_holes(labels)
    if rules.largest_piece:
        for index in classes:
            _remove(labels, index, None)
    return labels


def _remove(labels: NDArray[np.uint8], index: int, least: float | None) -> None:
    """Make background of a class's pieces of fewer pixels, or of all but the largest, in place."""
    runs = find_runs(labels == index)
    sizes = runs.sizes()
    if least is not None:
        gone = sizes < least
    else:
        gone = np.arange(len(sizes)) != sizes.argmax() if len(sizes) else np.zeros(0, np.bool_)
    if gone.any():
        np.copyto(labels, 0, where=runs.paint(gone, labels.shape))


def _fill_holes(labels: NDArray[np.uint8]) -> None:
    """Give background that one class surrounds to that class, in place.

    Pixels of the background touch by their sides alone, as those of objects by their corners too.
    """
    height, width = labels.shape
    runs = find_runs(labels == 0, corners=False)
    at_border = (runs.rows == 0) | (runs.rows == height - 1)
    at_border |= (runs.starts == 0) | (runs.stops == width)
    count = len(runs.sizes())
    is_open = np.zeros(count, np.bool_)
    is_open[runs.numbers[at_border]] = True
    rows, columns, found = runs.pixels(~is_open)
    low, high = np.full(count, 255, np.uint8), np.zeros(count, np.uint8)
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        around = labels[rows + down, columns + right]
        known = around > 0
        np.minimum.at(low, found[known], around[known])
        np.maximum.at(high, found[known], around[known])
    filled = (low == high)[found]
    labels[rows[filled], columns[filled]] = low[found[filled]]
