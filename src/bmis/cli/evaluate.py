"""How the answer of the command ``evaluate`` is printed."""

from rich.table import Table

from bmis.evaluate.scores import Scores
from bmis.metrics import DISTANCES, METRICS


def render(scores: Scores) -> Table:
    """The scores as a table for the terminal; the mean of each class where there are several."""
    summary, foreground = scores.summary, scores.classes[1:]
    counts = [f"{n} {word.replace('_', ' ')}" for word, n in summary["outcomes"].items() if n]
    known = f"{scores.fields_of_view} of {len(scores.cases)} images"
    inside = f"\n{known} counted inside their field of view"
    table = Table(
        title=f"{scores.model} on {scores.data.name}, {scores.split}: {len(scores.cases)} images",
        caption=f"foreground {', '.join(counts)}\nhd95 and assd in {scores.unit}, "
        f"nsd within {scores.tolerance:g} {scores.unit}{inside if scores.fields_of_view else ''}",
    )
    several = foreground if len(foreground) > 1 else ()
    for name in ("metric", "mean", "std", "95 % interval", "n", *several):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for metric in METRICS:
        row = summary["cases"][metric]
        digits = 2 if metric in DISTANCES else 4
        low_high = row["ci95"] and " to ".join(f"{side:.{digits}f}" for side in row["ci95"])
        of_classes = [summary["classes"][name][metric]["mean"] for name in several]
        numbers = [
            "-" if value is None else f"{value:.{digits}f}"
            for value in (row["mean"], row["std"], *of_classes)
        ]
        table.add_row(metric, *numbers[:2], low_high or "-", str(row["n"]), *numbers[2:])
    return table
