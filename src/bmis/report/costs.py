"""What each network is and costs, over all that was compared."""

from typing import TYPE_CHECKING

from bmis.errors import require
from bmis.report.quantities import COSTS, SECONDS
from bmis.report.results import Results, plain
from bmis.report.tables import Table
from bmis.report.values import Value, cost_column

if TYPE_CHECKING:
    from pandas import DataFrame

_ABOUT = {"group": "Group", "weights": "Starts from", "source": "Source", "licence": "Licence"}


def costs_frame(results: Results) -> "DataFrame":
    """What each network is and costs: medians over all trials, training time per data set.

    Returns:
        One row per method, with the columns of ``costs.csv``.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", costs={"macs": 1e9})
        >>> costs = costs_frame(read_results(write_record(Path("results"), failed).parent))
        >>> costs[["method", "macs"]].to_dict("records")
        [{'method': 'unet', 'macs': 1000000000.0}]
    """
    about = [_about(results, method) for method in results.methods]
    frame = require("pandas", extra="train").DataFrame(about, index=results.methods)
    keys = [quantity.key for quantity in COSTS if quantity is not SECONDS]
    frame = frame.join(results.trials.groupby("method")[keys].median())
    for dataset in results.datasets:
        seconds = dataset.methods.set_index("method")[SECONDS.key]
        frame[f"{SECONDS.key}:{dataset.name}"] = seconds
    return frame.rename_axis("method").reset_index()  # type: ignore[no-any-return]


def costs_table(costs: "DataFrame") -> Table:
    """The networks and their costs.

    Args:
        costs: What ``costs_frame`` gives.

    Example:
        >>> from pandas import DataFrame
        >>> costs = DataFrame({"method": ["unet"], "group": ["classic"], "macs": [5e10]})
        >>> [column[0].text for column in costs_table(costs).columns.values()]
        ['classic', '50.0']
    """
    known = {quantity.key: quantity for quantity in COSTS}
    columns: dict[str, list[Value]] = {}
    for key in costs.columns[1:]:
        name, _, dataset = key.partition(":")
        if name in _ABOUT:
            columns[_ABOUT[name]] = [Value(text, mark="text") for text in costs[key]]
        else:
            heading = f"Training on {dataset} (s/epoch)" if dataset else known[name].heading
            columns[heading] = cost_column(costs[key], known[name], [True] * len(costs))
    caption = "Networks and their costs, medians over all trials"
    return Table(caption, list(costs["method"]), columns)


def _about(results: Results, method: str) -> dict[str, str]:
    """What the first record that knows it says of a network."""
    models = (r.model for r in results.records if r.trial.method == method and r.model)
    model = next(models, {})
    start = plain(model.get("weights", "none"))  # older records do not say
    about = {**model, "weights": "ImageNet" if start == "imagenet" else start}
    return {key: plain(about.get(key)) for key in _ABOUT}
