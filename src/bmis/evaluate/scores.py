"""The scores of one network on one set of images: as a value, as CSV and as JSON."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bmis.config import ModelInfo
from bmis.config.run_files import CASES_FILE, MASKS_FILE, MEAN_ROW, METRICS_FILE
from bmis.data.cases import Dataset
from bmis.errors import DataError
from bmis.evaluate.images import ImageScores
from bmis.metrics import METRICS, RULES_VERSION, CaseScore, summarise_cases
from bmis.system.environment import software_versions
from bmis.system.files import to_csv, write_json, write_text

# that scores rest on
_PACKAGES = ("bmis", "numpy", "pillow", "torch", "onnxruntime", "openvino", "ncnn")
COLUMNS = ("id", "class", "state", *METRICS)


@dataclass(frozen=True)
class Scores:
    """The result of ``evaluate_model``.

    Attributes:
        model: Name of the network.
        checkpoint: File or folder of its weights.
        data: Dataset folder.
        split: Which of the images were scored, "all" for all of them.
        asked: What was scored and how, see ``earlier.question``: the two before with absolute
            paths, the fold, the seed of a split that was made, and options.
        classes: Names of the classes, background first.
        unit: Unit of ``hd95``, ``assd`` and ``tolerance``: "mm" or "px".
        tolerance: Tolerance of ``nsd``.
        cases: The scores of each image by its id, in the order of the ids.
        failed: Images that could not be scored, each with one line that says why.
        fields_of_view: How many of ``cases`` were scored inside a field of view.
        summary: See ``metrics.summarise_cases``.
        out: Folder with ``cases.csv``, ``metrics.json``, ``masks.json`` and ``overlays/``.
        overlays: The pictures that were drawn.
        masks: The predicted mask of each image, small, as ``data.mask_text`` writes it.
        confusion: Pixels of all images by true class (row) and predicted class (column).
        threads: How many threads shared one call of the network.
        training: What the network's file says of its training: recipe, environment and more.

    Example:
        >>> import bmis
        >>> scores = bmis.evaluate_model("run", data="polyps", split="val", out="scores")
        >>> list(scores.values("dice")) == list(scores.cases)
        True
        >>> scores.to_dict()["split"], scores.unit
        ('val', 'px')
    """

    model: str
    checkpoint: Path
    data: Path
    split: str
    asked: Mapping[str, Any]
    classes: tuple[str, ...]
    unit: str
    tolerance: float
    cases: Mapping[str, CaseScore]
    failed: tuple[tuple[Path, str], ...]
    fields_of_view: int
    summary: Mapping[str, Any]
    out: Path
    overlays: tuple[Path, ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()
    threads: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    def values(self, metric: str) -> dict[str, float | None]:
        """The case values of one metric by id, as ``metrics.paired_difference`` takes them."""
        return {case: score.mean[metric] for case, score in self.cases.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in ``metrics.json``; the single cases are in ``cases.csv``."""
        return {
            "rules_version": RULES_VERSION,
            "model": self.model,
            **self.asked,
            "classes": list(self.classes),
            "unit": self.unit,
            "images": len(self.cases),
            "fields_of_view": self.fields_of_view,
            "summary": dict(self.summary),
            "confusion": [list(row) for row in self.confusion],
            "failed": [{"file": str(path), "why": why} for path, why in self.failed],
            "overlays": [f"overlays/{path.name}" for path in self.overlays],
            "environment": {**software_versions(_PACKAGES), "threads": self.threads},
            "training": dict(self.training),
        }


def scores_of(
    found: ImageScores, info: ModelInfo, dataset: Dataset, *, tolerance: float, **more: Any
) -> Scores:
    """The result of an evaluation from what was found on its images.

    Args:
        found: The scored images.
        info: What was saved with the network.
        dataset: The data set of the images.
        tolerance: Tolerance of ``nsd``.
        more: The other attributes of ``Scores``, which say what was asked and where it goes.

    Example:
        >>> import bmis
        >>> from bmis.evaluate.images import score_images
        >>> dataset, predictor = bmis.open_dataset("polyps"), bmis.load("run")
        >>> found = score_images(predictor, dataset, dataset.split("test"), 2.0)
        >>> more = {"checkpoint": Path("run"), "split": "test", "asked": {}, "out": Path("scores")}
        >>> scores_of(found, predictor.info, dataset, tolerance=2.0, **more).unit
        'px'
    """
    return Scores(
        model=info.model.name,
        data=dataset.root,
        classes=dataset.classes,
        unit="px" if dataset.spacing is None else "mm",
        tolerance=tolerance,
        cases=found.cases,
        failed=tuple(found.failed),
        fields_of_view=sum(
            c.field_of_view is not None for c in dataset.cases if c.id in found.cases
        ),
        summary=summarise_cases(list(found.cases.values()), dataset.classes),
        masks=found.masks,
        confusion=tuple(tuple(row) for row in found.confusion.tolist()),
        training=info.provenance,
        **more,
    )


def write_scores(scores: Scores) -> None:
    """Write ``cases.csv``, ``masks.json`` and ``metrics.json``, each whole or not at all.

    Example:
        >>> import bmis
        >>> scores = bmis.evaluate_model("run", data="polyps", out="scores")
        >>> (scores.out / "cases.csv").unlink()
        >>> write_scores(scores)
        >>> (scores.out / "cases.csv").read_text().splitlines()[0][:20]
        'id,class,state,iou,d'
    """
    write_text(scores.out / CASES_FILE, to_csv(_rows(scores)))
    write_json(scores.out / MASKS_FILE, dict(scores.masks))
    write_json(scores.out / METRICS_FILE, scores.to_dict())


def read_case_values(path: Path, metric: str) -> dict[str, float | None]:
    """The case values of one metric by id, from a ``cases.csv``.

    Args:
        path: A ``cases.csv`` that ``evaluate_model`` wrote.
        metric: One of ``bmis.metrics.METRICS``.

    Returns:
        The mean over the classes for each image; None where the metric is undefined.

    Raises:
        DataError: The file is not a table of cases, or has no such metric.

    Example:
        >>> import bmis
        >>> scores = bmis.evaluate_model("run", data="polyps", out="scores")
        >>> read_case_values(scores.out / "cases.csv", "iou") == scores.values("iou")
        True
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["class"] == MEAN_ROW]
        return {row["id"]: float(row[metric]) if row[metric] else None for row in rows}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: no table of cases with {metric!r} ({error}); name a cases.csv of "
            f"`bmis evaluate` and one of {', '.join(METRICS)}"
        ) from error


def _rows(scores: Scores) -> Iterator[tuple[object, ...]]:
    """The lines of ``cases.csv``."""
    yield COLUMNS
    for case, score in scores.cases.items():
        for index, name in enumerate(scores.classes[1:], start=1):
            row = score.classes[index]
            yield (case, name, score.states[index], *(row[m] for m in METRICS))
        yield (case, MEAN_ROW, score.outcome, *(score.mean[m] for m in METRICS))
