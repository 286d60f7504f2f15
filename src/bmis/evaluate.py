"""The verb ``evaluate``: a trained network and labelled images in, scores and pictures out.

What the numbers mean stands in ``docs/reference/metrics.md``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from bmis.bundle import SUFFIX
from bmis.config import ModelInfo, RuntimeOptions
from bmis.data.folder import Case, Dataset, find_cases, load_case
from bmis.data.images import read_mask
from bmis.data.labels import class_names, count_classes, value_counts
from bmis.data.scan import each
from bmis.errors import ConfigError, DataError
from bmis.extremes import draw_extremes
from bmis.files import output_folder
from bmis.metrics import DEFAULT_TOLERANCE, CaseScore, score_case, summarise_cases
from bmis.predictor import Frame, Mask, Predictor
from bmis.progress import progress_bar, track
from bmis.runtime import load_runtime
from bmis.scores import Scores, read_case_values, render, write_scores
from bmis.streaming import stream

__all__ = ["Scores", "evaluate_model", "read_case_values", "render"]


def evaluate_model(
    run: Path | str,
    *,
    data: Path | str | None = None,
    split: str = "test",
    fold: int | str | None = None,
    out: Path | str | None = None,
    options: RuntimeOptions | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Scores:
    """Score a trained network on the images of a split, at their own size.

    Writes ``cases.csv``, ``metrics.json`` and ``overlays/`` into ``out``. Images and masks that
    cannot be read are listed in the answer's ``failed``; the others are scored. A network that
    cannot judge an image stops the evaluation: what it fails on must not drop out of its mean.

    Args:
        run: Bundle, run folder of ``bmis train``, or ``.safetensors`` file.
        data: Dataset folder; the one of the training by default. The fold and the seed of the
            training hold for it too, so that no training image gets into the test split of a
            data set that was moved.
        split: "train", "val", "test", or "all" for every image of the data set.
        fold: Another fold than the training's: a number or the path of a CSV file.
        out: By default the run folder; for a bundle a folder beside it with its name, so that it
            does not take the place of the run's own scores.
        options: How the network is run; the defaults where left out.
        tolerance: Of ``nsd``, in millimetres where the data set tells its spacing, else pixels.

    Raises:
        ConfigError: A setting is wrong, or the data set has other classes than the network.
        DataError: The data set cannot be used, none of its images can be scored, or ``out``
            cannot be written to.
        BundleError: See ``runtime.load_runtime``.
        MissingExtraError: See ``runtime.load_runtime``.
    """
    run = Path(run)
    runtime, info = load_runtime(run, options)
    told = _training(run, info)
    root = _data_folder(run, told, data)
    fold = told["fold"] if fold is None else fold
    dataset = _open(root, fold, told["seed"], info)
    chosen = dataset.cases if split == "all" else dataset.split(split)
    folder = output_folder(_home(run) if out is None else Path(out))
    predictor = Predictor(runtime, info)
    cases, failed = _score(predictor, dataset, chosen, tolerance)
    scores = Scores(
        model=info.model.name,
        checkpoint=run,
        data=root,
        split=split,
        fold=fold,
        seed=told["seed"],
        classes=dataset.classes,
        unit="px" if dataset.spacing is None else "mm",
        tolerance=tolerance,
        cases=cases,
        failed=failed,
        summary=summarise_cases(list(cases.values()), dataset.classes),
        out=folder,
        overlays=draw_extremes(predictor, dataset, cases, folder / "overlays"),
    )
    write_scores(scores)
    return scores


def _home(run: Path) -> Path:
    if run.suffix.lower() == SUFFIX:
        return run.with_suffix("")
    return run if run.is_dir() else run.parent


def _training(run: Path, info: ModelInfo) -> dict[str, Any]:
    """Data, fold and seed of the split: from the run's ``config.yaml``, else what is in ``run``."""
    names = ("data", "fold", "seed", "split_seed")
    # in the weights "data" is but the data set's name, no path
    told = {"data": None, "fold": None, "seed": 0, "split_seed": None}
    told |= {name: info.provenance[name] for name in names[1:] if name in info.provenance}
    source, file = run, _home(run) / "config.yaml"
    try:
        if run.suffix.lower() != SUFFIX and file.is_file():  # a bundle may lie beside any
            source = file
            config = yaml.safe_load(file.read_text(encoding="utf-8"))
            told |= {name: config[name] for name in names if name in config}
        chosen = told["seed"] if told["split_seed"] is None else told["split_seed"]
        seed = int(chosen or 0)
    except (OSError, ArithmeticError, ValueError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{source}: cannot be read ({reason}); restore it, or remove it") from error
    if not 0 <= seed < 2**32 or not isinstance(told["fold"], int | str | None):
        raise DataError(
            f"{source}: tells of the seed {seed} and the fold {told['fold']!r}, which cannot be; "
            "restore it"
        )
    return told | {"seed": seed}


def _data_folder(run: Path, told: Mapping[str, Any], data: Path | str | None) -> Path:
    if data is not None:
        return Path(data)
    if told["data"] is None:
        raise ConfigError(f"{run}: does not tell its data set; name one with --data")
    root = Path(told["data"])
    if not root.exists():
        raise DataError(
            f"{root}: the data set of the training is not here; say where it is with --data"
        )
    return root


def _open(root: Path, fold: int | str | None, seed: int, info: ModelInfo) -> Dataset:
    """``open_dataset`` for a known network, which stops at no file that cannot be read."""
    found = find_cases(root, fold=fold, seed=seed)
    told = found.description
    judged = max(2, info.model.num_classes)  # one logit tells two classes apart
    classes = told.classes or _count_classes(found.cases)
    if classes and len(classes) != judged:
        raise ConfigError(
            f"{root}: has {len(classes)} classes ({', '.join(classes)}), the network {judged} "
            f"({', '.join(info.classes)}); choose other data, or name its classes in dataset.yaml "
            "if some do not occur in it"
        )
    return Dataset(
        root,
        told.name or root.resolve().name,
        found.cases,
        classes or class_names(judged),
        info.input.channels,
        told.spacing,
        told.modality,
        told.licence,
    )


def _count_classes(cases: Sequence[Case]) -> tuple[str, ...]:
    """Names for the classes in all masks that can be read; the others are reported later."""

    def values(path: Path) -> tuple[Path, tuple[int, ...]] | None:
        try:
            return path, tuple(value_counts(read_mask(path)))
        except DataError:
            return None

    masks = [mask for case in cases for mask in case.masks]
    found = [
        mask for mask in track(each(values, masks), "looking at masks", total=len(masks)) if mask
    ]
    return class_names(count_classes(found)) if found else ()


@dataclass
class _Scoring:
    """The three stages for one evaluation, and what they found out."""

    predictor: Predictor
    dataset: Dataset
    tolerance: float
    advance: Callable[[], None]
    cases: dict[str, CaseScore] = field(default_factory=dict)
    failed: list[tuple[Path, str]] = field(default_factory=list)

    def read(self, case: Case) -> tuple[Case, Frame, NDArray[np.uint8]] | None:
        """In the reader's thread; None where a file is bad."""
        try:
            image, truth = load_case(case, self.dataset)
            return case, self.predictor.prepare(image), truth
        except (DataError, MemoryError) as error:
            why = str(error) or f"{case.image}: not enough memory; use a larger machine"
            self.failed.append((case.image, why))
            self.advance()
            return None

    def judge(
        self, group: Sequence[tuple[Case, Frame, NDArray[np.uint8]] | None]
    ) -> list[tuple[Case, Callable[[], Mask], NDArray[np.uint8]]]:
        """In the caller's thread."""
        good = [one for one in group if one is not None]
        finishes = self.predictor.judge([frame for _, frame, _ in good]) if good else []
        return [
            (case, finish, truth) for (case, _, truth), finish in zip(good, finishes, strict=True)
        ]

    def score(self, judged: tuple[Case, Callable[[], Mask], NDArray[np.uint8]]) -> None:
        """In a third thread, so that the distances overlap with the network."""
        case, finish, truth = judged
        self.cases[case.id] = score_case(
            finish().labels,
            truth,
            self.dataset.num_classes,
            self.dataset.spacing,
            self.tolerance,
        )
        self.advance()


def _score(
    predictor: Predictor, dataset: Dataset, cases: Sequence[Case], tolerance: float
) -> tuple[dict[str, CaseScore], tuple[tuple[Path, str], ...]]:
    with progress_bar() as bar:
        task = bar.add_task("evaluate", total=len(cases))
        job = _Scoring(predictor, dataset, tolerance, partial(bar.advance, task))
        stream(cases, job.read, job.judge, job.score, batch=predictor.batch)
    if not job.cases:
        raise DataError(f"none of {len(cases)} images can be scored; the first: {job.failed[0][1]}")
    return job.cases, tuple(job.failed)
