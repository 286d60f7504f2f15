"""The verb ``report``: the records of a comparison in, a web page, tables and figures out.

What the numbers mean stands in ``docs/reference/report.md``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmis.metrics import METRICS
from bmis.report.caveats import facts, warnings
from bmis.report.formats import to_latex, to_markdown
from bmis.report.page import render_page
from bmis.report.results import Field, read_field
from bmis.report.sections import Section, overall_section, panel_section
from bmis.report.tables import Table, costs_table, lacks_table
from bmis.system.files import output_folder, to_csv, write_text

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What ``write_report`` wrote.

    Attributes:
        page: The web page.
        files: All files, the page included.
        methods: How many were compared.
        datasets: On how many data sets.
        done: Trials with a result.
        failed: Trials that failed.
        missing: Trials that were not run.
        warnings: What does not compare, in whole sentences.
    """

    page: Path
    files: tuple[Path, ...]
    methods: int
    datasets: int
    done: int
    failed: int
    missing: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "page": str(self.page),
            "files": [str(path) for path in self.files],
            "methods": self.methods,
            "datasets": self.datasets,
            "trials": {"done": self.done, "failed": self.failed, "missing": self.missing},
            "warnings": list(self.warnings),
        }


def write_report(results: Path | str, *, out: Path | str, title: str | None = None) -> Report:
    """Compare the methods of a results folder, and write all there is to show of it.

    Writes ``index.html``, which needs no other file, and into the same folder the tables as
    Markdown, LaTeX and CSV, all values of single images (``cases.csv``) and ``figures/*.svg``.
    Each file is written whole or not at all; files of an earlier report are replaced.

    Args:
        results: Folder of ``bmis compare``; records in subfolders count too.
        out: Folder to write into.
        title: Of the page; by default it tells what was compared.

    Raises:
        DataError: There are no records, some are damaged or disagree, or ``out`` cannot be
            written to.
        MissingExtraError: scipy, matplotlib or jinja2 is not installed.
    """
    field = read_field(Path(results))
    folder = output_folder(Path(out))
    sections = [panel_section(panel) for panel in field.panels]
    if len(field.panels) > 1:
        sections.insert(0, overall_section(field))
    lacks = lacks_table(field) if field.lacks else None
    found = tuple(warnings(field))
    page = render_page(
        title or _title(field),
        lead=_lead(field),
        warnings=found,
        sections=sections,
        costs=costs_table(field),
        lacks=lacks,
        facts=facts(field),
    )
    files = [folder / PAGE]
    write_text(files[0], page)
    output_folder(folder / "figures")
    for name, text in _texts(field, sections):
        files.append(folder / name)
        write_text(files[-1], text)
    failed = sum(lack.reason is not None for lack in field.lacks)
    return Report(
        page=files[0],
        files=tuple(files),
        methods=len(field.methods),
        datasets=len(field.panels),
        done=sum(record.status == "done" for record in field.records),
        failed=failed,
        missing=len(field.lacks) - failed,
        warnings=found,
    )


def _title(field: Field) -> str:
    names = ", ".join(panel.name for panel in field.panels)
    return f"{_count(len(field.methods), 'method')} on {names}"


def _lead(field: Field) -> str:
    images = sum(panel.images for panel in field.panels)
    done = sum(record.status == "done" for record in field.records)
    return (
        f"Accuracy and cost of {_count(len(field.methods), 'network')} for segmentation on "
        f"{_count(len(field.panels), 'data set')} ({_count(images, 'test image')}, "
        f"{_count(done, 'training')}), all under the same conditions: "
        f"{field.records[0].conditions}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _texts(field: Field, sections: list[Section]) -> Iterator[tuple[str, str]]:
    """Name and content of all files but the page."""
    tables: list[tuple[str, Table]] = [("costs", costs_table(field))]
    for section in sections:
        tables.append((section.stem, section.table))
        for name, rows in section.files:
            yield f"{name}.csv", to_csv(rows)
        for drawing in section.drawings:
            yield f"figures/{drawing.name}.svg", drawing.svg
    for name, table in tables:
        yield f"{name}.md", to_markdown(table)
        yield f"{name}.tex", to_latex(table)
        yield f"{name}.csv", to_csv(table.raw)
    yield "cases.csv", to_csv(_cases(field))


def _cases(field: Field) -> Iterator[tuple[object, ...]]:
    """Each image of each trial with its values."""
    yield ("dataset", "method", "fold", "seed", "id", *METRICS)
    for record in field.records:
        if record.status == "done":
            trial = record.trial
            columns = (record.cases["id"], *(record.cases[metric] for metric in METRICS))
            for row in zip(*columns, strict=True):
                yield (trial.dataset, trial.method, trial.fold, trial.seed, *row)
