"""The command ``report``: the records of a comparison in, a web page, tables and figures out.

``docs/reference/report.md`` says what the numbers mean.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.report.caveats import facts, warnings
from bmis.report.costs import costs_frame, costs_table
from bmis.report.formats import to_latex, to_markdown
from bmis.report.page import render_template
from bmis.report.results import Results, read_results
from bmis.report.sections import Section, dataset_section, overall_section
from bmis.report.tables import missing_table
from bmis.system.files import output_folder, write_text
from bmis.wording import counted

if TYPE_CHECKING:
    from pandas import DataFrame

PAGE = "index.html"


@dataclass(frozen=True)
class Report:
    """What ``write_report`` wrote.

    Attributes:
        page: The web page.
        files: All files, the page included.
        methods: Number of methods that were compared.
        datasets: Number of data sets.
        done: Number of trials with a result.
        failed: Number of trials that failed.
        missing: Number of trials that were not run.
        warnings: What does not compare, in whole sentences.

    Example:
        >>> report = Report(Path("index.html"), (Path("index.html"),), 4, 1, 7, 1, 0, ())
        >>> report.to_dict()["trials"]
        {'done': 7, 'failed': 1, 'missing': 0}
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
    Each file is written whole or not at all; files of an earlier report are replaced. The same
    records give the same files.

    Args:
        results: Folder of ``bmis compare``; records in subfolders count too.
        out: Folder to write into.
        title: Title of the page; by default it says what was compared.

    Raises:
        DataError: There are no records, some are damaged or disagree, or ``out`` cannot be
            written to.
        MissingExtraError: pandas, scipy, matplotlib, adjustText or jinja2 is not installed.

    Example:
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> _ = write_record(Path("results"), failed)
        >>> report = write_report("results", out="report")
        >>> report.page.name, report.failed
        ('index.html', 1)
    """
    found = read_results(Path(results))
    folder = output_folder(Path(out))
    sections = [dataset_section(dataset) for dataset in found.datasets]
    if len(sections) > 1:
        sections.insert(0, overall_section(found))
    caveats = warnings(found)
    costs = costs_frame(found)
    incomplete = found.count("done") < len(found.trials)
    page = render_template(
        "comparison.html.jinja",
        title=title or _title(found),
        lead=_lead(found),
        warnings=caveats,
        sections=sections,
        costs=costs_table(costs),
        missing=missing_table(found.trials) if incomplete else None,
        facts=facts(found),
    )
    output_folder(folder / "figures")
    files = []
    for name, text in ((PAGE, page), *_texts(found, sections, costs)):
        files.append(folder / name)
        write_text(files[-1], text)
    return Report(
        page=folder / PAGE,
        files=tuple(files),
        methods=len(found.methods),
        datasets=len(found.datasets),
        done=found.count("done"),
        failed=found.count("failed"),
        missing=found.count("missing"),
        warnings=tuple(caveats),
    )


def _title(results: Results) -> str:
    names = ", ".join(dataset.name for dataset in results.datasets)
    return f"{_count(len(results.methods), 'method')} on {names}"


def _lead(results: Results) -> str:
    images = sum(dataset.images for dataset in results.datasets)
    return (
        f"Accuracy and cost of {_count(len(results.methods), 'network')} for segmentation on "
        f"{_count(len(results.datasets), 'data set')} ({_count(images, 'test image')}, "
        f"{_count(results.count('done'), 'training')}), all under the same conditions: "
        f"{results.records[0].conditions}."
    )


def _count(number: int, noun: str) -> str:
    return counted(f"{number:,}", noun)


def _texts(
    results: Results, sections: Sequence[Section], costs: "DataFrame"
) -> Iterator[tuple[str, str]]:
    """Name and content of all files but the page."""
    tables = {"costs": costs_table(costs)} | {section.stem: section.table for section in sections}
    for name, table in tables.items():
        yield f"{name}.md", to_markdown(table)
        yield f"{name}.tex", to_latex(table)
    frames = {"costs": costs, "cases": results.images}
    for section in sections:
        frames |= section.frames
        for drawing in section.drawings:
            yield f"figures/{drawing.name}.svg", drawing.light
    for name, frame in frames.items():
        yield f"{name}.csv", frame.to_csv(index=False, lineterminator="\n")
