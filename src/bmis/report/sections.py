"""All that is worked out and drawn for one data set, or for all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bmis.report.case_pictures import Pictures, draw_pictures
from bmis.report.figures.matrices import draw_curves, draw_ranks, draw_significance
from bmis.report.figures.scatter import Point, draw_scatter
from bmis.report.figures.style import for_page
from bmis.report.quantities import COSTS, PLOTTED, QUALITY
from bmis.report.results import Field, Panel
from bmis.report.rows import Line, overall_lines, panel_lines, score_lines
from bmis.report.statistics import Pair, bootstrap_ranks, compare_pairs, rank_shares
from bmis.report.tables import Table, main_table, ranking_table


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: Of its file, without the suffix.
        title: Above it.
        text: What it shows, for those who cannot see it.
        svg: The file's content.
        wide: Whether it needs the page's whole width.
    """

    name: str
    title: str
    text: str
    svg: str
    wide: bool = False

    @property
    def inline(self) -> str:
        """The SVG as a part of a page."""
        return for_page(self.svg, self.name)


@dataclass(frozen=True)
class Section:
    """One data set, or all of them.

    Attributes:
        name: Heading.
        stem: Of the files of its table, and its anchor on the page.
        table: Scores and costs.
        ranking: Ranks, wins and scores; None where nothing is ranked.
        fronts: Cost against quality.
        significance: The matrix, if two methods or more have been compared.
        ranks: Of the bootstrap, likewise.
        curves: Of the training, if any was told.
        pictures: Of cases.
        files: Name and rows of further CSV files.
    """

    name: str
    stem: str
    table: Table
    ranking: Table | None = None
    fronts: tuple[Drawing, ...] = ()
    significance: Drawing | None = None
    ranks: Drawing | None = None
    curves: Drawing | None = None
    pictures: Pictures = field(default_factory=Pictures)
    files: tuple[tuple[str, tuple[tuple[object, ...], ...]], ...] = ()

    @property
    def drawings(self) -> list[Drawing]:
        """All figures."""
        single = (self.significance, self.ranks, self.curves)
        return [*self.fronts, *(drawing for drawing in single if drawing)]


def panel_section(panel: Panel) -> Section:
    """Work out and draw one data set.

    Raises:
        DataError: Images that cannot be compared.
        MissingExtraError: scipy, matplotlib or jinja2 is not installed.
    """
    lines = panel_lines(panel)
    caption = (
        f"{panel.name}: {panel.images} test images, mean ± standard deviation over images "
        "[95 % interval of the mean]"
    )
    table = main_table(lines, panel.unit, caption, seeds=len(panel.seeds) > 1)
    values = {entry.method: entry.images[QUALITY] for entry in panel.scored}
    pairs = compare_pairs(values)
    ranks = bootstrap_ranks(values)
    names, slug = list(values), panel.slug
    shares = {name: rank_shares(ranks[name], len(ranks)) for name in ranks}
    significance = curves = rank_drawing = None
    if pairs:
        significance = Drawing(
            f"significance-{slug}", "Who is better than whom",
            _describe(pairs), draw_significance(names, pairs, slug), len(names) > 20,
        )  # fmt: skip
        rank_drawing = Drawing(
            f"ranks-{slug}", "How stable the ranks are",
            "Share of the bootstrap samples in which each method has each rank; the numbers are "
            "in the table of ranks.", draw_ranks(ranks, slug), len(names) > 20,
        )  # fmt: skip
    told = _curves(panel)
    if told:
        curves = Drawing(
            f"curves-{slug}", "Validation IoU while training",
            "One plot for each method.", draw_curves(told, slug), wide=True,
        )  # fmt: skip
    return Section(
        name=panel.name,
        stem=f"table-{slug}",
        table=table,
        ranking=ranking_table(lines, pairs, ranks, score_lines(lines)) if pairs else None,
        fronts=_fronts(lines, f"-{slug}"),
        significance=significance,
        ranks=rank_drawing,
        curves=curves,
        pictures=draw_pictures(panel, [line.method for line in lines]),
        files=(
            (f"significance-{slug}", _pair_rows(pairs)),
            (f"ranks-{slug}", _rank_rows(shares)),
        ),
    )


def overall_section(compared: Field) -> Section:
    """All data sets together, each with the same weight."""
    lines = overall_lines(compared)
    units = {panel.unit for panel in compared.panels}
    caption = (
        f"All {len(compared.panels)} data sets: mean of their means ± standard deviation over "
        "data sets [95 % interval of the mean]"
    )
    table = main_table(lines, "/".join(sorted(units)), caption, seeds=False)
    return Section("All data sets", "overall", table, fronts=_fronts(lines, ""))


def _fronts(lines: Sequence[Line], suffix: str) -> tuple[Drawing, ...]:
    drawings = []
    for quantity in COSTS:
        if quantity.key not in PLOTTED:
            continue
        points = []
        for line in lines:
            summary, cost = line.summary.get(QUALITY), line.costs[quantity.key]
            if summary is not None and summary.mean is not None and cost is not None:
                cost /= quantity.scale
                points.append(Point(line.name, cost, summary.mean, summary.ci95))
        if points:
            name = f"pareto-{quantity.key.replace('_', '-')}{suffix}"
            svg = draw_scatter(points, cost=quantity.heading, quality="IoU", id_prefix=name)
            text = f"{quantity.title} against IoU of {len(points)} methods; see the table above."
            drawings.append(Drawing(name, quantity.title, text, svg, len(points) > 12))
    return tuple(drawings)


def _curves(panel: Panel) -> dict[str, list[tuple[int, float]]]:
    """Mean validation IoU of a method's seeds and folds at each epoch that all of them tell."""
    curves = {}
    entries = [*panel.scored, *(e for e in panel.entries.values() if not e.scored)]
    for entry in entries:
        logs = [log for record in entry.records if (log := _log(record.training.get("log")))]
        if logs:
            epochs = sorted(set.intersection(*(set(log) for log in logs)))
            points = [(e, sum(log[e] for log in logs) / len(logs)) for e in epochs]
            if points:
                curves[entry.method] = points
    return curves


def _log(rows: object) -> dict[int, float]:
    """Validation IoU by epoch; rows that do not tell it are left out."""
    found: dict[int, float] = {}
    for row in rows if isinstance(rows, list | tuple) else ():
        epoch, value = (row.get("epoch"), row.get("val_iou")) if isinstance(row, dict) else (0, 0)
        if not isinstance(epoch, int) or not isinstance(value, int | float):
            continue
        if 0 < epoch < 10**7 and 0 <= value <= 1:
            found[epoch] = float(value)
    return found


def _describe(pairs: Sequence[Pair]) -> str:
    sure = sum(pair.significant for pair in pairs)
    return f"{sure} of {len(pairs)} pairs of methods differ; the numbers are in the CSV file."


def _pair_rows(pairs: Sequence[Pair]) -> tuple[tuple[object, ...], ...]:
    head = ("first", "second", "images", "mean_difference", "p", "p_holm", "better")
    rows: list[tuple[object, ...]] = [head]
    for pair in pairs:
        better = (pair.first if pair.mean > 0 else pair.second) if pair.significant else ""
        rows.append((pair.first, pair.second, pair.n, pair.mean, pair.p, pair.adjusted, better))
    return tuple(rows)


def _rank_rows(shares: dict[str, NDArray[np.float64]]) -> tuple[tuple[object, ...], ...]:
    head = ("method", *(f"rank_{rank + 1}" for rank in range(len(shares))))
    return (head, *((name, *map(float, share)) for name, share in shares.items()))
