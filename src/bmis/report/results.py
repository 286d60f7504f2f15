"""The field of methods: from single records to each method's values on each data set.

How seeds and folds are combined stands in ``docs/reference/report.md``: an image's value is its
mean over the seeds; folds are pooled; nothing is said of a method that has not judged all images.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from bmis.errors import DataError
from bmis.metrics import METRICS, Summary, summarise
from bmis.records import Record, Trial, read_records, record_path
from bmis.report.quantities import COSTS, QUALITY, cost_of

Values = Mapping[str, float | None]  # of the images, by id


@dataclass(frozen=True)
class Lack:
    """A trial that has no result.

    Attributes:
        trial: Which one.
        reason: Why it failed; None where it was not run.
    """

    trial: Trial
    reason: str | None


@dataclass(frozen=True)
class Entry:
    """One method on one data set.

    Attributes:
        method: Its name.
        records: Of its trials that are done.
        lacks: Its trials that failed or were not run.
        trials: How many there should be.
        images: For each metric the images' values, means over the seeds. Empty unless each image
            was judged at least once.
        summary: For each metric its mean over the images; empty likewise.
        seed_std: For each metric the standard deviation over the seeds of their means; None below
            two whole seeds.
        costs: Each cost's median over the records that tell it.
    """

    method: str
    records: tuple[Record, ...]
    lacks: tuple[Lack, ...]
    trials: int
    images: Mapping[str, Values]
    summary: Mapping[str, Summary]
    seed_std: Values
    costs: Values

    @property
    def complete(self) -> bool:
        """Whether all of its trials are done."""
        return not self.lacks

    @property
    def scored(self) -> bool:
        """Whether it has a mean over all images."""
        return bool(self.summary)

    @property
    def state(self) -> str:
        """In a few words what is lacking and the first reason; "" for nothing."""
        if self.complete:
            return ""
        reasons = [lack.reason for lack in self.lacks if lack.reason is not None]
        failed, missing = len(reasons), len(self.lacks) - len(reasons)
        why = f" ({reasons[0]})" if reasons else ""
        if self.trials in (failed, missing):
            return f"failed{why}" if failed else "missing"
        counts = ((failed, f"failed{why}"), (missing, "missing"))
        words = [f"{count} of {self.trials} trials {word}" for count, word in counts if count]
        return ", ".join(words)

    def mean(self, metric: str = QUALITY) -> float | None:
        """Of one metric; None where there is none."""
        return self.summary[metric].mean if self.scored else None


@dataclass(frozen=True)
class Panel:
    """One data set.

    Attributes:
        name: Of the data set.
        slug: The name as files can bear it.
        entries: All methods of the comparison, by name.
        folds: That were run by anybody.
        seeds: Likewise.
        images: How many were judged.
        unit: Of distances, "px" or "mm".
    """

    name: str
    slug: str
    entries: Mapping[str, Entry]
    folds: tuple[int | str | None, ...]
    seeds: tuple[int, ...]
    images: int
    unit: str

    @property
    def scored(self) -> list[Entry]:
        """Methods that have a mean over all images, best first."""
        return ranked(self.entries.values())


@dataclass(frozen=True)
class Field:
    """All that was compared.

    Attributes:
        methods: Names, sorted.
        panels: One for each data set.
        records: All of them, failed ones too.
    """

    methods: tuple[str, ...]
    panels: tuple[Panel, ...]
    records: tuple[Record, ...]

    @property
    def lacks(self) -> list[Lack]:
        """All trials without a result."""
        return [k for panel in self.panels for e in panel.entries.values() for k in e.lacks]


def ranked(entries: Iterable[Entry]) -> list[Entry]:
    """Those with a mean, best first."""
    scored = [entry for entry in entries if entry.mean() is not None]
    return sorted(scored, key=lambda entry: (-(entry.mean() or 0.0), entry.method))


def read_field(results: Path) -> Field:
    """Read all records of a folder and bring them together.

    Raises:
        DataError: See ``read_records``; there is none; or one holds what is no value.
    """
    records = tuple(_tidy(record) for record in read_records(results))
    if not records:
        raise DataError(f"{results}: holds no records; run `bmis compare ... --out {results}`")
    methods = tuple(sorted({record.trial.method for record in records}))
    names = sorted({record.trial.dataset for record in records})
    panels = (_panel(n, methods, [r for r in records if r.trial.dataset == n]) for n in names)
    return Field(methods, tuple(panels), records)


def plain(value: Any) -> str:
    """Any value as one line of text that can be drawn: no control characters."""
    text = "" if value is None else str(value)
    return "".join("?" if unicodedata.category(c)[0] == "C" else c for c in text)


def _tidy(record: Record) -> Record:
    """The same with names that can be drawn."""
    trial = record.trial
    trial = replace(trial, dataset=plain(trial.dataset), method=plain(trial.method))
    reason = plain(record.reason or "no reason told") if record.status == "failed" else None
    return replace(record, trial=trial, reason=reason)


def _panel(name: str, methods: Sequence[str], records: Sequence[Record]) -> Panel:
    folds = {str(record.trial.fold): record.trial.fold for record in records}
    seeds = tuple(sorted({record.trial.seed for record in records}))
    done = [record for record in records if record.status == "done"]
    values = {record.trial: _values(record) for record in done}
    ids = _check_images(done, values)
    units = sorted({plain(record.data.get("unit", "px")) for record in done}) or ["px"]
    grid = [(fold, seed) for _, fold in sorted(folds.items()) for seed in seeds]
    by_trial = {record.trial: record for record in records}
    entries = {}
    for method in methods:
        trials = [Trial(name, method, fold, seed) for fold, seed in grid]
        entries[method] = _entry(method, trials, by_trial, values, ids)
    slug = record_path(Path(), Trial(name, "")).parent.name or "unnamed"
    order = tuple(fold for _, fold in sorted(folds.items()))
    return Panel(name, slug, entries, order, seeds, len(ids), "/".join(units))


def _entry(
    method: str,
    trials: Sequence[Trial],
    records: Mapping[Trial, Record],
    values: Mapping[Trial, Mapping[str, Values]],
    ids: set[str],
) -> Entry:
    mine = [records[trial] for trial in trials if trial in records]
    done = [record for record in mine if record.status == "done"]
    lacks = tuple(
        Lack(trial, records[trial].reason if trial in records else None)
        for trial in trials
        if trial not in values
    )
    tables = [values[record.trial] for record in done]
    judged = {case for table in tables for case in table[QUALITY]}
    whole = bool(judged) and judged == ids
    images = {m: _mean_by_image([t[m] for t in tables]) for m in METRICS} if whole else {}
    return Entry(
        method=method,
        records=tuple(done),
        lacks=lacks,
        trials=len(trials),
        images=images,
        summary={metric: summarise(images[metric].values()) for metric in images},
        seed_std={metric: _seed_std(metric, trials, values) for metric in METRICS},
        costs={quantity.key: cost_median(mine, quantity.key) for quantity in COSTS},
    )


def _mean_by_image(tables: Iterable[Values]) -> Values:
    found: dict[str, list[float]] = {}
    for table in tables:
        for case, value in table.items():
            known = found.setdefault(case, [])
            if value is not None:
                known.append(value)
    return {case: fmean(known) if known else None for case, known in found.items()}


def _seed_std(
    metric: str, trials: Sequence[Trial], values: Mapping[Trial, Mapping[str, Values]]
) -> float | None:
    """Over the seeds that have all folds, of their means over the pooled images."""
    means = []
    for seed in sorted({trial.seed for trial in trials}):
        mine = [trial for trial in trials if trial.seed == seed]
        if all(trial in values for trial in mine):
            images = _mean_by_image([values[trial][metric] for trial in mine])
            mean = summarise(images.values()).mean
            means += [] if mean is None else [mean]
    return stdev(means) if len(means) > 1 else None


def cost_median(records: Iterable[Record], key: str) -> float | None:
    """Of one cost over the records that tell it; None if none does."""
    told = [cost for record in records if (cost := cost_of(record, key)) is not None]
    return median(told) if told else None


def _values(record: Record) -> dict[str, dict[str, float | None]]:
    """For each metric the values by id, all of them checked: records may come from anywhere."""
    ids = record.cases.get("id", ())
    if not ids or len(set(map(plain, ids))) != len(ids):
        raise DataError(f"{record.trial}: its cases have no ids of their own; run the trial again")
    table: dict[str, dict[str, float | None]] = {}
    for metric in METRICS:
        column = record.cases.get(metric)
        if column is None or not all(_is_value(value) for value in column):
            raise DataError(
                f"{record.trial}: {metric!r} of its cases is missing or no list of finite numbers; "
                "delete the record, and `bmis compare` runs the trial again"
            )
        named = zip(map(plain, ids), column, strict=True)
        table[metric] = {case: None if v is None else float(v) for case, v in named}
    return table


def _is_value(value: Any) -> bool:
    if value is None:
        return True
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _check_images(
    records: Sequence[Record], values: Mapping[Trial, Mapping[str, Values]]
) -> set[str]:
    """All images of a data set; within a fold all trials must have judged the same."""
    first: dict[Any, tuple[Trial, set[str]]] = {}
    for record in records:
        judged = set(values[record.trial][QUALITY])
        trial, ids = first.setdefault(record.trial.fold, (record.trial, judged))
        if ids != judged:
            odd = sorted(ids ^ judged)[0]
            raise DataError(
                f"{trial} and {record.trial} judged different images, such as {odd!r}; "
                "run one of the trials again on the same images"
            )
    return {case for _, ids in first.values() for case in ids}
