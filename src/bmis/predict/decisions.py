"""From logits to labels."""

import math
from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bmis.runtime.probabilities import class_probabilities

_SURE = 0.75  # probability of a class from which on it counts as sure


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


def unsure(logits: NDArray[np.float32], threshold: float = 0.5) -> NDArray[np.bool_]:
    """Where the chosen class is less likely than 3 to 1, which is mostly along the contours.

    Args:
        logits: (K, H, W).
        threshold: See ``arg_max``; for one class or two the odds are those against this.

    Returns:
        (H, W).

    Example:
        >>> unsure(np.array([[[0.0, 0.0]], [[1.0, 2.0]]], np.float32)).tolist()
        [[True, False]]
    """
    if len(logits) > 2:
        dim: NDArray[np.bool_] = class_probabilities(logits.copy()).max(0) < _SURE
        return dim
    odds = logits[0] if len(logits) == 1 else logits[1] - logits[0]
    close: NDArray[np.bool_] = np.abs(odds - log_odds(threshold)) < log_odds(_SURE)
    return close


def log_odds(probability: float) -> np.float32:
    """The logit of a probability between 0 and 1.

    Example:
        >>> log_odds(0.5)
        np.float32(0.0)
    """
    return np.float32(math.log(probability / (1 - probability)))
