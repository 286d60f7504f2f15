"""What a fit comes to: the winner, every candidate with the reason, and what more would bring."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bmis.config import Settings
from bmis.fit.contenders import Measurements, contenders
from bmis.fit.costs import Costed, overshoot
from bmis.fit.device import costs_in_words
from bmis.fit.facts import DataFacts
from bmis.fit.finish import BUNDLE, Finish, TestScores
from bmis.fit.plan import Plan
from bmis.fit.settings import FitConfig
from bmis.fit.trials import TrialResult, Trials
from bmis.report.statistics import pareto_front
from bmis.wording import counted, short

PAGE, RECORD = "report.html", "fit.json"
MORE_MS, MORE_MB = 5.0, 1.0
_FEWEST = 3  # points that a trend needs


@dataclass(frozen=True)
class Row(Settings):
    """One candidate and what became of it.

    Attributes:
        name: Network and size.
        ms: Milliseconds for one image by the fastest way within the budget; None if not known.
        mb: Megabytes of that bundle.
        way: Engine and precision.
        measured: Whether it was measured, and not predicted.
        iou: Validation IoU of its best trial; None if it was not trained.
        epochs: Epochs of that trial's longest training.
        verdict: What became of it.

    Example:
        >>> Row("unet at 224", 4.0, 0.5, "openvino int8", True, 0.8, 20, "winner").verdict
        'winner'
    """

    name: str
    ms: float | None
    mb: float | None
    way: str
    measured: bool
    iou: float | None
    epochs: int
    verdict: str


@dataclass(frozen=True)
class Fitted(Settings):
    """The result of ``fit_model``.

    Attributes:
        out: Folder of the fit.
        config: What was asked for.
        facts: What the data asked for.
        plan: What was planned, in one sentence.
        finish: The winner.
        test: Its scores on the test images.
        rows: Every candidate that was measured, the best first.
        candidates: How many were looked at, and how many of them are within the budget.
        latency_error: Median relative error of the milliseconds that were predicted before they
            were measured; None where nothing was.
        outlook: What more time or size would bring, in whole sentences.

    Example:
        >>> from bmis.fit.candidates import Candidate
        >>> from bmis.fit.device import WayCost
        >>> facts = DataFacts("polyps", {"train": 9, "val": 1, "test": 2}, 3, ("none", "polyp"),
        ...                   (64, 64), 0.3, "polyp", 0.1, "squash", (96,))
        >>> trial = TrialResult(0, "unet at 96", "default", 1.0, {"20": 0.8})
        >>> way = WayCost("openvino", "int8", 4.0, 0.5)
        >>> done = Finish(trial, Candidate("unet", {}, (96, 96)), 60, way, True, "run-0")
        >>> row = Row("unet at 96", 4.0, 0.5, "openvino int8", True, 0.8, 20, "winner")
        >>> config = FitConfig("polyps", max_ms=10)
        >>> found = Fitted("fit", config, facts, "1 trial", done, TestScores(0), (row,), (8, 3),
        ...                None, ())
        >>> print(found.in_words())
        unet at 96 is the best of 1 network that was trained within 10 ms: 4.00 ms (measured), ...
    """

    out: str
    config: FitConfig
    facts: DataFacts
    plan: str
    finish: Finish
    test: TestScores
    rows: tuple[Row, ...]
    candidates: tuple[int, int]
    latency_error: float | None
    outlook: tuple[str, ...]

    @property
    def bundle(self) -> Path:
        """The bundle of the winner."""
        return Path(self.out) / BUNDLE

    @property
    def page(self) -> Path:
        """The page for people."""
        return Path(self.out) / PAGE

    def in_words(self) -> str:
        """The result in one sentence."""
        way, config = self.finish.way, self.config
        size = f" and {config.max_mb:g} MB" if config.max_mb is not None else ""
        device = Path(config.device or "").name
        source = "measured" if self.finish.timed_anew else f"predicted for {device}"
        trained = sum(row.iou is not None for row in self.rows)
        verb = "was" if trained == 1 else "were"
        return (
            f"{self.finish.candidate.name} is the best of {counted(trained, 'network')} that "
            f"{verb} trained within {config.max_ms:g} ms{size}: {short(way.ms)} ms ({source}), "
            f"{short(way.mb or 0.0)} MB, by {way.name} on {counted(config.threads, 'thread')}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the paths of bundle and page among them."""
        return {**super().to_dict(), "bundle": str(self.bundle), "page": str(self.page)}


def make_rows(
    config: FitConfig,
    costed: Sequence[Costed],
    measurements: Measurements,
    plan: Plan,
    trials: Trials,
    finish: Finish,
) -> list[Row]:
    """A row for each candidate that was measured or took part, the winner first.

    Example:
        >>> plan = Plan((), (), 9, 1, 1.0)
        >>> make_rows(FitConfig("polyps", max_ms=9), [], Measurements(), plan, Trials(()), None)
        []
    """
    best = _best_of_each(trials)
    taking_part = {one.name for one in plan.contenders}
    rows = [_row(one.costed, best.get(one.name), finish, trials) for one in plan.contenders]
    rows += [
        _left_out(one, config, one.candidate.name in plan.too_slow)
        for one in costed
        if one.measured and one.candidate.name not in taking_part
    ]
    rows.sort(key=lambda row: (row.verdict != "winner", -row.epochs, -(row.iou or 0.0)))
    failed = (one for one in measurements.measured if one.error)
    rows += [
        Row(one.candidate.name, None, None, "", False, None, 0, f"left out: {one.error}")
        for one in failed
    ]
    return rows


def refused_rows(refused: Mapping[str, str]) -> Iterator[Row]:
    """A row for each network that cannot be a candidate.

    Args:
        refused: Why, by its name.

    Example:
        >>> [row.verdict for row in refused_rows({"mine": "takes 30x30 pixels only"})]
        ['left out: takes 30x30 pixels only']
    """
    for name, reason in refused.items():
        yield Row(name, None, None, "", False, None, 0, f"left out: {reason}")


def _best_of_each(trials: Trials) -> dict[str, TrialResult]:
    """The trial of each contender that was trained longest, the best of these."""
    found: dict[str, TrialResult] = {}
    for one in sorted(trials.trials, key=lambda one: (-one.epochs, -one.iou, one.number)):
        found.setdefault(one.contender, one)
    return found


def _row(costed: Costed, trial: TrialResult | None, finish: Finish, trials: Trials) -> Row:
    way, name = costed.ways[0], costed.candidate.name
    if name == finish.candidate.name:  # as it was exported and timed anew
        way = finish.way
    if trial is None or not trial.scores:
        why = "not tried: the search was over" if trial is None else f"failed: {trial.ended}"
        return Row(name, way.ms, way.mb, way.name, costed.measured, None, 0, why)
    return Row(
        name,
        way.ms,
        way.mb,
        way.name,
        costed.measured,
        trial.iou,
        trial.epochs,
        _verdict(trial, finish, trials),
    )


def _verdict(trial: TrialResult, finish: Finish, trials: Trials) -> str:
    if trial.contender == finish.candidate.name:
        return "winner"
    if trial.ended == "stopped":
        return f"stopped after {counted(trial.epochs, 'epoch')}: others were better"
    for refused in finish.refused:
        if refused.startswith(f"{trial.contender} by "):
            return f"refused: {refused.removeprefix(f'{trial.contender} ')}"
    less = 100 * (trials.best[0].iou - trial.iou)
    return f"{less:.1f} points of IoU less than the best"


def _left_out(one: Costed, config: FitConfig, slow: bool) -> Row:
    way = one.ways[0]
    over = overshoot(way, config)
    why = "its training would take too long" if slow else "another variant of it took part"
    if over > 1:
        why = f"over the budget: {short(over)} times what is allowed"
    return Row(one.candidate.name, way.ms, way.mb, way.name, True, None, 0, why)


def outlook(
    config: FitConfig, costed: Sequence[Costed], plan: Plan, trials: Trials
) -> Iterator[str]:
    """What 5 ms or 1 MB more would bring, as far as the search lets expect.

    Example:
        >>> plan = Plan((), (), 9, 1, 1.0)
        >>> list(outlook(FitConfig("polyps", max_ms=9), [], plan, Trials(())))
        ['With 5 ms more no other network could take part.']
    """
    wider = replace(config, max_ms=config.max_ms + MORE_MS)
    scored = {one.contender: one.iou for one in trials.best}
    points = [(one.costed, scored[one.name]) for one in plan.contenders if one.name in scored]
    yield _what_more("5 ms", config, wider, costed, trend([(c.ms, iou) for c, iou in points]))
    if config.max_mb is not None:
        wider = replace(config, max_mb=config.max_mb + MORE_MB)
        yield _what_more("1 MB", config, wider, costed, trend([(c.mb, iou) for c, iou in points]))


def _what_more(
    what: str,
    config: FitConfig,
    wider: FitConfig,
    costed: Sequence[Costed],
    slope: float | None,
) -> str:
    new = [one for one in contenders(costed, wider) if overshoot(one.ways[0], config) > 1]
    if not new:
        return f"With {what} more no other network could take part."
    one = max(new, key=lambda one: one.counted.work)
    how = "measured" if one.measured else "predicted"
    costs = costs_in_words(one.ways[0])
    text = f"With {what} more {one.candidate.name} could take part ({costs}, {how})."
    if slope is None:
        return f"{text} What it would bring cannot be said: too few networks were trained alike."
    more = wider.max_ms / config.max_ms
    if what.endswith("MB") and config.max_mb and wider.max_mb:
        more = wider.max_mb / config.max_mb
    gain = 100 * slope * math.log2(more)
    return (
        f"{text} In this search the IoU changed by {100 * slope:+.1f} points with each doubling, "
        f"which lets expect about {gain:+.1f} points. It was not measured."
    )


def trend(points: Sequence[tuple[float, float]]) -> float | None:
    """By how much the IoU of the best changes with each doubling of a cost.

    Only networks count that no cheaper one surpasses.

    Args:
        points: Cost and IoU of each network.

    Returns:
        None if fewer than three networks say so.

    Example:
        >>> round(trend([(1, 0.70), (2, 0.72), (4, 0.74)]), 3)
        0.02
    """
    known = [(math.log2(cost), iou) for cost, iou in points if cost > 0]
    front = [known[index] for index in pareto_front(known)]
    if len(front) < _FEWEST:
        return None
    costs, ious = np.array(front).T
    return float(np.polyfit(costs, ious, 1)[0])
