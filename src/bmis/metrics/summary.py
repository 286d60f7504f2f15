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
        n: How many images have a value.
        undefined: How many have none.
        mean: Over the ``n`` images, each with the same weight; None without any.
        std: Sample standard deviation (divisor n - 1); None below two images.
        ci95: 95 % interval of the mean by Student's t, not cut at 0 or 1; None below two images.
    """

    n: int
    undefined: int
    mean: float | None
    std: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDifference:
    """Two methods on the same images.

    Attributes:
        n: How many images.
        mean: Mean of first minus second.
        ci95: 95 % interval of that mean by Student's t; None below two images.
        p: Wilcoxon's signed-rank test, two-sided, ties at zero dropped; 1 where all are equal.
    """

    n: int
    mean: float
    ci95: tuple[float, float] | None
    p: float


def summarise(values: Iterable[float | None]) -> Summary:
    """Mean, standard deviation and 95 % interval of one metric; None counts as undefined."""
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
    """Everything that is said about a set of images, as plain values for JSON.

    Args:
        cases: The images' scores; at least one.
        classes: Names of all classes, background first.

    Returns:
        ``cases``: each metric over the images' own means; ``cases_with_foreground``: likewise over
        the images whose truth holds foreground; ``classes``: each metric per foreground class over
        the images; ``outcomes`` and ``class_states``: how often each state came.
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
    """Compare two methods image by image: the values of one metric by case id.

    Args:
        first: Of one method; None where the metric does not exist.
        second: Of the other, taken off the first's.

    Raises:
        DataError: Other ids in one than in the other; a value that only one of them lacks (then
            the images compared would depend on the answers); no values at all.
        MissingExtraError: scipy is not installed.
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
            entry["ci95"] = list(entry["ci95"])  # as JSON gives it back
    return table


def _count(words: Iterable[str], every: Sequence[str]) -> dict[str, int]:
    counts = Counter(words)
    return {word: counts[word] for word in every}
