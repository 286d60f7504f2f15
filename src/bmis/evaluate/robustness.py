"""How much of its Dice a network loses on images from elsewhere: ``bmis evaluate --robustness``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bmis.config import RuntimeOptions
from bmis.data.cases import Case, Dataset, load_case, load_counted
from bmis.data.images import Image
from bmis.errors import DataError, one_line_about
from bmis.evaluate.perturbations import PERTURBATIONS, Perturbation, Sample
from bmis.evaluate.subject import open_subject
from bmis.metrics import score_case, student_interval
from bmis.predict.batches import infer_read
from bmis.predict.load import Changes, Models
from bmis.predict.mask import Mask
from bmis.predict.predictor import Frame, FrameLogits, Predictor
from bmis.system.files import remove_if_empty, to_csv, write_json, write_text
from bmis.system.pipeline import stream
from bmis.system.progress import progress_bar

CLEAN = "clean"
MUCH = 0.1  # Dice; who loses more has lost the object, or a good part of it


@dataclass(frozen=True)
class PerturbedScores:
    """What one perturbation does to the Dice of each image.

    Attributes:
        kind: What it is one of, such as "black border".
        name: The kind with its strength and side.
        dice: Dice of the perturbed images by case id, 0 to 1.
        change: Mean of perturbed minus clean, negative where Dice is lost.
        ci95: 95 % interval of that mean by Student's t; None below two images.
        lost: Share of the images that lose more than 0.1, 0 to 1.

    Example:
        >>> border, clean = PERTURBATIONS[0], {"a": 0.9, "b": 0.9}
        >>> scores = compare_with_clean(border, {"a": 0.5, "b": 0.9}, clean)
        >>> scores.change, scores.lost
        (-0.2, 0.5)
    """

    kind: str
    name: str
    dice: Mapping[str, float]
    change: float
    ci95: tuple[float, float] | None
    lost: float


@dataclass(frozen=True)
class Robustness:
    """The result of ``measure_robustness``.

    Attributes:
        model: Name of the network.
        checkpoint: File or folder of its weights.
        data: Dataset folder.
        split: Which of the images were perturbed.
        clean: Dice of the images as they are by case id, 0 to 1.
        scores: The perturbations, in the order of ``PERTURBATIONS``.
        failed: Images that could not be used, each with one line that says why.
        out: Folder with ``robustness.json`` and ``robustness.csv``.

    Example:
        >>> import bmis
        >>> found = bmis.measure_robustness("run", data="polyps", out="scores")
        >>> worst = min(found.scores, key=lambda one: one.change)
        >>> worst.change <= 0
        True
    """

    model: str
    checkpoint: Path
    data: Path
    split: str
    clean: Mapping[str, float]
    scores: tuple[PerturbedScores, ...]
    failed: tuple[tuple[Path, str], ...]
    out: Path

    def worst_of_each_kind(self) -> list[PerturbedScores]:
        """The most harmful perturbation of each kind, the most harmful kind first."""
        worst: dict[str, PerturbedScores] = {}
        for one in sorted(self.scores, key=lambda one: one.change):
            worst.setdefault(one.kind, one)
        return list(worst.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in ``robustness.json``; the single images are in ``robustness.csv``."""
        return {
            "model": self.model,
            "checkpoint": str(self.checkpoint),
            "data": str(self.data),
            "split": self.split,
            "images": len(self.clean),
            "clean_dice": float(np.mean(list(self.clean.values()))),
            "perturbations": [
                {
                    "kind": one.kind,
                    "name": one.name,
                    "change": one.change,
                    "ci95": one.ci95,
                    "lost": one.lost,
                }
                for one in self.scores
            ],
            "failed": [{"file": str(path), "why": why} for path, why in self.failed],
        }


def measure_robustness(
    run: Models,
    *,
    data: Path | str | None = None,
    split: str = "test",
    fold: int | str | None = None,
    out: Path | str | None = None,
    options: RuntimeOptions | None = None,
    postprocessing: Changes | None = None,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
) -> Robustness:
    """Score a trained network on perturbed images, each against the same image as it is.

    Writes ``robustness.json`` and ``robustness.csv`` into ``out``. Random perturbations follow from
    the name of the case, so every network meets the same images.

    Args:
        run: Bundle, run folder, ``.safetensors`` file, or name of a network in the package. Of
            several in a list the mean is scored, see ``evaluate_model``.
        data: Dataset folder; by default that of the training.
        split: "train", "val", "test", or "all".
        fold: Another fold than the training's.
        out: Folder for the results; see ``evaluate_model``.
        options: How the network is run.
        postprocessing: See ``load``.
        perturbations: Those that are tried.

    Raises:
        ConfigError: A setting is wrong, or the data set has other classes than the network.
        DataError: The data set cannot be used, or none of its images can be scored.
        BundleError: See ``load_runtime``.
        MissingExtraError: See ``load_runtime``.

    Example:
        >>> import bmis
        >>> found = bmis.measure_robustness("run", data="polyps", out="scores")
        >>> found.scores[0].name, len(found.scores)
        ('black border, 5 %, all sides', 46)
    """
    subject = open_subject(
        run,
        data=data,
        split=split,
        fold=fold,
        out=out,
        options=options,
        postprocessing=postprocessing,
    )
    with remove_if_empty(subject.folder):
        dice, failed = _score(subject.predictor, subject.dataset, subject.cases, perturbations)
    clean = dice.pop(CLEAN)
    found = Robustness(
        model=subject.info.model.name,
        checkpoint=subject.checkpoint,
        data=subject.dataset.root,
        split=split,
        clean=clean,
        scores=tuple(compare_with_clean(one, dice[one.name], clean) for one in perturbations),
        failed=failed,
        out=subject.folder,
    )
    write_json(found.out / "robustness.json", found.to_dict())
    write_text(found.out / "robustness.csv", to_csv(_rows(found)))
    return found


def compare_with_clean(
    perturbation: Perturbation, dice: Mapping[str, float], clean: Mapping[str, float]
) -> PerturbedScores:
    """The change of Dice image by image.

    Args:
        perturbation: What was done to the images.
        dice: Dice of the perturbed images by case id.
        clean: Dice of the same images as they are.

    Example:
        >>> border, clean = PERTURBATIONS[0], {"a": 0.9, "b": 0.9}
        >>> scores = compare_with_clean(border, {"a": 0.8, "b": 0.6}, clean)
        >>> [round(side, 3) for side in (scores.change, *scores.ci95)]
        [-0.2, -1.471, 1.071]
    """
    changes = np.array([dice[case] - value for case, value in clean.items()])
    return PerturbedScores(
        perturbation.kind,
        perturbation.name,
        dice,
        change=float(changes.mean()),
        ci95=student_interval(changes),
        lost=float((changes < -MUCH).mean()),
    )


def _rows(found: Robustness) -> Iterator[tuple[object, ...]]:
    """The lines of ``robustness.csv``."""
    yield ("id", "kind", "perturbation", "dice", "change")
    for case, value in found.clean.items():
        yield (case, CLEAN, CLEAN, value, 0.0)
        for one in found.scores:
            yield (case, one.kind, one.name, one.dice[case], one.dice[case] - value)


_Job = tuple[Case, Perturbation | None]  # None: the image as it is


@dataclass
class _Measurement:
    """The first and the last stage of one measurement, and its results so far."""

    predictor: Predictor
    dataset: Dataset
    advance: Callable[[], None]
    dice: dict[str, dict[str, float]]
    failed: dict[str, tuple[Path, str]] = field(default_factory=dict)
    _last: tuple[str, Sample] | None = None  # many perturbations of one image follow each other

    def read(self, job: _Job) -> tuple[tuple[_Job, Sample], Frame] | None:
        """First stage, in the reader's thread; None where a file is bad."""
        case, perturbation = job
        if case.id in self.failed:
            self.advance()
            return None
        try:
            with one_line_about(case.image):
                sample = self._load(case)
        except DataError as error:
            self.failed[case.id] = (case.image, str(error))
            self.advance()
            return None
        changed = sample if perturbation is None else perturbation(sample, case.id)
        return (job, changed), self.predictor.prepare(Image(changed.pixels))

    def _load(self, case: Case) -> Sample:
        if self._last is None or self._last[0] != case.id:
            image, labels = load_case(case, self.dataset)
            self._last = case.id, Sample(image.pixels, *load_counted(case, labels))
        return self._last[1]

    def score(self, inferred: tuple[tuple[_Job, Sample], FrameLogits | Mask]) -> None:
        """Third stage, in a thread of its own."""
        ((case, perturbation), sample), found = inferred
        scores = score_case(
            self.predictor.finish(found).labels,
            sample.labels,
            self.dataset.num_classes,
            field_of_view=sample.counted,
            distances=False,
        )
        name = CLEAN if perturbation is None else perturbation.name
        dice = scores.mean["dice"]
        assert dice is not None  # without foreground it is 1, or 0
        self.dice[name][case.id] = dice
        self.advance()


def _score(
    predictor: Predictor,
    dataset: Dataset,
    cases: Sequence[Case],
    perturbations: Sequence[Perturbation],
) -> tuple[dict[str, dict[str, float]], tuple[tuple[Path, str], ...]]:
    """Dice of each image by perturbation and case, and what could not be used."""
    jobs: list[_Job] = [(case, one) for case in cases for one in (None, *perturbations)]
    dice: dict[str, dict[str, float]] = {CLEAN: {}, **{one.name: {} for one in perturbations}}
    with progress_bar("robustness", total=len(jobs)) as bar:
        work = _Measurement(predictor, dataset, bar.update, dice)
        stream(jobs, work.read, partial(infer_read, predictor), work.score, batch=predictor.batch)
    failed = tuple(work.failed.values())
    if not dice[CLEAN]:
        raise DataError(f"no image of {len(cases)} can be scored; the first: {failed[0][1]}")
    return dice, failed
