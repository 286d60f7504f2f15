"""From logits to labels."""

import math
from collections.abc import Iterable
from itertools import chain

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
    waiting = iter(planes)
    first, second, third = (next(waiting, None) for _ in range(3))
    assert first is not None  # a network has a class
    shift = log_odds(threshold)
    if second is None:
        return (first > shift).view(np.uint8)
    labels = (second > (first + shift if shift else first)).view(np.uint8)
    if third is None:  # most networks: no copy, no second pass
        return labels
    best = np.maximum(first, second)
    for index, plane in enumerate(chain([third], waiting), start=2):
        better = plane > best
        labels[better] = index
        np.copyto(best, plane, where=better)
    return labels


def log_odds(probability: float) -> np.float32:
    """The logit of a probability between 0 and 1.

    Example:
        >>> log_odds(0.5)
        np.float32(0.0)
    """
    return np.float32(math.log(probability / (1 - probability)))
