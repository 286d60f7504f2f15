"""One row per method: its scores, its costs and what it lacks, on one data set or over all."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from bmis.errors import require
from bmis.metrics import DISTANCES, METRICS, Summary, highest_value, summarise
from bmis.report.quantities import COSTS, QUALITY, SCORE, SECONDS
from bmis.report.statistics import overall_summary, quality_cost_scores
from bmis.wording import counted

if TYPE_CHECKING:
    from pandas import DataFrame, Series

COMPLETE = "complete"
_COSTS = [quantity.key for quantity in COSTS]


def mean_over_seeds(images: "DataFrame") -> "DataFrame":
    """The value of each image of a data set: its mean over the seeds, undefined ones left out.

    Args:
        images: Rows of one data set; see ``results.Results``.

    Returns:
        One column per metric and one row per ``(method, id)``, in the order of ``images``.

    Example:
        >>> from pandas import DataFrame
        >>> rows = [("unet", "", seed, "a", *[iou] * 9) for seed, iou in enumerate((0.25, 0.75))]
        >>> images = DataFrame(rows, columns=["method", "fold", "seed", "id", *METRICS])
        >>> mean_over_seeds(images)["iou"].to_dict()
        {('unet', 'a'): 0.5}
    """
    pd = require("pandas", extra="train")
    if images.empty:
        return images[list(METRICS)]
    wide = images.pivot(index=["method", "id"], columns=["fold", "seed"], values=list(METRICS))
    known = {m: [row[~np.isnan(row)] for row in wide[m].to_numpy()] for m in METRICS}
    means = {m: [fmean(row) if row.size else math.nan for row in known[m]] for m in METRICS}
    order = pd.MultiIndex.from_frame(images[["method", "id"]].drop_duplicates())
    return pd.DataFrame(means, index=wide.index, columns=list(METRICS)).reindex(order)  # type: ignore[no-any-return]


def method_table(trials: "DataFrame", images: "DataFrame", means: "DataFrame") -> "DataFrame":
    """All methods on one data set, the best first, those without a mean last.

    Args:
        trials: Rows of the data set; see ``results.Results``.
        images: Rows of the data set.
        means: What ``mean_over_seeds`` makes of ``images``.

    Returns:
        One row per method with the columns of ``table-<data set>.csv``: ``method``, ``state``
        ("complete", or what is missing and why), for each metric ``<metric>``,
        ``<metric>_std``, ``<metric>_ci95_low``, ``<metric>_ci95_high``, ``<metric>_n`` and
        ``<metric>_seed_std``, each cost (the median over the trials), ``quality_cost_score``.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> (polyps,) = read_results(write_record(Path("results"), failed).parent).datasets
        >>> polyps.methods["state"].to_list()
        ['failed (out of memory)']
    """
    everything = set(images["id"])
    costs = trials.groupby("method")[_COSTS].median()
    rows = []
    for method in sorted(set(trials["method"])):
        mine = trials[trials["method"] == method]
        own = images[images["method"] == method]
        row: dict[str, Any] = {"method": method, "state": _state(mine)}
        for metric in METRICS:
            if everything and set(own["id"]) == everything:
                row |= _columns(metric, _summarise(metric, means.loc[method, metric]))
        rows.append({**row, **_seed_stds(mine, own), **costs.loc[method]})
    return _finished(rows)


def overall_table(
    tables: Sequence["DataFrame"], names: Sequence[str], *, one_unit: bool
) -> "DataFrame":
    """All methods over all data sets; no mean for a method that lacks a single trial.

    Args:
        tables: What ``method_table`` gives for each data set, with the same methods.
        names: Names of the data sets.
        one_unit: Whether distances have the same unit on all data sets; else they have no mean.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> (polyps,) = read_results(write_record(Path("results"), failed).parent).datasets
        >>> overall_table([polyps.methods], ["polyps"], one_unit=True)["state"].to_list()
        ['polyps: failed (out of memory)']
    """
    rows = []
    for method in sorted(tables[0]["method"]):
        mine = [table.set_index("method").loc[method] for table in tables]
        lacking = [f"{n}: {m['state']}" for n, m in zip(names, mine, strict=True)
                   if m["state"] != COMPLETE]  # fmt: skip
        row = {"method": method, "state": "; ".join(lacking) or COMPLETE, **_overall_costs(mine)}
        for metric in METRICS if not lacking else ():
            parts = [_summary(m, metric) for m in mine]
            summary = overall_summary(parts, highest=highest_value(metric))
            if metric in DISTANCES and not one_unit:
                summary = Summary(0, len(mine), None, None, None)
            row |= _columns(metric, summary)
        rows.append(row)
    return _finished(rows)


def _state(trials: "DataFrame") -> str:
    """What a method lacks and the first reason, in a few words."""
    reasons = trials["reason"][trials["status"] == "failed"].to_list()
    failed, missing = len(reasons), int((trials["status"] == "missing").sum())
    if not failed + missing:
        return COMPLETE
    why = f"failed ({reasons[0]})" if reasons else "failed"
    if len(trials) in (failed, missing):
        return why if failed else "missing"
    counts = ((failed, why), (missing, "missing"))
    words = [
        f"{count} of {counted(len(trials), 'trial')} {word}" for count, word in counts if count
    ]
    return ", ".join(words)


def _summarise(metric: str, values: "Series[float]") -> Summary:
    known = values.dropna().to_list()
    unknown = [None] * (len(values) - len(known))
    return summarise([*known, *unknown], highest=highest_value(metric))


def _columns(metric: str, summary: Summary) -> dict[str, float | None]:
    low, high = summary.ci95 or (None, None)
    return {
        metric: summary.mean,
        f"{metric}_std": summary.std,
        f"{metric}_ci95_low": low,
        f"{metric}_ci95_high": high,
        f"{metric}_n": summary.n,
    }


def _summary(row: "Series[Any]", metric: str) -> Summary:
    """What ``_columns`` was given, but for the number of undefined values."""
    mean, std, low, high = (
        None if math.isnan(value := row[f"{metric}{suffix}"]) else float(value)
        for suffix in ("", "_std", "_ci95_low", "_ci95_high")
    )
    interval = None if low is None or high is None else (low, high)
    return Summary(int(row[f"{metric}_n"]), 0, mean, std, interval)


def _seed_stds(trials: "DataFrame", images: "DataFrame") -> dict[str, float]:
    """Standard deviation over the seeds that have all folds, of their means over the images."""
    whole = [s for s, mine in trials.groupby("seed") if (mine["status"] == "done").all()]
    if len(whole) < 2:
        return {}
    tables = [mean_over_seeds(images[images["seed"] == seed]) for seed in whole]
    found = {}
    for metric in METRICS:
        means = [_summarise(metric, table[metric]).mean for table in tables]
        known = [mean for mean in means if mean is not None]
        found[f"{metric}_seed_std"] = stdev(known) if len(known) > 1 else math.nan
    return found


def _overall_costs(rows: Sequence["Series[Any]"]) -> dict[str, float]:
    """The median over data sets; of the seconds per epoch the mean, if all data sets have them."""
    costs = require("pandas", extra="train").DataFrame([row[_COSTS] for row in rows], dtype=float)
    seconds = costs[SECONDS.key]
    mean = fmean(seconds) if seconds.notna().all() else math.nan
    return {**costs.median(), SECONDS.key: mean}


def _finished(rows: Sequence[dict[str, Any]]) -> "DataFrame":
    """The rows as a table, best first, with the quality-and-cost scores."""
    suffixes = ("", "_std", "_ci95_low", "_ci95_high", "_n", "_seed_std")
    numbers = [f"{metric}{suffix}" for metric in METRICS for suffix in suffixes] + _COSTS
    table = require("pandas", extra="train").DataFrame(rows, columns=["method", "state", *numbers])
    table = table.astype(dict.fromkeys(numbers, "float64"))
    table = table.astype({f"{metric}_n": "Int64" for metric in METRICS})
    complete = table[table["state"] == COMPLETE].set_index("method")
    table[SCORE.key] = table["method"].map(quality_cost_scores(complete)["score"])
    return table.sort_values(  # type: ignore[no-any-return]
        [QUALITY, "method"], ascending=[False, True], ignore_index=True
    )
