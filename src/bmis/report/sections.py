"""All that is worked out and drawn for one data set, or for all of them together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bmis.errors import require
from bmis.report.case_pictures import draw_cases
from bmis.report.figures import matrices, scatter
from bmis.report.figures.style import Drawing, render
from bmis.report.methods import overall_table
from bmis.report.pictures import Tile
from bmis.report.quantities import PLOTTED, QUALITY
from bmis.report.results import DatasetResults, Results
from bmis.report.statistics import bootstrap_ranks, compare_pairs, rank_shares
from bmis.report.tables import Table, main_table, marked_names, ranking_table
from bmis.wording import counted

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Section:
    """One data set, or all of them.

    Attributes:
        name: Heading.
        stem: Name of the files of its table, and its anchor on the page.
        table: Scores and costs.
        frames: What its CSV files hold, by name; the first is that of ``table``.
        ranking: Ranks, wins and scores; None where nothing is ranked.
        fronts: Figures of cost against quality.
        comparison: Figures of differences and of ranks, if two methods or more were compared.
        curves: Figures of the training, if a record has its log.
        cases: Pictures by case.
        notes: Sentences about the pictures.

    Example:
        >>> from bmis.report.values import Value
        >>> table = Table("Costs", ["unet"], {"Parameters (M)": [Value("34.5", 34.5e6)]})
        >>> Section("Polyps", "table-polyps", table, {}).drawings
        []
    """

    name: str
    stem: str
    table: Table
    frames: "Mapping[str, DataFrame]"
    ranking: Table | None = None
    fronts: tuple[Drawing, ...] = ()
    comparison: tuple[Drawing, ...] = ()
    curves: tuple[Drawing, ...] = ()
    cases: Mapping[str, list[Tile]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def drawings(self) -> list[Drawing]:
        """All figures."""
        return [*self.fronts, *self.comparison, *self.curves]


def dataset_section(dataset: DatasetResults) -> Section:
    """Work out and draw one data set.

    Raises:
        DataError: Images that cannot be compared.
        MissingExtraError: scipy, matplotlib or adjustText is not installed.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> (polyps,) = read_results(write_record(Path("results"), failed).parent).datasets
        >>> list(dataset_section(polyps).frames)
        ['table-polyps', 'significance-polyps', 'ranks-polyps']
    """
    methods, slug = dataset.methods, dataset.slug
    pairs = compare_pairs(dataset.quality)
    ranks = bootstrap_ranks(dataset.quality)
    shares = rank_shares(ranks).rename_axis("method").reset_index()
    cases, notes = draw_cases(dataset)
    caption = (
        f"{dataset.name}: {counted(dataset.images, 'test image')}, "
        "mean ± standard deviation over images "
        "[95 % interval of the mean]"
    )
    seeds = dataset.trials["seed"].nunique() > 1
    return Section(
        name=dataset.name,
        stem=f"table-{slug}",
        table=main_table(methods, dataset.unit, caption, seeds=seeds),
        frames={f"table-{slug}": methods, f"significance-{slug}": pairs, f"ranks-{slug}": shares},
        ranking=None if pairs.empty else ranking_table(methods, pairs, ranks),
        fronts=tuple(_fronts(methods, f"-{slug}")),
        comparison=() if pairs.empty else _comparison(pairs, ranks, slug),
        curves=tuple(_curves(dataset)),
        cases=cases,
        notes=notes,
    )


def overall_section(results: Results) -> Section:
    """All data sets together, each with the same weight.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> results = read_results(write_record(Path("results"), failed).parent)
        >>> overall_section(results).stem
        'overall'
    """
    datasets = results.datasets
    units = sorted({dataset.unit for dataset in datasets})
    tables, names = [d.methods for d in datasets], [d.name for d in datasets]
    methods = overall_table(tables, names, one_unit=len(units) == 1)
    caption = (
        f"All {len(datasets)} data sets: mean of their means ± standard deviation over "
        "data sets [95 % interval of the mean]"
    )
    table = main_table(methods, "/".join(units), caption, seeds=False)
    fronts = tuple(_fronts(methods, ""))
    return Section("All data sets", "overall", table, {"overall": methods}, fronts=fronts)


def _fronts(methods: "DataFrame", suffix: str) -> Iterator[Drawing]:
    methods = methods.assign(method=marked_names(methods))
    for quantity in PLOTTED:
        known = methods.dropna(subset=[QUALITY, quantity.key])
        if len(known):
            yield render(
                partial(
                    scatter.draw_scatter,
                    known.assign(**{quantity.key: known[quantity.key] / quantity.scale}),
                    quantity.key,
                    quantity.heading,
                ),
                f"pareto-{quantity.key.replace('_', '-')}{suffix}",
                quantity.title,
                f"{quantity.title} against IoU of "
                f"{counted(len(known), 'method')}; see the table above.",
                wide=len(known) > scatter.MANY,
            )


def _comparison(pairs: "DataFrame", ranks: "DataFrame", slug: str) -> tuple[Drawing, Drawing]:
    wide = ranks.shape[1] > matrices.MANY
    differ = int((pairs["better"] != "").sum())
    return (
        render(
            partial(matrices.draw_significance, pairs),
            f"significance-{slug}",
            "Who is better than whom",
            f"Of {counted(len(pairs), 'pair')} of methods {differ} differ; "
            "the numbers are in the CSV file.",
            wide=wide,
        ),
        render(
            partial(matrices.draw_ranks, ranks),
            f"ranks-{slug}",
            "How stable the ranks are",
            "Share of the bootstrap samples in which each method has each rank; the numbers are "
            "in the table of ranks.",
            wide=wide,
        ),
    )


def _curves(dataset: DatasetResults) -> Iterator[Drawing]:
    curves = training_curves(dataset)
    if not curves.empty:
        yield render(
            partial(matrices.draw_curves, curves),
            f"curves-{dataset.slug}",
            "Validation IoU while training",
            "One plot for each method.",
            wide=True,
        )


def training_curves(dataset: DatasetResults) -> "DataFrame":
    """Validation IoU while training: the mean over a method's trials, where all have the epoch.

    Returns:
        One row per epoch, one column per method that has a log, best first.

    Example:
        >>> from bmis.metrics import METRICS
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Record, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> cases = {"id": ["a"], **dict.fromkeys(METRICS, [0.5])}
        >>> log = [{"epoch": 1, "val_iou": 0.25}, {"epoch": 2, "val_iou": 0.5}]
        >>> record = Record(Trial("polyps", "unet"), Conditions(), "done", cases=cases,
        ...                 summary={"cases": {}}, training={"log": log})
        >>> (polyps,) = read_results(write_record(Path("results"), record).parent).datasets
        >>> training_curves(polyps)["unet"].to_dict()
        {1: 0.25, 2: 0.5}
    """
    pd = require("pandas", extra="train")
    curves = {}
    for method in dataset.methods["method"]:
        logs = [_log(record.training.get("log")) for record in dataset.records_of(method)]
        known = pd.DataFrame(dict(enumerate(filter(None, logs)))).dropna()
        if not known.empty:
            curves[method] = known.mean(axis=1)
    return pd.DataFrame(curves).sort_index()  # type: ignore[no-any-return]


def _log(rows: object) -> dict[int, float]:
    """Validation IoU by epoch; rows without it are left out."""
    found: dict[int, float] = {}
    for row in rows if isinstance(rows, list | tuple) else ():
        epoch, value = (row.get("epoch"), row.get("val_iou")) if isinstance(row, dict) else (0, 0)
        if not isinstance(epoch, int) or not isinstance(value, int | float):
            continue
        if 0 < epoch < 10**7 and 0 <= value <= 1:
            found[epoch] = float(value)
    return found
