"""``bmis compare``: train and score many networks alike."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from bmis.cli.console import answer, table, warn
from bmis.cli.options import add_json, add_plugins

if TYPE_CHECKING:
    from bmis.compare.run import Comparison
    from bmis.records import Record

HELP = "train and score many networks alike"
EXAMPLE = "DATA --methods light --out results"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command: those of ``CompareConfig``, and how to go about it.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> args = parser.parse_args(["polyps", "--methods", "light", "unet", "--out", "results"])
        >>> args.data, args.methods
        (['polyps'], ['light', 'unet'])
    """
    from bmis.cli.flags import add_flags
    from bmis.compare.settings import CompareConfig

    add_json(parser)
    add_flags(parser, CompareConfig, leave_out=["plugins"])
    add_plugins(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the records")
    parser.add_argument("--retry", action="store_true", help="run failed trials once more")
    parser.add_argument(
        "--measure-again", action="store_true", help="measure the costs of finished trials again"
    )
    parser.add_argument("--keep", type=Path, help="folder to keep the trained networks in")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="spread the trials over this machine, or over the Ray cluster at ADDRESS",
    )


def run(args: Namespace) -> int:
    """Run the trials that are missing, and show the scores of all.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["compare", "polyps", "--methods", "light", "--out", "results", "--folds", "3"])
        2
    """
    from bmis.cli.flags import settings_from
    from bmis.compare.run import compare_methods
    from bmis.compare.settings import CompareConfig

    done = compare_methods(
        settings_from(args, CompareConfig),
        out=args.out,
        retry=args.retry,
        ray=args.ray,
        keep=args.keep,
        measure_again=args.measure_again,
    )
    answer(args, _plain(done), render(done))
    for record in done.failed:
        warn(f"{record.trial} failed: {record.reason}")
    return 2 if done.failed else 0


def _plain(done: "Comparison") -> dict[str, Any]:
    records = [
        {**record.trial.to_dict(), "status": record.status, "reason": record.reason}
        for record in done.records
    ]
    return {"out": str(done.out), "ran": done.ran, "records": records}


def render(comparison: "Comparison") -> str:
    """A table for each data set as the terminal shows it; ``bmis report`` says more.

    Example:
        >>> from bmis.compare.run import Comparison
        >>> print(render(Comparison(Path("results"), (), 0)))
        next: bmis report results
    """
    records: dict[str, dict[str, list[Record]]] = {}
    for record in comparison.records:
        of_dataset = records.setdefault(record.trial.dataset, {})
        of_dataset.setdefault(record.trial.method, []).append(record)
    tables = [
        table(
            [[method, *_columns(trials)] for method, trials in methods.items()],
            "wrrrrrr",
            headers=("method", "trials", "failed", "IoU", "Dice", "parameters", "ms"),
            title=dataset,
        )
        for dataset, methods in records.items()
    ]
    return "\n\n".join([*tables, f"next: bmis report {comparison.out}"])


def _columns(records: "Sequence[Record]") -> list[str]:
    """Numbers of one method: means over its trials, and the costs of the first."""
    done = [record for record in records if record.status == "done"]
    counts = [str(len(records)), str(len(records) - len(done))]
    if not done:
        return [*counts, *["-"] * 4]
    costs = done[0].costs
    values = [
        [record.summary["cases"][metric]["mean"] for record in done] for metric in ("iou", "dice")
    ]
    scores = ["-" if None in means else f"{mean(means):.4f}" for means in values]
    return [*counts, *scores, f"{costs['parameters']:,}", f"{costs['latency_p50_ms']:.1f}"]
