"""One trial of a comparison: train, score and measure one network on one split of one data set."""

import base64
import io
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from bmis.config import ModelInfo, RuntimeOptions, TrainConfig
from bmis.data.folder import Case, Dataset, open_dataset
from bmis.data.images import read_image
from bmis.errors import BmisError, ConfigError, DataError, TrainingInterrupted
from bmis.evaluate.run import Scores, evaluate_model
from bmis.metrics import METRICS
from bmis.models import build_model, find_method, size_options
from bmis.models.plugins import load_plugins
from bmis.predict.predictor import Predictor
from bmis.profile.network import profile_model
from bmis.records import Conditions, Record, Trial
from bmis.runtime.load import load_runtime
from bmis.train.recipes import find_recipe
from bmis.train.run import train_model
from bmis.train.run_folder import LAST, environment
from bmis.train.trainer import Progress, read_progress

SPLIT_SEED = 0  # a split that has to be made is the same for every seed of the training
_PICTURES = 6  # masks kept of each data set
_LONGEST = 256  # pixels along their longer side
_DIGITS = 6
_log = logging.getLogger("bmis")


@dataclass(frozen=True)
class TrialSpec:
    """All that is needed to run a trial, on this machine or another.

    Attributes:
        trial: Which one.
        conditions: Under which rules.
        data: The data set's folder, on every machine.
        model: Name of the network.
        options: For its constructor.
        work: Folder for the run; an interrupted training is resumed from it.
        device: "auto", "cpu" or "cuda".
        precision: Of the training; see ``TrainConfig``.
        plugins: Files that register networks.
        alone: Whether no other trial runs beside it.
        keep: Whether ``work`` stays.
    """

    trial: Trial
    conditions: Conditions
    data: str
    model: str
    options: dict[str, Any]
    work: Path
    device: str = "auto"
    precision: str = "auto"
    plugins: tuple[str, ...] = ()
    alone: bool = True
    keep: bool = False


def run_trial(job: TrialSpec) -> Record:
    """Run a trial; what goes wrong in it is in the record.

    Raises:
        TrainingInterrupted: Ctrl-C; what was trained is kept in ``job.work``.
        ConfigError: A plugin cannot be run.
    """
    load_plugins(job.plugins)
    try:
        record = _run(job)
    except TrainingInterrupted:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, BmisError):  # not foreseen: the log tells where
            _log.exception("%s failed", job.trial)
            reason = f"{type(error).__name__}: {reason}"
        return _record(job, status="failed", reason=reason)
    if not job.keep:
        shutil.rmtree(job.work, ignore_errors=True)
    return record


def measure_again(job: TrialSpec, record: Record) -> Record:
    """The record with the costs as they are measured now; scores and training stay.

    For trials that were run beside other work, or on another machine than the rest.
    """
    load_plugins(job.plugins)
    dataset = open_dataset(job.data, fold=job.trial.fold, seed=SPLIT_SEED)
    return replace(record, costs=_costs(job, dataset))


def fingerprint(cases: Iterable[Case]) -> str:
    """The same for the same images, divided in the same way and counted inside or whole alike."""
    lines = sorted(
        f"{case.id}\t{case.split}" + ("" if case.field_of_view is None else "\tfov")
        for case in cases
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def _run(job: TrialSpec) -> Record:
    dataset = open_dataset(job.data, fold=job.trial.fold, seed=SPLIT_SEED)
    costs = _costs(job, dataset)
    config = TrainConfig(
        data=job.data,
        model=job.model,
        options=job.options,
        recipe=job.conditions.recipe,
        epochs=job.conditions.epochs,
        size=job.conditions.size,
        resize=job.conditions.resize,
        fold=job.trial.fold,
        seed=job.trial.seed,
        split_seed=SPLIT_SEED,
        device=job.device,
        precision=job.precision,
    )
    train_model(config, out=job.work)
    options = RuntimeOptions(device=job.device)
    scores = evaluate_model(job.work, data=job.data, options=options)
    if scores.failed:  # other images than those of the other methods
        raise DataError(f"{len(scores.failed)} bad test images, the first: {scores.failed[0][1]}")
    predictor = Predictor(*load_runtime(job.work, options))
    return _record(
        job,
        status="done",
        data={
            "path": job.data,
            "fingerprint": fingerprint(dataset.cases),
            **{split: len(dataset.split(split)) for split in ("train", "val", "test")},
            "classes": list(dataset.classes),
            "unit": scores.unit,
            "fields_of_view": scores.fields_of_view,
        },
        training=_training(predictor.info, read_progress(job.work / LAST)),
        costs=costs,
        summary=dict(scores.summary),
        cases=_cases(scores),
        masks=_masks(predictor, dataset.split("test")),
    )


def _record(job: TrialSpec, *, status: str, **parts: Any) -> Record:
    method = find_method(job.model)
    return Record(
        trial=job.trial,
        conditions=job.conditions,
        status=status,
        model={
            "name": job.model,
            "options": job.options,
            **{name: getattr(method, name) for name in ("family", "group", "source", "licence")},
        },
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        **parts,
    )


def _costs(job: TrialSpec, dataset: Dataset) -> dict[str, Any]:
    """Of a fresh network of this data set's channels and classes, before it is trained."""
    options = size_options(job.model, job.options, job.conditions.size)
    channels, classes = dataset.channels, dataset.num_classes
    model = build_model(job.model, in_channels=channels, num_classes=classes, **options)
    batch = find_recipe(job.conditions.recipe).batch_size
    profile = profile_model(
        model, size=job.conditions.size, batches=(1, batch), device=job.device, seconds=0.5
    )
    one, many = profile.batches
    if many.training_mb is None:
        height, width = job.conditions.size
        raise ConfigError(
            f"not enough memory to train with {batch} images of {height}x{width} pixels; "
            "use a smaller --size or a machine with more memory"
        )
    return {
        **{key: getattr(profile, key) for key in ("parameters", "macs", "weights_mb")},
        "training_mb": many.training_mb,
        "inference_mb": one.inference_mb,
        "latency_p50_ms": one.latency_p50_ms,
        "latency_p95_ms": one.latency_p95_ms,
        "images_per_second": many.images_per_second,
        "step_ms": many.step_ms,
        "batch": batch,
        **{key: getattr(profile, key) for key in ("device", "device_name", "threads", "precision")},
        "alone": job.alone,
    }


def _training(info: ModelInfo, done: Progress) -> dict[str, Any]:
    return {
        "batch_size": info.provenance["recipe"]["batch_size"],
        "precision": info.provenance["precision"],
        "best_epoch": done.best_epoch,
        "seconds": sum(row["seconds"] for row in done.log),
        "seconds_per_epoch": median(row["train_seconds"] for row in done.log),
        "log": [{key: round(value, _DIGITS) for key, value in row.items()} for row in done.log],
    }


def _cases(scores: Scores) -> dict[str, Any]:
    columns: dict[str, Any] = {"id": list(scores.cases)}
    for metric in METRICS:
        values = scores.values(metric).values()
        columns[metric] = [None if value is None else round(value, _DIGITS) for value in values]
    return columns


def _masks(predictor: Predictor, cases: Sequence[Case]) -> dict[str, str]:
    """What the network makes of a few images, chosen by nothing but their ids."""
    chosen = sorted(cases, key=lambda case: sha256(case.id.encode()).digest())[:_PICTURES]
    masks = {}
    for case in chosen:
        image = read_image(case.image, channels=predictor.info.input.channels)
        masks[case.id] = _encode(predictor(image).labels)
    return masks


def _encode(labels: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """A label image as PNG in base64, thinned out to ``_LONGEST`` pixels."""
    picture = PillowImage.fromarray(labels)
    picture.thumbnail((_LONGEST, _LONGEST), PillowImage.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")
