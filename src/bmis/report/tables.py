"""The tables of a report, before they become HTML, Markdown, LaTeX or CSV."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bmis.metrics import METRICS, Summary
from bmis.records import Record
from bmis.report.quantities import COSTS, QUALITY, SECONDS, Quantity, metrics
from bmis.report.results import Field, cost_median, plain
from bmis.report.rows import Line, score_lines
from bmis.report.statistics import Pair, Score

MISSING = "missing"


@dataclass(frozen=True)
class Value:
    """One field of a table.

    Attributes:
        text: As it is shown.
        number: What it is sorted by; None sorts last.
        spread: Standard deviation and interval as text, shown smaller.
        mark: "best", "second", "absent" (no value), "text" (a word) or "".
    """

    text: str
    number: float | None = None
    spread: tuple[str, ...] = ()
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        caption: What it shows.
        headings: One for each column, that of the rows' names first.
        rows: Name and values of each row.
        raw: Headings and rows of the CSV file: the same numbers, not rounded and in full.
        notes: Below it.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Value, ...]], ...]
    raw: tuple[tuple[object, ...], ...] = ()
    notes: tuple[str, ...] = ()


def main_table(lines: Sequence[Line], unit: str, caption: str, *, seeds: bool = True) -> Table:
    """Scores and costs side by side.

    Args:
        lines: The methods, in order.
        unit: Of distances.
        caption: Of the table.
        seeds: Whether the standard deviation over seeds is a column.
    """
    scores = score_lines(lines)
    scored = metrics(unit)
    columns = [_metric_column(quantity, lines) for quantity in scored]
    headings = [quantity.heading for quantity in scored]
    if seeds:
        columns.append([_seed_value(line) for line in lines])
        headings.append("Seed std (IoU)")
    columns += [_cost_column(quantity, lines) for quantity in COSTS]
    headings += [quantity.heading for quantity in COSTS]
    columns.append(score_column(lines, scores))
    headings.append("Quality-cost score")
    rows = tuple(
        (line.name, tuple(column[index] for column in columns)) for index, line in enumerate(lines)
    )
    notes = tuple(f"† {line.method}: {line.state}" for line in lines if line.state)
    raw = _raw(lines, scores)
    return Table(caption, ("Method", *headings), rows, raw, notes)


def _metric_column(quantity: Quantity, lines: Sequence[Line]) -> list[Value]:
    def value(line: Line) -> Value:
        summary = line.summary.get(quantity.key)
        if summary is None or summary.mean is None:
            return absent(line.state if not line.summary else "")
        parts = []
        if summary.std is not None:
            parts.append(f"±{quantity.show(summary.std)}")
        if summary.ci95 is not None:
            parts.append(f"[{', '.join(quantity.show(side) for side in summary.ci95)}]")
        return Value(quantity.show(summary.mean), summary.mean, tuple(parts))

    return mark_best([value(line) for line in lines], quantity, [line.complete for line in lines])


def absent(state: str = "") -> Value:
    """What stands where there is no value: "failed" if all that was run did, else "missing"."""
    return Value("failed" if state.startswith("failed") else MISSING, mark="absent")


def _seed_value(line: Line) -> Value:
    std = line.seed_std.get(QUALITY)
    return absent() if std is None else Value(f"{std:.4f}", std)


def _cost_column(quantity: Quantity, lines: Sequence[Line]) -> list[Value]:
    values = []
    for line in lines:
        cost = line.costs[quantity.key]
        values.append(absent() if cost is None else Value(quantity.show(cost), cost))
    return mark_best(values, quantity, [line.complete for line in lines])


def score_column(lines: Sequence[Line], scores: Mapping[str, Score]) -> list[Value]:
    """The quality-and-cost scores in hundredths, as U-Bench gives them."""
    found = (scores.get(line.method) for line in lines)
    values = [absent() if score is None else _score_value(score) for score in found]
    rising = Quantity("score", "", rising=True)
    return mark_best(values, rising, [True] * len(lines))


def _score_value(score: Score) -> Value:
    return Value(f"{100 * score.score:.1f}", score.score)


def ranking_table(
    lines: Sequence[Line],
    pairs: Sequence[Pair],
    ranks: Mapping[str, NDArray[np.int64]],
    scores: Mapping[str, Score],
) -> Table:
    """Ranks, significant wins and losses, and the terms of the quality-and-cost score."""
    rows = []
    for line in lines:
        if line.method not in ranks:
            continue
        mine = ranks[line.method]
        low, high = np.percentile(mine, (2.5, 97.5))
        beats, beaten = _wins(line.method, pairs)
        first = float((mine == 1).mean())
        middle = float(np.median(mine))
        rank = Value(f"{middle:g}", middle, (f"[{low:.0f}, {high:.0f}]",))
        values = [rank, Value(f"{100 * first:.0f} %", first)]
        values += [Value(str(beats), beats), Value(str(beaten), beaten)]
        score = scores.get(line.method)
        for term in ("quality", "parameters", "macs", "speed", "cost"):
            number = None if score is None else getattr(score, term)
            values.append(absent() if number is None else Value(f"{number:.2f}", number))
        values.append(absent() if score is None else _score_value(score))
        rows.append((line.name, tuple(values)))
    headings = ("Method", "Rank", "First in", "Better than", "Worse than", "Quality term",
                "Parameter term", "MACs term", "Speed term", "Cost term", "Score")  # fmt: skip
    return Table("Ranks by IoU, significant differences, quality-cost score", headings, tuple(rows))


def _wins(method: str, pairs: Sequence[Pair]) -> tuple[int, int]:
    """How many methods one is significantly better and worse than."""
    won = lost = 0
    for pair in pairs:
        if pair.significant and method in (pair.first, pair.second):
            better = pair.first if pair.mean > 0 else pair.second
            won, lost = won + (better == method), lost + (better != method)
    return won, lost


def costs_table(field: Field) -> Table:
    """What each network is and costs, over all its trials; training time for each data set."""
    quantities = [quantity for quantity in COSTS if quantity.key != SECONDS]
    columns = []
    for quantity in quantities:
        costs = [cost_median(_records(field, m), quantity.key) for m in field.methods]
        columns.append(_marked(costs, quantity))
    (seconds,) = (quantity for quantity in COSTS if quantity.key == SECONDS)
    for panel in field.panels:
        columns.append(_marked([panel.entries[m].costs[SECONDS] for m in field.methods], seconds))
    rows, raw = [], []
    for index, method in enumerate(field.methods):
        values = tuple(column[index] for column in columns)
        about = _about(_records(field, method))
        rows.append((method, (*(Value(text, mark="text") for text in about), *values)))
        raw.append((method, *about, *(value.number for value in values)))
    headings = ["Method", "Group", "Source", "Licence"]
    headings += [quantity.heading for quantity in quantities]
    headings += [f"Training on {panel.name} (s/epoch)" for panel in field.panels]
    keys = ["method", "group", "source", "licence", *(q.key for q in quantities)]
    keys += [f"{SECONDS}:{panel.name}" for panel in field.panels]
    caption = "Networks and their costs, medians over all trials"
    return Table(caption, tuple(headings), tuple(rows), (tuple(keys), *raw))


def _records(field: Field, method: str) -> list[Record]:
    return [record for record in field.records if record.trial.method == method]


def _marked(costs: Sequence[float | None], quantity: Quantity) -> list[Value]:
    values = [absent() if c is None else Value(quantity.show(c), c) for c in costs]
    return mark_best(values, quantity, [True] * len(values))


def _about(records: Sequence[Record]) -> list[str]:
    told = next((record.model for record in records if record.model), {})
    return [plain(told.get(key)) for key in ("group", "source", "licence")]


def lacks_table(field: Field) -> Table:
    """All trials without a result, and why."""
    rows = []
    for lack in field.lacks:
        trial = lack.trial
        fold = "" if trial.fold is None else plain(trial.fold)
        why = "was not run" if lack.reason is None else f"failed: {lack.reason}"
        texts = (trial.dataset, fold, str(trial.seed), why)
        rows.append((trial.method, tuple(Value(text, mark="text") for text in texts)))
    headings = ("Method", "Data set", "Fold", "Seed", "Why there is no result")
    return Table("Trials without a result; nothing is put in their place", headings, tuple(rows))


def mark_best(values: Sequence[Value], quantity: Quantity, counts: Iterable[bool]) -> list[Value]:
    """Mark the best value and the second best; equal ones share their place.

    Args:
        values: A column.
        quantity: Tells which way is better.
        counts: Whether each value takes part.
    """
    takes_part = list(counts)
    numbers = {
        value.number
        for value, counted in zip(values, takes_part, strict=True)
        if value.number is not None and counted
    }
    order = sorted(numbers, reverse=quantity.rising)
    if len(order) < 2:  # all are equal, or there is but one
        return list(values)
    marks = {order[0]: "best", order[1]: "second"}
    return [
        replace(value, mark=marks[value.number])
        if counted and value.number is not None and value.number in marks
        else value
        for value, counted in zip(values, takes_part, strict=True)
    ]


def _raw(lines: Sequence[Line], scores: Mapping[str, Score]) -> tuple[tuple[object, ...], ...]:
    """All numbers in full; an empty field where there is none."""
    parts: tuple[tuple[str, Callable[[Summary], object]], ...] = (
        ("", lambda s: s.mean),
        ("_std", lambda s: s.std),
        ("_ci95_low", lambda s: s.ci95 and s.ci95[0]),
        ("_ci95_high", lambda s: s.ci95 and s.ci95[1]),
        ("_n", lambda s: s.n),
    )
    headings = ["method", "state"]
    for metric in METRICS:
        headings += [f"{metric}{suffix}" for suffix, _ in parts] + [f"{metric}_seed_std"]
    headings += [quantity.key for quantity in COSTS] + ["quality_cost_score"]
    table: list[tuple[object, ...]] = [tuple(headings)]
    for line in lines:
        row: list[object] = [line.method, line.state or "complete"]
        for metric in METRICS:
            summary = line.summary.get(metric)
            row += [None if summary is None else get(summary) for _, get in parts]
            row.append(line.seed_std.get(metric))
        row += [line.costs[quantity.key] for quantity in COSTS]
        score = scores.get(line.method)
        row.append(None if score is None else score.score)
        table.append(tuple(row))
    return tuple(table)
