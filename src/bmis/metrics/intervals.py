"""95 % intervals of means: Student's t, and one that stays inside the range of a score."""

import math

import numpy as np
from numpy.typing import NDArray

from bmis.metrics.t_quantile import student_quantile


def student_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Mean plus and minus t(0.975, n - 1) standard errors; None below two values.

    Example:
        >>> student_interval(np.array([0.7, 0.9]))
        (-0.470..., 2.070...)
    """
    if values.size < 2:
        return None
    reach = student_quantile(values.size - 1) * float(values.std(ddof=1)) / math.sqrt(values.size)
    mean = float(values.mean())
    return mean - reach, mean + reach


def keep_in_range(
    mean: float, interval: tuple[float, float], highest: float = 1.0
) -> tuple[float, float]:
    """An interval of a mean that never leaves the range from 0 to ``highest``.

    One that stays inside is kept as it is. Any other becomes symmetric on another scale, with the
    same slope at the mean (delta method): that of the logit log(m / (1 - m)), or of log(m) where
    there is no highest value. Its ends come near those of the range and never pass them.

    Args:
        mean: Mean of scores in 0..``highest``.
        interval: Student's interval, symmetric about the mean.
        highest: Highest possible score: 1, or infinity.

    Example:
        >>> keep_in_range(0.75, (0.625, 0.875))
        (0.625, 0.875)
        >>> [round(side, 3) for side in keep_in_range(0.98, (0.94, 1.02))]
        [0.864, 0.997]
        >>> [round(side, 3) for side in keep_in_range(2.0, (-1.0, 5.0), highest=math.inf)]
        [0.446, 8.963]
    """
    low, high = interval
    if low >= 0 and high <= highest:
        return interval
    if not 0 < mean < highest:  # at the end of the range, up to the rounding of floats
        return mean, mean
    reach = (high - low) / 2
    if math.isinf(highest):
        factor = math.exp(min(reach / mean, 700.0))  # beyond it a float overflows
        return mean / factor, mean * factor
    share = mean / highest
    middle, scaled = math.log(share / (1 - share)), reach / (highest * share * (1 - share))
    return highest * _logistic(middle - scaled), highest * _logistic(middle + scaled)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))
