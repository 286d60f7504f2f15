"""How well an expected score tells the real one."""

from collections.abc import Sequence

import numpy as np


def auroc(values: Sequence[float], bad: Sequence[bool]) -> float | None:
    """How well low values tell the bad cases: the area under the ROC curve.

    Args:
        values: A number for each case.
        bad: Whether each case is bad.

    Returns:
        How often a bad case has a lower value than a good one, equal ones counting half; 0.5 is
        chance. None where all cases are of one kind.

    Example:
        >>> auroc([0.2, 0.9, 0.4], [True, False, False])
        1.0
    """
    numbers, is_bad = np.asarray(values, np.float64), np.asarray(bad, np.bool_)
    low, high = numbers[is_bad], numbers[~is_bad]
    if not low.size or not high.size:
        return None
    apart = np.sign(high[None] - low[:, None])
    return float((apart.mean() + 1) / 2)


def error_in_tenths(expected: Sequence[float], real: Sequence[float]) -> tuple[float, ...]:
    """Mean expected less mean real score in each tenth of the cases, by the expected score.

    Args:
        expected: The expected score of each case, one or more.
        real: The real score of each case.

    Returns:
        Differences of the tenths from the lowest expected scores to the highest; as many as there
        are cases where those are fewer than ten.

    Example:
        >>> [round(error, 2) for error in error_in_tenths([0.9, 0.5], [0.95, 0.3])]
        [0.2, -0.05]
    """
    pairs = np.array(sorted(zip(expected, real, strict=True)))
    parts = np.array_split(pairs, min(10, len(pairs)))
    return tuple(float((part[:, 0] - part[:, 1]).mean()) for part in parts)
