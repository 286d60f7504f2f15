"""How the answer of the command ``compare`` is printed."""

from statistics import mean

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bmis.compare.run import Comparison
from bmis.records import Record


def render(comparison: Comparison) -> Group:
    """A table for each data set; ``bmis report`` says more."""
    tables = {}
    lines: dict[tuple[str, str], list[Record]] = {}
    for record in comparison.records:
        lines.setdefault((record.trial.dataset, record.trial.method), []).append(record)
    for (dataset, method), records in lines.items():
        if dataset not in tables:
            tables[dataset] = _table(dataset)
        done = [record for record in records if record.status == "done"]
        numbers = ["-"] * 4
        if done:
            costs = done[0].costs
            means = [
                mean(record.summary["cases"][metric]["mean"] for record in done)
                for metric in ("iou", "dice")
            ]
            numbers = [f"{value:.4f}" for value in means]
            numbers += [f"{costs['parameters']:,}", f"{costs['latency_p50_ms']:.1f}"]
        failed = len(records) - len(done)
        tables[dataset].add_row(method, str(len(records)), str(failed), *numbers)
    return Group(*tables.values(), Text(f"next: bmis report {comparison.out}"))


def _table(dataset: str) -> Table:
    table = Table(title=Text(dataset))
    table.add_column("method")
    for name in ("trials", "failed", "IoU", "Dice", "parameters", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    return table
