"""Which class was taken for which, in pixels."""

import numpy as np
from numpy.typing import NDArray

from bmis.metrics.boundary import BoolArray


def count_confusion(
    prediction: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    num_classes: int,
    field_of_view: BoolArray | None = None,
) -> NDArray[np.int64]:
    """Count the pixels of one image by true and by predicted class.

    Args:
        prediction: (H, W) labels, 0 (background) to ``num_classes`` - 1.
        truth: (H, W) labels of the same range.
        num_classes: K, background included.
        field_of_view: (H, W) bool, true where pixels count. None counts all pixels.

    Returns:
        (K, K) counts; the row is the true class, the column the predicted one.

    Example:
        >>> truth = np.array([[0, 1, 1, 2]], np.uint8)
        >>> count_confusion(np.array([[0, 1, 2, 2]], np.uint8), truth, 3).tolist()
        [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    """
    pairs = truth.astype(np.int64) * num_classes + prediction
    if field_of_view is not None:
        pairs = pairs[field_of_view]
    counts = np.bincount(pairs.ravel(), minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)
