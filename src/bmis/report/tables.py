"""The tables of a report as they are shown, before they become HTML, Markdown or LaTeX."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bmis.report.methods import COMPLETE
from bmis.report.quantities import COSTS, QUALITY, SCORE, Quantity, metrics
from bmis.report.statistics import ALPHA, quality_cost_scores
from bmis.report.values import Value, absent_value, cost_column, mark_best, number_value

if TYPE_CHECKING:
    from pandas import DataFrame

_TERMS = {
    "quality": "Quality term",
    "parameters": "Parameter term",
    "macs": "MACs term",
    "speed": "Speed term",
    "cost": "Cost term",
}


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        caption: What it shows.
        names: What each row begins with.
        columns: The values under each heading, one per row.
        notes: Sentences below it.
        first: Heading of the names.

    Example:
        >>> table = Table("Costs", ["unet"], {"Parameters (M)": [Value("34.5", 34.5e6)]})
        >>> table.headings
        ['Method', 'Parameters (M)']
    """

    caption: str
    names: Sequence[str]
    columns: Mapping[str, Sequence[Value]]
    notes: Sequence[str] = ()
    first: str = "Method"

    @property
    def headings(self) -> list[str]:
        """Headings of all columns, that of the names first."""
        return [self.first, *self.columns]

    @property
    def texts(self) -> list[bool]:
        """Whether each column is of words, that of the names first."""
        return [True, *(any(v.mark == "text" for v in some) for some in self.columns.values())]

    @property
    def rows(self) -> list[tuple[str, tuple[Value, ...]]]:
        """Name and values of each row."""
        return list(zip(self.names, zip(*self.columns.values(), strict=True), strict=True))


def main_table(methods: "DataFrame", unit: str, caption: str, *, seeds: bool = True) -> Table:
    """Scores and costs side by side.

    Args:
        methods: One row per method, in order; see ``methods.method_table``.
        unit: Unit of distances.
        caption: Caption of the table.
        seeds: Whether the standard deviation over seeds is a column.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> (polyps,) = read_results(write_record(Path("results"), failed).parent).datasets
        >>> main_table(polyps.methods, "px", "Polyps").notes
        ['† unet: failed (out of memory)']
    """
    rows = methods.to_dict("records")
    complete = [row["state"] == COMPLETE for row in rows]
    columns = {
        quantity.heading: mark_best([_score(row, quantity) for row in rows], quantity, complete)
        for quantity in metrics(unit)
    }
    if seeds:
        stds = (row[f"{QUALITY}_seed_std"] for row in rows)
        columns["Seed std (IoU)"] = [number_value(std, f"{std:.4f}") for std in stds]
    for quantity in COSTS:
        columns[quantity.heading] = cost_column(methods[quantity.key], quantity, complete)
    columns[SCORE.heading] = _hundredths(methods[SCORE.key])
    notes = [f"† {row['method']}: {row['state']}" for row in rows if row["state"] != COMPLETE]
    return Table(caption, marked_names(methods), columns, notes)


def marked_names(methods: "DataFrame") -> list[str]:
    """Names of the methods, those that lack a trial with a mark.

    Example:
        >>> from pandas import DataFrame
        >>> marked_names(DataFrame({"method": ["a", "b"], "state": ["complete", "missing"]}))
        ['a', 'b †']
    """
    states = zip(methods["method"], methods["state"], strict=True)
    return [name if state == COMPLETE else f"{name} †" for name, state in states]


def ranking_table(methods: "DataFrame", pairs: "DataFrame", ranks: "DataFrame") -> Table:
    """Ranks, significant wins and losses, and the terms of the quality-and-cost score.

    Args:
        methods: One row per method, in order; see ``methods.method_table``.
        pairs: What ``statistics.compare_pairs`` gives.
        ranks: What ``statistics.bootstrap_ranks`` gives.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> from bmis.report.statistics import bootstrap_ranks, compare_pairs
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> (polyps,) = read_results(write_record(Path("results"), failed).parent).datasets
        >>> pairs, ranks = compare_pairs(polyps.quality), bootstrap_ranks(polyps.quality)
        >>> ranking_table(polyps.methods, pairs, ranks).names
        []
    """
    shown = methods[methods["method"].isin(list(ranks))]
    names = shown["method"]
    differ = pairs[pairs["better"] != ""]
    won = Counter(differ["better"])
    decided = Counter([*differ["first"], *differ["second"]])
    columns = {
        "Rank": [_rank(ranks[name]) for name in names],
        "First in": [_share(float((ranks[name] == 1).mean())) for name in names],
        "Better than": [_count(won[name]) for name in names],
        "Worse than": [_count(decided[name] - won[name]) for name in names],
    }
    complete = methods[methods["state"] == COMPLETE].set_index("method")
    scores = quality_cost_scores(complete).reindex(names)
    for term, heading in _TERMS.items():
        columns[heading] = [number_value(value, f"{value:.2f}") for value in scores[term]]
    columns["Score"] = [number_value(value, f"{100 * value:.1f}") for value in scores["score"]]
    caption = "Ranks by IoU, significant differences, quality-cost score"
    return Table(caption, marked_names(shown), columns, _disagreements(pairs))


def _disagreements(pairs: "DataFrame") -> list[str]:
    """Why nothing is said of pairs that the corrected test calls different."""
    odd = pairs[(pairs["p_holm"] < ALPHA) & ~pairs["agrees"].astype(bool)]
    return [
        f"{pair['first']} and {pair['second']}: p {pair['p_holm']:.2g}, but the ranks point the "
        f"other way than the mean difference ({pair['mean_difference']:+.3f}): one is better on "
        "more images, the other by more on fewer. Neither is called better."
        for pair in odd.to_dict("records")
    ]


def missing_table(trials: "DataFrame") -> Table:
    """All trials without a result, and why.

    Args:
        trials: See ``results.Results``.

    Example:
        >>> from pandas import DataFrame
        >>> row = {"dataset": "polyps", "method": "unet", "fold": "", "seed": 1}
        >>> table = missing_table(DataFrame([{**row, "status": "missing", "reason": ""}]))
        >>> table.columns["Why there is no result"][0].text
        'was not run'
    """
    lacking = trials[trials["status"] != "done"]
    rows = lacking.to_dict("records")
    texts = {
        "Data set": [row["dataset"] for row in rows],
        "Fold": [row["fold"] for row in rows],
        "Seed": [str(row["seed"]) for row in rows],
        "Why there is no result": [
            f"failed: {row['reason']}" if row["status"] == "failed" else "was not run"
            for row in rows
        ],
    }
    columns = {
        head: [Value(text, mark="text") for text in column] for head, column in texts.items()
    }
    caption = "Trials without a result; nothing is put in their place"
    return Table(caption, list(lacking["method"]), columns)


def _score(row: Mapping[Any, Any], quantity: Quantity) -> Value:
    mean, std, low, high = (
        row[f"{quantity.key}{suffix}"] for suffix in ("", "_std", "_ci95_low", "_ci95_high")
    )
    if math.isnan(mean):
        return absent_value(row["state"])
    spread = [] if math.isnan(std) else [f"±{quantity.show(std)}"]
    if not math.isnan(low):
        spread.append(f"[{quantity.show(low)}, {quantity.show(high)}]")
    return Value(quantity.show(mean), mean, tuple(spread))


def _hundredths(scores: Iterable[float]) -> list[Value]:
    """The quality-and-cost scores as U-Bench gives them."""
    values = [number_value(score, f"{100 * score:.1f}") for score in scores]
    return mark_best(values, SCORE, [True] * len(values))


def _rank(ranks: Any) -> Value:
    low, high = np.percentile(ranks, (2.5, 97.5))
    middle = float(np.median(ranks))
    return Value(f"{middle:g}", middle, (f"[{low:.0f}, {high:.0f}]",))


def _share(share: float) -> Value:
    return Value(f"{100 * share:.0f} %", share)


def _count(number: int) -> Value:
    return Value(str(number), number)
