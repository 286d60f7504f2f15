"""The page of a fit: winner and runners-up, cost against quality, example masks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.data.cases import Dataset
from bmis.errors import require
from bmis.fit.finish import TEST
from bmis.fit.result import Fitted, Row
from bmis.report.figures import scatter
from bmis.report.figures.style import Drawing, render
from bmis.report.page import render_template
from bmis.report.runs.cases import CaseGroup, draw_case_groups
from bmis.report.runs.scored import read_scored
from bmis.report.tables import Table
from bmis.report.values import Value
from bmis.system.environment import software_versions
from bmis.system.files import write_text
from bmis.system.processor import processor_name
from bmis.wording import counted, short

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN = 3  # images of each group: worst, middle, best
_FEW = 20  # validation images below which their mean chooses by luck
_SHORT = 10  # epochs of a trial below which early luck counts; 60 epochs at the end give 20
_AXES = {"ms": "Milliseconds for one image", "mb": "Megabytes of the bundle"}
_PACKAGES = ("bmis", "torch", "onnxruntime", "openvino", "ncnn", "optuna")


def write_page(found: Fitted, dataset: Dataset) -> Path:
    """Write ``report.html`` into the folder of a fit.

    Args:
        found: The result.
        dataset: Its data, whose test images are drawn.

    Raises:
        DataError: The page cannot be written.
        MissingExtraError: jinja2, pandas, matplotlib or adjustText is not installed.

    Example:
        >>> import json
        >>> from bmis import open_dataset
        >>> found = Fitted.from_dict(json.loads(Path("fitted.json").read_text()))
        >>> write_page(found, open_dataset("polyps")).name
        'report.html'
    """
    groups, notes = _examples(found, dataset)
    text = render_template(
        "fit.html.jinja",
        title=f"{found.finish.candidate.network} fits {found.facts.name}",
        lead=found.in_words(),
        warnings=_warnings(found),
        figures=_key_figures(found),
        facts_of_data=found.facts.in_words(),
        drawings=[_draw(found, cost) for cost in _AXES if _points(found, cost)],
        table=_candidate_table(found),
        outlook=found.outlook,
        groups=groups,
        notes=notes,
        facts=list(_how(found)),
    )
    write_text(found.page, text)
    return found.page


def _key_figures(found: Fitted) -> list[tuple[str, str, str]]:
    """The figures at the top: name, value and what it is of."""
    way, config, test = found.finish.way, found.config, found.test
    figures = [
        ("Milliseconds", short(way.ms), f"of {config.max_ms:g}, one image"),
        ("Megabytes", short(way.mb or 0.0), f"of {config.max_mb:g}" if config.max_mb else ""),
        (
            "Validation IoU",
            f"{found.finish.trial.iou:.3f}",
            f"in the search, after {counted(found.finish.trial.epochs, 'epoch')}",
        ),
    ]
    for metric, name in (("iou", "Test IoU"), ("dice", "Test Dice")):
        value = test.means.get(metric)
        if value is not None:
            figures.append((name, f"{value:.3f}", f"{counted(test.images, 'image')}, bundle"))
    return figures


def _candidate_table(found: Fitted) -> Table:
    """Every candidate that was measured, with what became of it."""
    rows = found.rows
    columns = {  # the reason first: on a phone the last columns are out of sight
        "What became of it": [Value(row.verdict, mark="text") for row in rows],
        "ms": [_number(row.ms) for row in rows],
        "MB": [_number(row.mb) for row in rows],
        "Validation IoU": [_number(row.iou, 3) for row in rows],
        "Epochs": [_number(row.epochs or None, 0) for row in rows],
        "Engine": [Value(row.way or "–", mark="" if row.way else "absent") for row in rows],
    }
    looked, within = found.candidates
    caption = (
        f"{counted(looked, 'candidate')} were looked at, {within} of them within the budget by "
        "prediction or measurement; these were measured or trained"
    )
    return Table(caption, [row.name for row in rows], columns, first="Network and input size")


def _number(value: float | None, digits: int | None = None) -> Value:
    if value is None:
        return Value("–", mark="absent")
    return Value(short(value) if digits is None else f"{value:.{digits}f}", float(value))


def _points(found: Fitted, cost: str) -> list[Row]:
    return [row for row in found.rows if row.iou is not None and getattr(row, cost)]


def _draw(found: Fitted, cost: str) -> Drawing:
    rows, title = _points(found, cost), _AXES[cost]
    return render(
        partial(_scatter, rows, cost),
        f"fit-{cost}",
        title,
        f"{title} against validation IoU of {counted(len(rows), 'network')}; see the table.",
        wide=len(rows) > scatter.MANY,
    )


def _scatter(rows: Sequence[Row], cost: str) -> Any:
    pd = require("pandas", extra="train")
    nothing = float("nan")  # one training has no interval
    table: DataFrame = pd.DataFrame(
        {
            "method": [row.name for row in rows],
            "iou": [row.iou for row in rows],
            "iou_ci95_low": nothing,
            "iou_ci95_high": nothing,
            cost: [getattr(row, cost) for row in rows],
        }
    )
    return scatter.draw_scatter(table, cost, _AXES[cost])


def _examples(found: Fitted, dataset: Dataset) -> tuple[list[CaseGroup], list[str]]:
    """Some test images, from worst to best."""
    scored = read_scored(Path(found.out) / TEST)
    if scored is None:
        return [], []
    known = {str(dataset.root.resolve()): dataset}
    groups, notes = draw_case_groups(scored, known, pictures=True)
    few = [replace(group, cards=group.cards[:_SHOWN]) for group in groups]
    titles = ("Worst", "Middle", "Best") if len(few) > 1 else ("Worst first",)
    return [replace(g, title=title) for g, title in zip(few, titles, strict=True)], notes


def _warnings(found: Fitted) -> list[str]:
    """What to know before the figures are believed."""
    said = [f"Refused before the winner: {why}." for why in found.finish.refused]
    epochs = found.finish.trial.epochs
    option = "--hours" if found.finish.epochs < found.config.epochs else "--epochs"
    if epochs < _SHORT:
        said.append(
            f"The search was short: networks were chosen after {counted(epochs, 'epoch')} of "
            f"training at most, and the winner was trained for "
            f"{counted(found.finish.epochs, 'epoch')}. A larger {option} chooses better."
        )
    images = found.facts.images["val"]
    if images < _FEW:
        said.append(
            f"{counted(images, 'validation image')} chose among the networks: too few to tell "
            "good ones apart."
        )
    if not found.finish.timed_anew:
        said.append(
            "The milliseconds are predicted from the device's file. Run bmis profile with the "
            "bundle there."
        )
    return said


def _how(found: Fitted) -> Iterator[tuple[str, str]]:
    config, finish = found.config, found.finish
    trial = finish.trial
    yield "Plan", found.plan
    yield (
        "Winner's training",
        (
            f"recipe {trial.recipe}, {trial.rate:.3g} times its learning rate, "
            f"{counted(finish.epochs, 'epoch')}, seed {config.seed}"
        ),
    )
    yield "Run folder", finish.run
    yield "Post-processing", finish.postprocessing or "none"
    if found.latency_error is not None:
        yield (
            "Predicted times",
            (f"off by {100 * found.latency_error:.0f} % in the median when they were measured"),
        )
    yield "Machine", Path(config.device).name if config.device else processor_name()
    versions = software_versions(_PACKAGES).items()
    yield "Versions", ", ".join(f"{name} {value}" for name, value in versions if value)
