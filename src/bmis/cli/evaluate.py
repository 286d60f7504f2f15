"""``bmis evaluate``: score a trained network."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bmis.cli.console import answer, say, say_failures, table
from bmis.cli.options import (
    MODEL,
    add_json,
    add_postprocessing,
    add_runtime,
    read_fold,
    runtime_options,
)
from bmis.wording import counted

if TYPE_CHECKING:
    from bmis.evaluate.robustness import Robustness
    from bmis.evaluate.scores import Scores

HELP = "score a trained network"
_SHOWING = "with foreground"  # the mean over the images that show some
_ASKED = ("data", "split", "fold", "out")  # options of both kinds of scores
EXAMPLE = "runs/polyps-bmis-default-seed0"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["lesion.bmis", "DATA"]).data
        'DATA'
    """
    add_json(parser)
    parser.add_argument("run", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        default=SUPPRESS,
        help="dataset folder (default: the run's own; a bundle has none)",
    )
    parser.add_argument("--data", help="dataset folder, by name")
    parser.add_argument(
        "--split", default="test", help="train, val, test or all (default: %(default)s)"
    )
    parser.add_argument(
        "--fold",
        type=read_fold,
        metavar="N|FILE",
        help="number of the fold, or a CSV file with id,split (default: the run's own)",
    )
    parser.add_argument(
        "--out", help="folder for the results (default: the run folder; lesion of lesion.bmis)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=2.0,
        metavar="X",
        help="tolerance of NSD in mm or pixels (default: 2)",
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="also on images with borders, turns, blur and more: 46 times as many images",
    )
    add_postprocessing(parser)
    add_runtime(parser)


def run(args: Namespace) -> int:
    """Score the network, show the scores, and say where the files are.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["evaluate", "run"])
        bmis on polyps, test: 2 images...
        cases.csv, metrics.json, masks.json and 2 overlays in run
        0
    """
    from bmis.cli.flags import changes_from
    from bmis.config import PostProcessing
    from bmis.evaluate.robustness import measure_robustness
    from bmis.evaluate.run import evaluate_model

    models, asked = [args.run, *args.others], {n: getattr(args, n) for n in _ASKED}
    asked["postprocessing"] = changes_from(args, PostProcessing)
    with runtime_options(args) as asked["options"]:
        scores = evaluate_model(models, **asked, tolerance=args.tolerance)
        found = measure_robustness(models, **asked) if args.robustness else None
    told, text = scores.to_dict(), render(scores)
    if found is not None:
        told |= {"robustness": found.to_dict()}
        text += "\n" + render_robustness(found)
        _write_page(found)
    answer(args, told, text)
    if not args.json:
        overlays = counted(len(scores.overlays), "overlay")
        say(f"cases.csv, metrics.json, masks.json and {overlays} in {scores.out}")
    return say_failures(scores.failed)


def _write_page(found: "Robustness") -> None:
    """Draw the changes of Dice as a page, where what draws it is installed."""
    from bmis.report.robustness import write_robustness_page
    from bmis.report.runs.live import only_warn

    with only_warn(f"{found.out}: the page of the changes is not drawn"):
        write_robustness_page(found.out)


def render(scores: "Scores") -> str:
    """The scores as a table for the terminal; the mean of each class where there are several.

    Example:
        >>> from bmis.evaluate.run import evaluate_model
        >>> print(render(evaluate_model("run")))
        bmis on polyps, test: 2 images
        metric...
    """
    from bmis.metrics import METRICS

    summary, foreground = scores.summary, scores.classes[1:]
    outcomes = dict(summary["outcomes"])
    empty = outcomes.pop("correctly_empty")
    counts = [f"{n} {word.replace('_', ' ')}" for word, n in outcomes.items() if n] or ["none"]
    apart = f"; correctly empty: {empty}" if empty else ""
    known = f"{scores.fields_of_view} of {counted(len(scores.cases), 'image')}"
    inside = f"\n{known} counted inside their field of view"
    several = foreground if len(foreground) > 1 else ()
    return table(
        [_row(summary, metric, several, empty=empty > 0) for metric in METRICS],
        "l" + "r" * (4 + (empty > 0) + len(several)),
        headers=(
            "metric",
            "mean",
            "std",
            "95 % interval",
            "n",
            *(_SHOWING,) * (empty > 0),
            *several,
        ),
        title=f"{scores.model} on {scores.data.name}, {scores.split}: "
        f"{counted(len(scores.cases), 'image')}",
        caption=f"foreground {', '.join(counts)}{apart}\nhd95 and assd in {scores.unit}, "
        f"nsd within {scores.tolerance:g} {scores.unit}{inside if scores.fields_of_view else ''}"
        f"{_describe_masks(scores)}",
    )


def _describe_masks(scores: "Scores") -> str:
    """What the masks are besides one network's own."""
    from bmis.config import PostProcessing

    rules = PostProcessing.from_dict(scores.asked["postprocessing"]).in_words()
    several = len(scores.asked["averaged_with"]) + 1
    mean = f"\nmean of {counted(several, 'network')}" if several > 1 else ""
    return mean + (f"\npost-processing: {rules}" if rules else "")


def _row(
    summary: Mapping[str, Any], metric: str, classes: Sequence[str], *, empty: bool
) -> list[str]:
    from bmis.metrics import DISTANCES

    row = summary["cases"][metric]
    digits = 2 if metric in DISTANCES else 4
    low_high = row["ci95"] and " to ".join(f"{side:.{digits}f}" for side in row["ci95"])
    shown = (summary["cases_with_foreground"][metric]["mean"],) * empty
    of_classes = [summary["classes"][name][metric]["mean"] for name in classes]
    numbers = [
        "-" if value is None else f"{value:.{digits}f}"
        for value in (row["mean"], row["std"], *shown, *of_classes)
    ]
    return [metric, *numbers[:2], low_high or "-", str(row["n"]), *numbers[2:]]


def render_robustness(found: "Robustness") -> str:
    """The worst perturbation of each kind as a table, the most harmful kind first.

    Example:
        >>> from bmis.evaluate.robustness import measure_robustness
        >>> print(render_robustness(measure_robustness("run")))
        on perturbed images: Dice...
    """
    clean = found.to_dict()["clean_dice"]
    return table(
        [
            [one.name, f"{one.change:+.3f}", _interval(one.ci95), f"{100 * one.lost:.0f} %"]
            for one in found.worst_of_each_kind()
        ],
        "lrrr",
        headers=("worst of its kind", "change", "95 % interval", "lose over 0.1"),
        title=f"on perturbed images: Dice minus {clean:.4f} of the images as they are",
        caption="all of them in robustness.html and robustness.csv",
    )


def _interval(ci95: tuple[float, float] | None) -> str:
    return "-" if ci95 is None else f"{ci95[0]:+.3f} to {ci95[1]:+.3f}"
