"""From the scores of single images to means with their uncertainty, and paired differences."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.errors import DataError, require
from bmis.metrics.case import METRICS, CaseScore
from bmis.metrics.t_quantile import student_quantile


@dataclass(frozen=True)
class Summary:
    """One metric over many images.

    Attributes:
        n: Number of images with a value.
        undefined: Number of images without one.
        mean: Mean over the ``n`` images, each with the same weight; None if there are none.
        std: Sample standard deviation (divisor n - 1); None below two images.
        ci95: 95 % interval of the mean by Student's t, not cut at 0 or 1; None below two images.

    Example:
        >>> summarise([0.7, 0.9, None])
        Summary(n=2, undefined=1, mean=0.8, std=0.141..., ci95=(-0.470..., 2.070...))
    """

    n: int
    undefined: int
    mean: float | None
    std: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDifference:
    """Two methods compared on the same images.

    Attributes:
        n: Number of images.
        mean: Mean of first minus second.
        ci95: 95 % interval of that mean by Student's t; None below two images.
        p: P-value of Wilcoxon's signed-rank test, two-sided, without equal pairs; 1 if all are
            equal.

    Example:
        >>> PairedDifference(n=20, mean=0.02, ci95=(0.01, 0.03), p=0.001).mean
        0.02
    """

    n: int
    mean: float
    ci95: tuple[float, float] | None
    p: float


def summarise(values: Iterable[float | None]) -> Summary:
    """Mean, standard deviation and 95 % interval of one metric. None counts as undefined.

    Raises:
        DataError: A value is not finite.

    Example:
        >>> summarise([0.5, None, 1.0]).mean
        0.75
    """
    every = list(values)
    known = np.array([value for value in every if value is not None], dtype=np.float64)
    if not np.isfinite(known).all():
        raise DataError("a score is not finite; undefined scores are None, never NaN")
    if known.size == 0:
        return Summary(0, len(every), None, None, None)
    std = float(known.std(ddof=1)) if known.size > 1 else None
    undefined = len(every) - known.size
    return Summary(known.size, undefined, float(known.mean()), std, _interval(known))


def summarise_cases(cases: Sequence[CaseScore], classes: Sequence[str]) -> dict[str, Any]:
    """Summarise the scores of a set of images as plain values for JSON.

    Args:
        cases: Scores of the images, at least one.
        classes: Names of all classes, background first.

    Returns:
        ``cases`` summarises the means of the images for each metric, and ``cases_with_foreground``
        those of the images whose truth has foreground. ``classes`` summarises each foreground class
        over the images. ``outcomes`` and ``class_states`` count states of images and classes.

    Example:
        >>> from bmis.metrics import score_case
        >>> truth = np.array([[0, 1, 1]])
        >>> scores = [score_case(truth, truth, 2), score_case(0 * truth, truth, 2)]
        >>> summary = summarise_cases(scores, ["background", "polyp"])
        >>> summary["cases"]["dice"]["mean"], summary["outcomes"]["missed"]
        (0.5, 1)
    """
    with_foreground = [case for case in cases if case.outcome in ("present", "missed")]
    names = dict(enumerate(classes[1:], start=1))
    return {
        "cases": _table(case.mean for case in cases),
        "cases_with_foreground": _table(case.mean for case in with_foreground),
        "classes": {
            name: _table(case.classes[index] for case in cases) for index, name in names.items()
        },
        "outcomes": _count(
            (case.outcome for case in cases),
            ("present", "missed", "false_alarm", "correctly_empty"),
        ),
        "class_states": {
            name: _count(
                (case.states[index] for case in cases),
                ("present", "missed", "false_alarm", "absent"),
            )
            for index, name in names.items()
        },
    }


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
        >>> round(result.mean, 3), result.n
        (0.1, 2)
    """
    if first.keys() != second.keys():
        odd = sorted(first.keys() ^ second.keys())
        raise DataError(f"{len(odd)} cases are in one of the two only, such as {odd[0]!r}")
    differences = []
    for case, a in first.items():
        b = second[case]
        if a is not None and b is not None:
            differences.append(a - b)
        elif a is not b:
            raise DataError(f"case {case!r} has a value in one of the two only; compare case means")
    if not differences:
        raise DataError("no case has a value in both; nothing to compare")
    values = np.array(differences, dtype=np.float64)
    p = 1.0
    if values.any():
        p = float(require("scipy.stats", extra="train").wilcoxon(values).pvalue)
    return PairedDifference(values.size, float(values.mean()), _interval(values), p)


def _interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    if values.size < 2:
        return None
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    reach = student_quantile(values.size - 1) * error
    mean = float(values.mean())
    return mean - reach, mean + reach


def _table(rows: Iterable[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    listed = list(rows)
    table = {name: asdict(summarise(row[name] for row in listed)) for name in METRICS}
    for entry in table.values():
        if entry["ci95"] is not None:
            entry["ci95"] = list(entry["ci95"])  # as it comes back from JSON
    return table


def _count(words: Iterable[str], every: Sequence[str]) -> dict[str, int]:
    counts = Counter(words)
    return {word: counts[word] for word in every}
