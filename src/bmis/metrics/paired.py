"""Two methods compared image by image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmis.errors import DataError, require
from bmis.metrics.intervals import student_interval
from bmis.wording import counted

_DIGITS = 9  # of a difference: what is smaller is the rounding of floats, and no order


@dataclass(frozen=True)
class PairedDifference:
    """Two methods compared on the same images.

    Attributes:
        n: Number of images.
        mean: Mean of first minus second.
        ci95: 95 % interval of that mean by Student's t; None below two images.
        p: P-value of Wilcoxon's signed-rank test, two-sided, without equal pairs; 1 if all are
            equal. Differences are rounded to nine decimals first, so that ties are ties.
        agrees: Whether the ranks point the same way as the mean. Where they do not (better by
            little on many images, worse by much on a few), ``p`` speaks of the ranks alone: it
            says nothing of the mean, and neither method may be called better.

    Example:
        >>> PairedDifference(n=20, mean=0.02, ci95=(0.01, 0.03), p=0.001).mean
        0.02
    """

    n: int
    mean: float
    ci95: tuple[float, float] | None
    p: float
    agrees: bool = True


def paired_difference(
    first: Mapping[str, float | None], second: Mapping[str, float | None]
) -> PairedDifference:
    """Compare two methods image by image by the values of one metric.

    Args:
        first: Values of the first method by case id; None where the metric is undefined.
        second: Values of the second method, which are subtracted from the first.

    Raises:
        DataError: The ids differ, there are no values, or a case has a value in only one of the
            two (then the choice of images would depend on the predictions).
        MissingExtraError: scipy is not installed.

    Example:
        >>> result = paired_difference({"a": 0.9, "b": 0.8}, {"a": 0.7, "b": 0.8})
        >>> round(result.mean, 3), result.n, result.agrees
        (0.1, 2, True)
    """
    values = _differences(first, second)
    mean, interval = float(values.mean()), student_interval(values)
    rounded = np.round(values, _DIGITS)
    if not rounded.any():
        return PairedDifference(values.size, mean, interval, p=1.0)
    stats = require("scipy.stats", extra="train")
    kept = rounded[rounded != 0]
    ranks = float(np.sign(kept) @ stats.rankdata(np.abs(kept)))
    agrees = ranks == 0 or np.sign(ranks) == np.sign(round(mean, _DIGITS))
    p = float(stats.wilcoxon(rounded).pvalue)
    return PairedDifference(values.size, mean, interval, p, bool(agrees))


def _differences(
    first: Mapping[str, float | None], second: Mapping[str, float | None]
) -> NDArray[np.float64]:
    """First minus second of every case that has both values."""
    if first.keys() != second.keys():
        odd = sorted(first.keys() ^ second.keys())
        raise DataError(f"{counted(len(odd), 'case')} in only one of the two, such as {odd[0]!r}")
    differences = []
    for case, a in first.items():
        b = second[case]
        if a is not None and b is not None:
            differences.append(a - b)
        elif a is not b:
            raise DataError(f"case {case!r} has a value in one of the two only; compare case means")
    if not differences:
        raise DataError("no case has a value in both; nothing to compare")
    return np.array(differences, dtype=np.float64)
