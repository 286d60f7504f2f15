"""One line for each method: on one data set, or over all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from bmis.metrics import METRICS, Summary
from bmis.report.quantities import COSTS, QUALITY, SECONDS
from bmis.report.results import Entry, Field, Panel
from bmis.report.statistics import Score, overall, quality_cost_scores


@dataclass(frozen=True)
class Line:
    """What is known of one method.

    Attributes:
        method: Its name.
        state: What it lacks; "" for nothing.
        summary: For each metric its mean; empty where it has none.
        seed_std: For each metric the standard deviation over seeds.
        costs: By name; None where they are not known.
        complete: Whether it takes part in best and second best.
    """

    method: str
    state: str
    summary: Mapping[str, Summary]
    seed_std: Mapping[str, float | None]
    costs: Mapping[str, float | None]
    complete: bool

    @property
    def name(self) -> str:
        """Of the method, with a mark if it lacks something."""
        return f"{self.method} †" if self.state else self.method


def panel_lines(panel: Panel) -> list[Line]:
    """All methods on one data set, the best first, those without a mean last."""
    scored = panel.scored
    rest = [entry for entry in panel.entries.values() if entry not in scored]
    return [
        Line(e.method, e.state, e.summary, e.seed_std, e.costs, e.complete)
        for e in (*scored, *sorted(rest, key=lambda entry: entry.method))
    ]


def overall_lines(field: Field) -> list[Line]:
    """All methods over all data sets; no mean for a method that lacks a single trial."""
    lines = []
    for method in field.methods:
        entries = [panel.entries[method] for panel in field.panels]
        lacking = [
            f"{panel.name}: {e.state}"
            for panel, e in zip(field.panels, entries, strict=True)
            if e.state
        ]
        whole = not lacking
        lines.append(
            Line(
                method=method,
                state="; ".join(lacking),
                summary=_summaries(field, entries) if whole else {},
                seed_std={},
                costs=_overall_costs(entries),
                complete=whole,
            )
        )

    def order(line: Line) -> tuple[bool, float, str]:
        mean = line.summary[QUALITY].mean if line.summary else None
        return mean is None, -(mean or 0.0), line.method

    return sorted(lines, key=order)


def _summaries(field: Field, entries: Sequence[Entry]) -> dict[str, Summary]:
    found = {metric: overall([e.summary[metric] for e in entries]) for metric in METRICS}
    if len({panel.unit for panel in field.panels}) > 1:  # pixels and millimetres have no mean
        nothing = Summary(0, len(entries), None, None, None)
        found |= {"hd95": nothing, "assd": nothing}
    return found


def _overall_costs(entries: Sequence[Entry]) -> dict[str, float | None]:
    """Of the network: the median over data sets; of an epoch: the mean, if all data sets tell."""
    costs: dict[str, float | None] = {}
    for quantity in COSTS:
        told = [e.costs[quantity.key] for e in entries]
        known = [value for value in told if value is not None]
        if quantity.key == SECONDS:
            costs[quantity.key] = fmean(known) if len(known) == len(told) else None
        else:
            costs[quantity.key] = median(known) if known else None
    return costs


def score_lines(lines: Sequence[Line]) -> dict[str, Score]:
    """The quality-and-cost scores of the methods that are complete and tell their costs."""
    rows = {}
    for line in lines:
        costs = [line.costs[key] for key in ("parameters", "macs", "images_per_second")]
        mean = line.summary[QUALITY].mean if line.summary and line.complete else None
        if mean is not None and None not in costs:
            rows[line.method] = (mean, *(cost or 0.0 for cost in costs))
    return quality_cost_scores(rows)  # type: ignore[arg-type]
