"""From logits to labels and probabilities."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def arg_max(planes: Iterable[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Choose the class with the largest logit at each pixel; among equals the first class.

    Args:
        planes: Logits (H, W) of one class after the other. A single class is compared with 0,
            which is where its sigmoid is 0.5.

    Returns:
        Labels (H, W).

    Example:
        >>> arg_max(np.array([[[0.5, 2.0]], [[1.0, -1.0]]], np.float32)).tolist()
        [[1, 0]]
    """
    best: NDArray[np.float32] | None = None
    labels = np.empty((0, 0), np.uint8)
    index = 0
    for index, plane in enumerate(planes):
        if best is None:
            best, labels = plane.copy(), np.zeros(plane.shape, np.uint8)
            continue
        better = plane > best
        labels[better] = index
        np.copyto(best, plane, where=better)
    if best is not None and index == 0:  # a single class
        labels = (best > 0).astype(np.uint8)
    return labels


def class_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits (K, H, W) into probabilities: softmax over the classes, sigmoid for one class.

    The array of logits is overwritten.

    Example:
        >>> class_probabilities(np.array([[[0.0]], [[0.0]]], np.float32)).ravel().tolist()
        [0.5, 0.5]
    """
    if len(logits) == 1:
        return np.exp(-np.logaddexp(0, -logits))
    logits -= logits.max(0)
    np.exp(logits, out=logits)
    logits /= logits.sum(0)
    return logits
