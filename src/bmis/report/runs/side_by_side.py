"""Several runs on one page: curves, settings that differ, scores and images that they share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bmis.errors import ConfigError, one_line_about
from bmis.report.figures.lines import COLOURS, LineChart, draw_lines
from bmis.report.page import render_template
from bmis.report.quantities import COSTS
from bmis.report.results import plain
from bmis.report.runs.facts import caveats_of, start_of
from bmis.report.runs.read import Run, read_run
from bmis.report.runs.shared import draw_shared, find_shared, pair_table, shared_table
from bmis.report.runs.tables import leaves, shown
from bmis.report.tables import Table
from bmis.report.values import Value, number_value
from bmis.system.environment import influences
from bmis.system.files import output_folder, write_text
from bmis.wording import counted, short

_PAGE = "index.html"


def write_runs_page(
    runs: Sequence[Path], *, out: Path, pictures: bool = True, title: str | None = None
) -> Path:
    """Lay several runs side by side on one page.

    Args:
        runs: The run folders, two to eight.
        out: Folder to write ``index.html`` into.
        pictures: Whether images are drawn. Never, if one of the trainings was told not to.
        title: Title of the page; by default it says how many runs there are.

    Returns:
        The page.

    Raises:
        ConfigError: One run is named twice, or there are too many.
        DataError: A folder is no run, a file in it is damaged, or ``out`` cannot be written to.
        MissingExtraError: jinja2, pandas or scipy is not installed.

    Example:
        >>> import shutil
        >>> _ = shutil.copytree("run", "other")
        >>> page = write_runs_page([Path("run"), Path("other")], out=Path("report"))
        >>> page.name, "<h1>2 runs</h1>" in page.read_text()
        ('index.html', True)
    """
    if len({run.resolve() for run in runs}) < len(runs):
        raise ConfigError("a run is named twice; name each once")
    if len(runs) > COLOURS:
        raise ConfigError(
            f"{len(runs)} runs, and more than {COLOURS} curves cannot be told apart; name fewer"
        )
    found = [read_run(run) for run in runs]
    names = run_names(runs)
    page = output_folder(out) / _PAGE
    with one_line_about(page, fix="train or evaluate the runs again"):
        write_text(page, _render(names, found, pictures, title))
    return page


def run_names(runs: Sequence[Path]) -> list[str]:
    """The names of run folders, with as many folders above them as keep them apart.

    Example:
        >>> run_names([Path("a/run"), Path("b/run"), Path("c/other")])
        ['a/run', 'b/run', 'c/other']
    """
    parts = [run.resolve().parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return list(map(plain, names))


def _render(names: Sequence[str], runs: Sequence[Run], pictures: bool, title: str | None) -> str:
    shared = find_shared(names, [run.scored for run in runs])
    drawn = pictures and not any(run.settings.get("no_pictures") for run in runs)
    cases, notes = draw_shared(shared) if shared and drawn else ({}, [])
    several = ", ".join(dict.fromkeys(run.model for run in runs))
    return render_template(
        "runs.html.jinja",
        title=title or counted(len(runs), "run"),
        lead=f"{several} on {', '.join(dict.fromkeys(run.data for run in runs))}.",
        warnings=list(_warnings(names, runs, shared is not None)),
        runs=_runs_table(names, runs),
        settings=settings_table(names, runs),
        charts=list(_charts(names, runs)),
        scores=shared and shared_table(shared),
        pairs=shared and pair_table(shared),
        cases=cases,
        notes=notes,
    )


def _warnings(names: Sequence[str], runs: Sequence[Run], shared: bool) -> Iterator[str]:
    if not shared:
        yield (
            "The runs share no scored images (other data, classes or splits, or not scored), so "
            "their scores are not compared: give all of them to `bmis evaluate` with one --data."
        )
    if len({(run.data, plain(run.settings.get("fold")), _images(run, "val")) for run in runs}) > 1:
        yield "The runs chose their epochs by different validation images: these scores differ too."
    for name, run in zip(names, runs, strict=True):
        yield from (f"{name}: {caveat}" for caveat in caveats_of(run))


def _images(run: Run, split: str) -> Any:
    return run.facts.get("data", {}).get("splits", {}).get(split, {}).get("images")


def _runs_table(names: Sequence[str], runs: Sequence[Run]) -> Table:
    known = {quantity.key: quantity for quantity in COSTS}
    columns: dict[str, list[Value]] = {
        "Network": [Value(run.model) for run in runs],
        "Start": [Value(start_of(run) or "–") for run in runs],
        "Validation IoU": [_number(run.best.get("val_iou"), "{:.3f}") for run in runs],
        "Validation Dice": [_number(run.best.get("val_dice"), "{:.3f}") for run in runs],
        "Best epoch": [Value(f"{run.best_epoch}", run.best_epoch) for run in runs],
        "Epochs": [Value(f"{len(run.log)} of {run.epochs}", len(run.log)) for run in runs],
        "One epoch (s)": [Value(short(s), s) for s in (r.seconds / len(r.log) for r in runs)],
    }
    for key in ("parameters", "macs"):
        values = [run.facts.get("network", {}).get(key) or float("nan") for run in runs]
        columns[known[key].heading] = [number_value(v, known[key].show(v)) for v in values]
    return Table("The best epoch of each run", names, columns, first="Run")


def _number(value: float | None, form: str) -> Value:
    return Value("–", mark="absent") if value is None else Value(form.format(value), value)


def settings_table(names: Sequence[str], runs: Sequence[Run]) -> Table | None:
    """The settings in which runs differ: one row a setting, one column a run; None if in none.

    Example:
        >>> run = read_run("run")
        >>> settings_table(["a", "b"], [run, run]) is None
        True
    """
    every = [_settings(run) for run in runs]
    keys = dict.fromkeys(key for settings in every for key in settings)
    texts = {key: [shown(settings.get(key)) for settings in every] for key in keys}
    differing = {key: values for key, values in texts.items() if len(set(values)) > 1}
    if not differing:
        return None
    columns = {
        name: [Value(values[number]) for values in differing.values()]
        for number, name in enumerate(names)
    }
    return Table("Settings that are not the same in all", list(differing), columns, first="Setting")


def _settings(run: Run) -> dict[str, Any]:
    """What was asked for, the whole recipe, and what it ran on."""
    own = dict(leaves(run.settings))
    for name in ("batch_size", "learning_rate", "patience"):  # the recipe has those that held
        own.pop(name, None)
    return {**own, **dict(leaves(run.recipe)), **influences(run.environment, {})}


def _charts(names: Sequence[str], runs: Sequence[Run]) -> Iterator[LineChart]:
    titles = {
        "val_iou": "Validation IoU",
        "loss": "Training loss",
        "seconds": "Time of an epoch (s)",
    }
    for key, title in titles.items():
        curves = {name: run.column(key) for name, run in zip(names, runs, strict=True)}
        if any(curves.values()):
            best = {name: run.best_epoch for name, run in zip(names, runs, strict=True)}
            marks = best if key == "val_iou" else {}
            yield draw_lines(title, curves, best=marks, from_zero=key == "seconds")
