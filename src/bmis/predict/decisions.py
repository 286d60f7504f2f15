"""From logits to labels."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def arg_max(planes: Iterable[NDArray[np.float32]], threshold: float = 0.5) -> NDArray[np.uint8]:
    """Choose the class with the largest logit at each pixel; among equals the first class.

    Args:
        planes: Logits (H, W) of one class after the other. A single class is compared with 0,
            which is where its sigmoid is 0.5.
        threshold: For one class or two: probability above which a pixel is foreground.

    Returns:
        Labels (H, W).

    Example:
        >>> arg_max(np.array([[[0.5, 2.0]], [[1.0, -1.0]]], np.float32)).tolist()
        [[1, 0]]
        >>> arg_max(np.array([[[0.5, 2.0]], [[1.0, -1.0]]], np.float32), threshold=0.8).tolist()
        [[0, 0]]
    """
    best: NDArray[np.float32] | None = None
    shift = log_odds(threshold)
    labels = np.empty((0, 0), np.uint8)
    index = 0
    for index, plane in enumerate(planes):
        if best is None:
            best, labels = plane.copy(), np.zeros(plane.shape, np.uint8)
            continue
        better = plane > (best + shift if shift else best)
        labels[better] = index
        np.copyto(best, plane, where=better)
    if best is not None and index == 0:  # a single class
        labels = (best > shift).astype(np.uint8)
    return labels


def log_odds(probability: float) -> np.float32:
    """The logit of a probability between 0 and 1.

    Example:
        >>> log_odds(0.5)
        np.float32(0.0)
    """
    return np.float32(math.log(probability / (1 - probability)))
