"""Values of any type as uint8: the greys that a network sees."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PERCENTILES = (0.1, 99.9)
_SAMPLE = 2**22  # pixels that the percentiles are taken from; more do not change them


def to_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring finite values to uint8: bytes are kept, bool becomes 0 and 255, the rest is stretched.

    Args:
        array: (H, W) or (H, W, C) of any type.

    Example:
        >>> to_bytes(np.array([[-1000.0, 1000.0]]))
        array([[  0, 255]], dtype=uint8)
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.ndim == 2 or array.shape[2] == 3:
        return _stretch(array)
    return np.stack([_stretch(array[..., at]) for at in range(array.shape[2])], axis=2)


def through_window(values: NDArray[Any], centre: float, width: float) -> NDArray[np.uint8]:
    """Greys (H, W) of which those up to ``centre - width / 2`` become black, as many above white.

    Example:
        >>> through_window(np.array([[-200, 40, 300]]), 40, 400)
        array([[  0, 128, 255]], dtype=uint8)
    """
    low, scale = centre - width / 2, 255 / width
    shown = (values.astype(np.float32) - np.float32(low)) * np.float32(scale)
    grey: NDArray[np.uint8] = np.rint(np.clip(shown, 0, 255)).astype(np.uint8)
    return grey


def _stretch(array: NDArray[Any]) -> NDArray[np.uint8]:
    step = max(1, int(np.sqrt(array.size / _SAMPLE)))
    low, high = np.percentile(array[::step, ::step].astype(np.float64), _PERCENTILES)
    if high <= low:  # nearly one value: fall back on the extremes
        low, high = float(array.min()), float(array.max())
    scale = 255.0 / (high - low) if high > low else 0.0
    bytes_ = np.empty(array.shape, np.uint8)
    for row, line in enumerate(array):  # row by row: no float copy of a large image
        bytes_[row] = np.rint(np.clip((line.astype(np.float64) - low) * scale, 0.0, 255.0))
    return bytes_
