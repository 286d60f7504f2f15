"""From logits to class probabilities and back."""

import numpy as np
from numpy.typing import NDArray

_LEAST = np.float32(1e-30)  # of a probability, whose logarithm must be finite


def class_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits (..., K, H, W) into probabilities: softmax over K classes, sigmoid for one.

    The array of logits is overwritten.

    Example:
        >>> class_probabilities(np.array([[[0.0]], [[0.0]]], np.float32)).ravel().tolist()
        [0.5, 0.5]
    """
    if logits.shape[-3] == 1:
        return np.exp(-np.logaddexp(0, -logits))
    logits -= logits.max(-3, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(-3, keepdims=True)
    return logits


def mean_logits(passes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Logits whose probabilities are the mean of those of several passes.

    Args:
        passes: Logits (N, K, H, W) of each pass.

    Example:
        >>> passes = [np.log(np.array([[[[p]], [[1 - p]]]], np.float32)) for p in (0.2, 0.6)]
        >>> [round(float(p), 3) for p in class_probabilities(mean_logits(passes)).ravel()]
        [0.4, 0.6]
    """
    single = passes[0].shape[1] == 1
    if single:  # as two classes, the logits of the first being 0
        passes = [np.concatenate([np.zeros_like(logits), logits], 1) for logits in passes]
    total = np.zeros(passes[0].shape, np.float32)
    for logits in passes:
        total += class_probabilities(logits.copy())
    logs: NDArray[np.float32] = np.log(np.maximum(total / len(passes), _LEAST))
    return logs[:, 1:] - logs[:, :1] if single else logs
