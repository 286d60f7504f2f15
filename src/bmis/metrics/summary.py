"""From the scores of single images to means with their uncertainty."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bmis.errors import DataError
from bmis.metrics.case import DISTANCES, METRICS, CaseScore
from bmis.metrics.intervals import keep_in_range, student_interval

_UNDEFINED: Mapping[str, float | None] = dict.fromkeys(METRICS)


@dataclass(frozen=True)
class Summary:
    """One metric over many images.

    Attributes:
        n: Number of images with a value.
        undefined: Number of images without one.
        mean: Mean over the ``n`` images, each with the same weight; None if there are none.
        std: Sample standard deviation (divisor n - 1); None below two images.
        ci95: 95 % interval of the mean by Student's t, or where that would leave the range of the
            metric, see ``keep_in_range``; None below two images.

    Example:
        >>> summarise([0.7, 0.9, None])
        Summary(n=2, undefined=1, mean=0.8, std=0.141..., ci95=(0.001..., 0.999...))
    """

    n: int
    undefined: int
    mean: float | None
    std: float | None
    ci95: tuple[float, float] | None


def summarise(values: Iterable[float | None], *, highest: float = 1.0) -> Summary:
    """Mean, standard deviation and 95 % interval of one metric. None counts as undefined.

    Args:
        values: Scores from 0 to ``highest``.
        highest: Highest possible score; ``highest_value`` knows that of each metric.

    Raises:
        DataError: A value is not finite, or out of range.

    Example:
        >>> summarise([0.5, None, 1.0]).mean
        0.75
    """
    every = list(values)
    known = np.array([value for value in every if value is not None], dtype=np.float64)
    if not np.isfinite(known).all():
        raise DataError("a score is not finite; undefined scores are None, never NaN")
    if known.size and not 0 <= known.min() <= known.max() <= highest:
        odd = next(value for value in known.tolist() if not 0 <= value <= highest)
        raise DataError(f"a score of {odd:g} is not from 0 to {highest:g}")
    if known.size == 0:
        return Summary(0, len(every), None, None, None)
    mean, interval = float(known.mean()), student_interval(known)
    std = float(known.std(ddof=1)) if known.size > 1 else None
    if interval is not None:
        interval = keep_in_range(mean, interval, highest)
    return Summary(known.size, len(every) - known.size, mean, std, interval)


def highest_value(metric: str) -> float:
    """The highest possible value of a metric: 1, or infinity for a distance.

    Example:
        >>> highest_value("dice"), highest_value("hd95")
        (1.0, inf)
    """
    return math.inf if metric in DISTANCES else 1.0


def summarise_cases(cases: Sequence[CaseScore], classes: Sequence[str]) -> dict[str, Any]:
    """Summarise the scores of a set of images as plain values for JSON.

    Args:
        cases: Scores of the images, at least one.
        classes: Names of all classes, background first.

    Returns:
        ``cases`` summarises the means of the images for each metric, and ``cases_with_foreground``
        those of the images whose truth has foreground. Where every image is correctly empty there
        is no mean: nothing was measured. ``classes`` summarises each foreground class
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
    measured = any(case.outcome != "correctly_empty" for case in cases)
    names = dict(enumerate(classes[1:], start=1))
    return {
        "cases": _table(case.mean if measured else _UNDEFINED for case in cases),
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


def _table(rows: Iterable[Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    listed = list(rows)
    table = {
        name: asdict(summarise((row[name] for row in listed), highest=highest_value(name)))
        for name in METRICS
    }
    for entry in table.values():
        if entry["ci95"] is not None:
            entry["ci95"] = list(entry["ci95"])  # as it comes back from JSON
    return table


def _count(words: Iterable[str], every: Sequence[str]) -> dict[str, int]:
    counts = Counter(words)
    return {word: counts[word] for word in every}
