"""Tests, ranks, Pareto fronts and scores; ``docs/reference/report.md`` gives every formula."""

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bmis.errors import DataError, require
from bmis.metrics import (
    PairedDifference,
    Summary,
    keep_in_range,
    paired_difference,
    student_quantile,
)

if TYPE_CHECKING:
    from pandas import DataFrame

ALPHA = 0.05
SAMPLES = 2000  # of the bootstrap: a share is then known to about 0.01
_LOW, _HIGH, _FLOOR = 10, 90, 0.05  # percentiles and floor of the score's terms, as in U-Bench
_PAIR = ("first", "second", "images", "mean_difference", "p", "p_holm", "agrees", "better")


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): adjusted p-values in the order of the given ones.

    Example:
        >>> holm([0.5, 0.01, 0.02])
        [0.5, 0.03, 0.04]
    """
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


def compare_pairs(quality: "DataFrame") -> "DataFrame":
    """Wilcoxon's signed-rank test of all pairs of methods, Holm-corrected.

    Args:
        quality: One row per image, one column per method; NaN where a value is undefined.

    Returns:
        One row per pair, with the columns of ``significance-<data set>.csv``: ``first`` and
        ``second`` (methods), ``images`` (their number), ``mean_difference`` (first minus second),
        ``p`` (two-sided), ``p_holm`` (corrected over all rows), ``agrees`` (whether the ranks
        point the same way as the mean; if not, the p-values say nothing of it) and ``better``
        (the better method at the level 0.05; "" where the two do not differ, or mean and ranks do
        not agree).

    Raises:
        DataError: A value that one method of a pair lacks; see ``metrics.paired_difference``.
        MissingExtraError: scipy is not installed.

    Example:
        >>> from pandas import DataFrame
        >>> iou = [0.5, 0.6, 0.7, 0.8, 0.9, 0.55, 0.65, 0.75]
        >>> quality = DataFrame({"bmis": iou, "unet": [value - 0.1 for value in iou]})
        >>> compare_pairs(quality)[["first", "second", "p_holm", "better"]].to_dict("records")
        [{'first': 'bmis', 'second': 'unet', 'p_holm': 0.0078125, 'better': 'bmis'}]
    """
    values = {
        str(name): {str(c): None if math.isnan(value) else value for c, value in column.items()}
        for name, column in quality.items()
    }
    rows = []
    for a, b in combinations(values, 2):
        try:
            test = paired_difference(values[a], values[b])
        except DataError as error:
            raise DataError(f"{a} and {b} cannot be compared: {error}") from error
        rows.append((a, b, test))
    adjusted = holm([test.p for *_, test in rows])
    found = [
        (a, b, test.n, test.mean, test.p, p, test.agrees, _better(a, b, test, p))
        for (a, b, test), p in zip(rows, adjusted, strict=True)
    ]
    return require("pandas", extra="train").DataFrame(found, columns=_PAIR)  # type: ignore[no-any-return]


def _better(first: str, second: str, test: PairedDifference, p: float) -> str:
    if p >= ALPHA or not test.agrees:
        return ""
    return first if test.mean > 0 else second


def bootstrap_ranks(quality: "DataFrame", *, samples: int = SAMPLES, seed: int = 0) -> "DataFrame":
    """Ranks by the mean over images drawn with replacement, the same images for all methods.

    Args:
        quality: As for ``compare_pairs``; images that lack a value are left out for all methods.
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        One row per sample, one column per method; 1 is best, equal means share the better rank.
        No columns where no image has all values.

    Example:
        >>> from pandas import DataFrame
        >>> quality = DataFrame({"bmis": [0.8, 0.9], "unet": [0.6, 0.7]})
        >>> bootstrap_ranks(quality, samples=3).to_dict("list")
        {'bmis': [1, 1, 1], 'unet': [2, 2, 2]}
    """
    frame = require("pandas", extra="train").DataFrame
    table = quality.dropna()
    count = len(table)
    if table.empty:
        return frame()  # type: ignore[no-any-return]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=samples)
    means = np.round(draws @ table.to_numpy() / count, 12)  # no order by rounding errors
    ranks = 1 + (means[:, None, :] > means[:, :, None]).sum(axis=2)
    return frame(ranks, columns=table.columns)  # type: ignore[no-any-return]


def rank_shares(ranks: "DataFrame") -> "DataFrame":
    """Share of the samples in which a method has each rank.

    Args:
        ranks: What ``bootstrap_ranks`` gives.

    Returns:
        One row per method, with the columns ``rank_1``, ``rank_2`` and so on up to
        the number of methods.

    Example:
        >>> from pandas import DataFrame
        >>> rank_shares(DataFrame({"bmis": [1, 1], "unet": [2, 2]})).loc["bmis"].to_dict()
        {'rank_1': 1.0, 'rank_2': 0.0}
    """
    count = ranks.shape[1]
    shares = {rank: (ranks == rank).sum() / len(ranks) for rank in range(1, count + 1)}
    frame = require("pandas", extra="train").DataFrame(shares, index=ranks.columns)
    return frame.add_prefix("rank_")  # type: ignore[no-any-return]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, quality) that no other point dominates, cheapest first.

    A point dominates another if it is at least as good in both and better in one.

    Example:
        >>> pareto_front([(3.0, 0.9), (1.0, 0.8), (2.0, 0.7)])
        [1, 0]
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    front: list[int] = []
    for index in order:
        cost, quality = points[index]
        if not front or quality > points[front[-1]][1] or (cost, quality) == points[front[-1]]:
            front.append(index)
    return front


def quality_cost_scores(methods: "DataFrame") -> "DataFrame":
    """The U-Score of U-Bench (arXiv:2510.07041), its percentiles taken over these methods.

    Args:
        methods: One row per method, with the columns ``iou``, ``parameters``, ``macs`` and
            ``images_per_second``; rows that lack a value get no score.

    Returns:
        The columns ``quality``, ``parameters``, ``macs``, ``speed`` (the terms), ``cost``
        (harmonic mean of the last three) and ``score`` (harmonic mean of ``quality`` and
        ``cost``), all from 0.05 to 1. No rows below three methods: the scale needs a range.

    Example:
        >>> from pandas import DataFrame
        >>> row = {"iou": 0.8, "parameters": 1e6, "macs": 1e9, "images_per_second": 50.0}
        >>> quality_cost_scores(DataFrame([row] * 3))["score"].to_list()
        [1.0, 1.0, 1.0]
    """
    pd = require("pandas", extra="train")
    methods = methods[["iou", "parameters", "macs", "images_per_second"]].dropna()
    names = ["quality", "parameters", "macs", "speed", "cost", "score"]
    if len(methods) < 3:
        return pd.DataFrame(columns=names, dtype="float64")  # type: ignore[no-any-return]
    q = _term(methods["iou"].to_list())
    p, m = (_term([-math.log(v) for v in methods[key]]) for key in ("parameters", "macs"))
    s = _term(methods["images_per_second"].to_list())
    cost = 3 / (1 / p + 1 / m + 1 / s)
    columns = (q, p, m, s, cost, 2 / (1 / q + 1 / cost))
    return pd.DataFrame(dict(zip(names, columns, strict=True)), index=methods.index)  # type: ignore[no-any-return]


def _term(values: Sequence[float]) -> NDArray[np.float64]:
    """Scaled from the 10th percentile at 0 to the 90th at 1, cut off there, at least 0.05."""
    given = np.asarray(values, dtype=np.float64)
    low, high = np.percentile(given, (_LOW, _HIGH))
    if high <= low:
        return np.where(given >= high, 1.0, _FLOOR)
    return np.clip((given - low) / (high - low), _FLOOR, 1.0)  # type: ignore[no-any-return]


def overall_summary(summaries: Sequence[Summary], *, highest: float = 1.0) -> Summary:
    """One metric over data sets, each with the same weight.

    Args:
        summaries: The metric on each data set.
        highest: Highest possible value of the metric.

    Returns:
        The mean of the means, their standard deviation over the data sets, and the mean's 95 %
        interval from the sampling of images (Welch and Satterthwaite, ``keep_in_range``). No mean
        where a data set has none.

    Example:
        >>> overall_summary([Summary(9, 0, mean, None, None) for mean in (0.5, 1.0)]).mean
        0.75
    """
    means = [summary.mean for summary in summaries if summary.mean is not None]
    if not means or len(means) < len(summaries):
        return Summary(len(means), len(summaries) - len(means), None, None, None)
    mean = fmean(means)
    spread = stdev(means) if len(means) > 1 else None
    if any(summary.std is None for summary in summaries):
        return Summary(len(means), 0, mean, spread, None)
    errors = [((s.std or 0.0) ** 2 / s.n, s.n - 1) for s in summaries]  # squared, with n - 1
    squared = sum(error for error, _ in errors)
    reach = 0.0
    if squared > 0:
        degrees_of_freedom = squared**2 / sum(error**2 / degrees for error, degrees in errors)
        reach = student_quantile(degrees_of_freedom) * math.sqrt(squared) / len(means)
    interval = keep_in_range(mean, (mean - reach, mean + reach), highest)
    return Summary(len(means), 0, mean, spread, interval)
