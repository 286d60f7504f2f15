"""Tests, ranks, fronts and scores; every formula stands in ``docs/reference/report.md``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from bmis.errors import DataError
from bmis.metrics import Summary, paired_difference, student_quantile
from bmis.report.results import Values

ALPHA = 0.05
SAMPLES = 2000  # of the bootstrap: a share is then known to about 0.01
_LOW, _HIGH, _FLOOR = 10, 90, 0.05  # percentiles and floor of the score's terms, as in U-Bench


@dataclass(frozen=True)
class Pair:
    """Two methods on the same images.

    Attributes:
        first: One method.
        second: The other.
        n: How many images.
        mean: Mean of first minus second.
        p: Wilcoxon's signed-rank test, two-sided.
        adjusted: ``p`` by Holm's correction over all pairs of the data set.
    """

    first: str
    second: str
    n: int
    mean: float
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        """Whether the methods differ at the level 0.05, all pairs taken together."""
        return self.adjusted < ALPHA and self.mean != 0


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction: adjusted p-values in the order of the given ones."""
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = highest
    return adjusted


def compare_pairs(values: Mapping[str, Values]) -> list[Pair]:
    """All pairs of methods, in the order given.

    Args:
        values: For each method the images' values, means over the seeds.

    Raises:
        DataError: See ``metrics.paired_difference``.
    """
    names = list(values)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    tests = []
    for a, b in pairs:
        try:
            tests.append(paired_difference(values[a], values[b]))
        except DataError as error:
            raise DataError(f"{a} and {b} cannot be compared: {error}") from error
    adjusted = holm([test.p for test in tests])
    return [
        Pair(a, b, test.n, test.mean, test.p, corrected)
        for (a, b), test, corrected in zip(pairs, tests, adjusted, strict=True)
    ]


def bootstrap_ranks(
    values: Mapping[str, Values], *, samples: int = SAMPLES, seed: int = 0
) -> dict[str, NDArray[np.int64]]:
    """Ranks by the mean over images drawn with replacement, the same images for all methods.

    Args:
        values: As for ``compare_pairs``; images that lack a value are left out for all.
        samples: How often is drawn.
        seed: Of the drawing.

    Returns:
        For each method (samples,) ranks; 1 is best, equal means share the better rank.
    """
    if not values:
        return {}
    first = next(iter(values.values()))
    ids = [case for case in first if all(table.get(case) is not None for table in values.values())]
    table = np.array([[column[case] for case in ids] for column in values.values()], np.float64)
    if not ids:
        return {}
    draws = np.random.default_rng(seed).multinomial(
        len(ids), np.full(len(ids), 1 / len(ids)), size=samples
    )
    means = np.round(draws @ table.T / len(ids), 12)  # (samples, methods); no order by rounding
    ranks = 1 + (means[:, None, :] > means[:, :, None]).sum(axis=2)
    return dict(zip(values, ranks.T, strict=True))


def rank_shares(ranks: NDArray[np.int64], methods: int) -> NDArray[np.float64]:
    """(methods,) share of the samples in which a method has rank 1, 2, ..."""
    return np.bincount(ranks, minlength=methods + 1)[1:] / ranks.size


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which (cost, quality) points no other is at least as good as in both and better in one."""
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    front: list[int] = []
    for index in order:
        cost, quality = points[index]
        if not front or quality > points[front[-1]][1] or (cost, quality) == points[front[-1]]:
            front.append(index)
    return front


@dataclass(frozen=True)
class Score:
    """The quality-and-cost score of one method; all numbers from 0.05 to 1.

    Attributes:
        quality: Term of the IoU.
        parameters: Term of the parameters.
        macs: Term of the MACs.
        speed: Term of the throughput.
        cost: Harmonic mean of the last three.
        score: Harmonic mean of ``quality`` and ``cost``.
    """

    quality: float
    parameters: float
    macs: float
    speed: float
    cost: float
    score: float


def quality_cost_scores(rows: Mapping[str, tuple[float, float, float, float]]) -> dict[str, Score]:
    """The U-Score of U-Bench (arXiv:2510.07041), its percentiles taken over these methods.

    Args:
        rows: For each method IoU, parameters, MACs and images per second.

    Returns:
        Nothing below three methods, since a scale needs a field.
    """
    if len(rows) < 3:
        return {}
    quality, parameters, macs, speed = zip(*rows.values(), strict=True)
    terms = (
        _term(quality),
        _term([-math.log(value) for value in parameters]),
        _term([-math.log(value) for value in macs]),
        _term(speed),
    )
    scores = {}
    for name, (q, p, m, s) in zip(rows, zip(*terms, strict=True), strict=True):
        cost = 3 / (1 / p + 1 / m + 1 / s)
        scores[name] = Score(q, p, m, s, cost, 2 / (1 / q + 1 / cost))
    return scores


def _term(values: Sequence[float]) -> list[float]:
    """Scaled from the 10th percentile at 0 to the 90th at 1, cut off there, at least 0.05."""
    low, high = np.percentile(values, (_LOW, _HIGH))
    if high <= low:
        return [1.0 if value >= high else _FLOOR for value in values]
    return [float(max(_FLOOR, min(1.0, (v - low) / (high - low)))) for v in values]


def overall(summaries: Sequence[Summary]) -> Summary:
    """Over data sets, each with the same weight.

    Args:
        summaries: One of each data set.

    Returns:
        The mean of the means, their standard deviation over the data sets, and the mean's 95 %
        interval from the sampling of images (Welch and Satterthwaite). No mean where a data set
        has none.
    """
    means = [summary.mean for summary in summaries if summary.mean is not None]
    if not means or len(means) < len(summaries):
        return Summary(len(means), len(summaries) - len(means), None, None, None)
    mean = fmean(means)
    spread = stdev(means) if len(means) > 1 else None
    if any(summary.std is None for summary in summaries):
        return Summary(len(means), 0, mean, spread, None)
    errors = [
        ((s.std or 0.0) ** 2 / s.n, s.n - 1) for s in summaries
    ]  # squared, degrees_of_freedom
    squared = sum(error for error, _ in errors)
    reach = 0.0
    if squared > 0:
        degrees_of_freedom = squared**2 / sum(error**2 / degrees for error, degrees in errors)
        reach = student_quantile(degrees_of_freedom) * math.sqrt(squared) / len(means)
    return Summary(len(means), 0, mean, spread, (mean - reach, mean + reach))
