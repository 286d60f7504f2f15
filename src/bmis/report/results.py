"""From records to data frames: one row per trial, one row per image, one row per method.

``docs/reference/report.md`` says how seeds and folds are combined.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.errors import DataError, printable, require
from bmis.metrics import METRICS, highest_value
from bmis.records import Record, Trial, read_records, record_path
from bmis.report.methods import mean_over_seeds, method_table
from bmis.report.quantities import COSTS, QUALITY, cost_of

if TYPE_CHECKING:
    from pandas import DataFrame

_KEYS = ("dataset", "method", "fold", "seed")


@dataclass(frozen=True)
class DatasetResults:
    """All methods on one data set.

    Attributes:
        name: Name of the data set.
        trials: The rows of ``Results.trials`` that belong to it.
        methods: One row per method, best first; see ``methods.method_table``.
        quality: The images' IoU, a mean over the seeds: one row per image, one column per method
            that has a mean over all images, best first. NaN where it is undefined.
        records: Records of the trials that are done.

    Example:
        >>> from bmis.records import Conditions, write_record
        >>> cases = {"id": ["a", "b"], **dict.fromkeys(METRICS, [0.5, 0.75])}
        >>> trial, summary = Trial("polyps", "unet"), {"cases": {}}
        >>> record = Record(trial, Conditions(), "done", cases=cases, summary=summary)
        >>> _ = write_record(Path("results"), record)
        >>> (polyps,) = read_results(Path("results")).datasets
        >>> polyps.methods[["method", "state", "iou", "iou_n"]].to_dict("records")
        [{'method': 'unet', 'state': 'complete', 'iou': 0.625, 'iou_n': 2}]
    """

    name: str
    trials: "DataFrame"
    methods: "DataFrame"
    quality: "DataFrame"
    records: tuple[Record, ...]

    @property
    def slug(self) -> str:
        """The name of the data set as file names hold it."""
        return record_path(Path(), Trial(self.name, "")).parent.name or "unnamed"

    @property
    def images(self) -> int:
        """Number of test images that were scored."""
        return len({case for record in self.records for case in map(plain, record.cases["id"])})

    @property
    def unit(self) -> str:
        """Unit of distances, "px" or "mm"; "mm/px" if the records differ."""
        return "/".join(sorted({plain(r.data.get("unit", "px")) for r in self.records}) or ["px"])

    def records_of(self, method: str) -> list[Record]:
        """The records of one method."""
        return [record for record in self.records if record.trial.method == method]


@dataclass(frozen=True)
class Results:
    """All that was compared.

    Attributes:
        records: All records, also those of failed trials.
        trials: One row per trial that there should be: ``dataset``, ``method``, ``fold`` ("" for
            the data set's own split), ``seed``, ``status`` ("done", "failed" or "missing"),
            ``reason`` and each cost (NaN where it is unknown).
        images: One row per image of each trial that is done: ``dataset``, ``method``, ``fold``,
            ``seed``, ``id`` and each metric (NaN where it is undefined).
        datasets: The methods on each data set, sorted by name.

    Example:
        >>> from bmis.records import Conditions, write_record
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> _ = write_record(Path("results"), failed)
        >>> results = read_results(Path("results"))
        >>> results.trials[["method", "status", "reason"]].to_dict("records")
        [{'method': 'unet', 'status': 'failed', 'reason': 'out of memory'}]
    """

    records: tuple[Record, ...]
    trials: "DataFrame"
    images: "DataFrame"
    datasets: tuple[DatasetResults, ...]

    @property
    def methods(self) -> list[str]:
        """Names of the methods, sorted."""
        return sorted({record.trial.method for record in self.records})

    def count(self, status: str) -> int:
        """Number of trials that are "done", "failed" or "missing"."""
        return int((self.trials["status"] == status).sum())


def read_results(folder: Path) -> Results:
    """Read all records of a folder and bring them together.

    Raises:
        DataError: The folder holds no records, damaged ones or ones that cannot be compared; see
            ``records.read_records``.
        MissingExtraError: pandas is not installed.

    Example:
        >>> Path("results").mkdir()
        >>> read_results(Path("results"))
        Traceback (most recent call last):
        bmis.errors.DataError: results: holds no records; run `bmis compare ... --out results`
    """
    pd = require("pandas", extra="train")
    read = (_printable(record) for record in read_records(folder))
    records = tuple({_key(record): record for record in read}.values())
    if not records:
        raise DataError(f"{folder}: holds no records; run `bmis compare ... --out {folder}`")
    done = [record for record in records if record.status == "done"]
    rows = [row for record in done for row in _image_rows(record)]
    images = pd.DataFrame(rows, columns=[*_KEYS, "id", *METRICS])
    images = images.astype(dict.fromkeys(METRICS, "float64"))
    _check_same_images(done)
    trials = pd.DataFrame(_trial_rows(records))
    names = trials["dataset"].unique()
    return Results(records, trials, images, tuple(_dataset(n, trials, images, done) for n in names))


def plain(value: Any) -> str:
    r"""Any value as one line of text that can be drawn, without control characters.

    Example:
        >>> plain("two\nlines"), plain(None), plain(3)
        ('two?lines', '', '3')
    """
    return "" if value is None else printable(str(value))


def _printable(record: Record) -> Record:
    """The same record with names that can be drawn."""
    trial = record.trial
    trial = replace(trial, dataset=plain(trial.dataset), method=plain(trial.method))
    reason = plain(record.reason or "no reason recorded") if record.status == "failed" else None
    return replace(record, trial=trial, reason=reason)


def _key(record: Record) -> tuple[str, str, str, int]:
    trial = record.trial
    return trial.dataset, trial.method, plain(trial.fold), trial.seed


def _trial_rows(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """On each data set all methods times the folds and the seeds that it has."""
    known = {_key(record): record for record in records}
    methods = sorted({key[1] for key in known})
    for dataset in sorted({key[0] for key in known}):
        folds = sorted({fold for name, _, fold, _ in known if name == dataset})
        seeds = sorted({seed for name, *_, seed in known if name == dataset})
        for key in product([dataset], methods, folds, seeds):
            record = known.get(key)
            yield dict(zip(_KEYS, key, strict=True)) | {
                "status": record.status if record else "missing",
                "reason": (record and record.reason) or "",
                **{q.key: (record and cost_of(record, q.key)) or math.nan for q in COSTS},
            }


def _image_rows(record: Record) -> Iterator[tuple[Any, ...]]:
    """The images of one trial, all values checked, because records may come from anywhere."""
    ids = [plain(case) for case in record.cases.get("id", ())]
    if not ids or len(set(ids)) != len(ids):
        raise DataError(f"{record.trial}: its cases have no unique ids; run the trial again")
    for metric in METRICS:
        column = record.cases.get(metric)
        highest = highest_value(metric)
        if column is None or not all(_is_value(value, highest) for value in column):
            raise DataError(
                f"{record.trial}: {metric!r} of its cases is missing or no list of numbers from 0 "
                f"to {highest:g}; delete the record, and `bmis compare` runs the trial again"
            )
    for row in zip(ids, *(record.cases[metric] for metric in METRICS), strict=True):
        yield (*_key(record), *row)


def _is_value(value: Any, highest: float) -> bool:
    if value is None:
        return True
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= highest


def _check_same_images(records: Iterable[Record]) -> None:
    """Within a fold all trials must have been scored on the same images."""
    first: dict[tuple[str, str], tuple[Trial, set[str]]] = {}
    for record in records:
        fold = record.trial.dataset, plain(record.trial.fold)
        ids = set(map(plain, record.cases["id"]))
        trial, expected = first.setdefault(fold, (record.trial, ids))
        if ids != expected:
            odd = min(ids ^ expected)
            raise DataError(
                f"{trial} and {record.trial} were scored on different images, such as {odd!r}; "
                "run one of the trials again on the same images"
            )


def _dataset(
    name: str, trials: "DataFrame", images: "DataFrame", done: Sequence[Record]
) -> DatasetResults:
    trials, images = (frame[frame["dataset"] == name] for frame in (trials, images))
    means = mean_over_seeds(images)
    methods = method_table(trials, images, means)
    records = tuple(record for record in done if record.trial.dataset == name)
    scored = methods["method"][methods[QUALITY].notna()]
    quality = {method: means.loc[method, QUALITY] for method in scored}
    return DatasetResults(name, trials, methods, _side_by_side(quality), records)


def _side_by_side(columns: Mapping[str, Any]) -> "DataFrame":
    """Values of the images as columns, the images in the order of the first one."""
    frame = require("pandas", extra="train").DataFrame(columns)
    return frame.reindex(next(iter(columns.values())).index) if columns else frame  # type: ignore[no-any-return]
