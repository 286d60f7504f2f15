"""From scores to labels and probabilities."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def arg_max(planes: Iterable[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Scores (H, W) of one class after the other -> labels (H, W); the first of equals wins."""
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
    if best is not None and index == 0:  # a single class: its sigmoid above 0.5
        labels = (best > 0).astype(np.uint8)
    return labels


def class_probabilities(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the classes (K, H, W), sigmoid for one class; ``scores`` is overwritten."""
    if len(scores) == 1:
        return np.exp(-np.logaddexp(0, -scores))
    scores -= scores.max(0)
    np.exp(scores, out=scores)
    scores /= scores.sum(0)
    return scores
