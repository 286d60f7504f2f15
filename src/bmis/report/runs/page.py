"""The page of a run: ``report.html`` in its folder."""

from dataclasses import dataclass, replace
from pathlib import Path

from bmis.config.run_files import PAGE_FILE
from bmis.data.cases import Dataset
from bmis.errors import one_line_about
from bmis.report.figures.lines import LineChart, draw_lines
from bmis.report.page import render_template
from bmis.report.runs.cases import CaseGroup, draw_case_groups
from bmis.report.runs.facts import caveats_of, facts_of, key_figures, state_of
from bmis.report.runs.read import Run, read_run
from bmis.report.runs.scored import ScoredImages
from bmis.report.runs.tables import (
    Confusion,
    balance_table,
    class_table,
    confusion_of,
    recipe_table,
)
from bmis.report.tables import Table
from bmis.system.files import output_folder, write_text


@dataclass(frozen=True)
class ScoredSection:
    """The scored images of a split as the page shows them.

    Attributes:
        title: Heading.
        stem: Anchor on the page.
        table: Scores by class.
        confusion: Which class was taken for which; None for two classes.
        groups: The images from worst to best.
        notes: Sentences about the pictures.

    Example:
        >>> ScoredSection("Test images", "test", Table("", [], {}), None, (), ()).groups
        ()
    """

    title: str
    stem: str
    table: Table
    confusion: Confusion | None
    groups: tuple[CaseGroup, ...]
    notes: tuple[str, ...]


def write_run_page(
    run: Path | str,
    *,
    out: Path | None = None,
    dataset: Dataset | None = None,
    live: bool = False,
    pictures: bool = True,
    title: str | None = None,
) -> Path:
    """Write the page of a run from the files in its folder.

    Args:
        run: The run folder.
        out: Folder to write into; by default the run folder.
        dataset: Where its images are; by default they are looked for where they were.
        live: Whether the run is being trained: the page then refreshes itself.
        pictures: Whether images are drawn. Never, if the training was told not to.
        title: Title of the page; by default network and data.

    Returns:
        The page.

    Raises:
        DataError: It is no run folder, a file in it is damaged, or the page cannot be written.
        MissingExtraError: jinja2 is not installed.

    Example:
        >>> page = write_run_page("run", pictures=False)
        >>> page.name, "<h1>bmis on endoscopy" in page.read_text()
        ('report.html', True)
    """
    folder = Path(run)
    found = read_run(folder)
    with one_line_about(folder, fix="train or evaluate it again"):
        text = _render(found, dataset, live, pictures, title)
    page = (output_folder(out) if out else folder) / PAGE_FILE
    write_text(page, text)
    return page


def _render(
    run: Run, dataset: Dataset | None, live: bool, pictures: bool, title: str | None
) -> str:
    drawn = pictures and not run.settings.get("no_pictures")
    known = {} if dataset is None else {str(dataset.root.resolve()): dataset}
    if live:  # the scores that are there are of earlier weights
        run = replace(run, scored=())
    return render_template(
        "run.html.jinja",
        title=title or f"{run.model} on {run.data}",
        lead=state_of(run, live=live),
        live=live and not run.is_over,
        figures=key_figures(run),
        warnings=caveats_of(run),
        charts=charts_of(run),
        scored=[_section(scored, known, drawn) for scored in run.scored],
        pictures=drawn,
        balance=balance_table(run),
        recipe=recipe_table(run),
        facts=facts_of(run),
    )


def _section(scored: ScoredImages, known: dict[str, Dataset], pictures: bool) -> ScoredSection:
    groups, notes = draw_case_groups(scored, known, pictures=pictures)
    table, confusion = class_table(scored), confusion_of(scored)
    return ScoredSection(
        scored.title, f"scored-{scored.split}", table, confusion, tuple(groups), tuple(notes)
    )


def charts_of(run: Run) -> list[LineChart]:
    """The curves of a training: loss, scores, time.

    Example:
        >>> [chart.title for chart in charts_of(read_run("run"))][:2]
        ['Training loss', 'Validation scores']
    """
    best = run.best_epoch
    groups = {
        "Training loss": {"loss": "loss"},
        "Validation scores": {"IoU": "val_iou", "Dice": "val_dice"},
        "Time of an epoch (s)": {"training": "train_seconds", "with validation": "seconds"},
    }
    charts = []
    for title, columns in groups.items():
        curves = {name: curve for name, key in columns.items() if (curve := run.column(key))}
        if curves:
            is_time = "seconds" in columns.values()
            marked = {} if is_time else dict.fromkeys(curves, best)
            charts.append(draw_lines(title, curves, best=marked, from_zero=is_time))
    return charts
