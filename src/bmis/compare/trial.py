"""One trial of a comparison: train, score and measure one network on one split of one data set."""

import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bmis.compare.costs import measure_costs
from bmis.compare.pictures import predict_pictures
from bmis.compare.spec import SPLIT_SEED, TrialSpec
from bmis.config import ModelInfo, RuntimeOptions, TrainConfig
from bmis.data.cases import Dataset
from bmis.data.fingerprint import changed_parts, content_fingerprints, split_fingerprint
from bmis.data.folder import open_dataset
from bmis.errors import BmisError, DataError, TrainingInterrupted, is_out_of_memory
from bmis.evaluate.run import Scores, evaluate_model
from bmis.metrics import METRICS
from bmis.models import find_method, initial_weights
from bmis.models.plugins import load_plugins, plugin_of
from bmis.predict.predictor import Predictor
from bmis.records import Record
from bmis.runtime.load import load_runtime
from bmis.system.files import output_folder, write_json
from bmis.train.resume import LAST_CHECKPOINT, Progress, read_progress
from bmis.train.run import train_model
from bmis.train.run_folder import environment
from bmis.wording import counted

_DIGITS = 6
_log = logging.getLogger("bmis")


def run_trial(spec: TrialSpec) -> Record:
    """Run a trial; an error in it becomes a record of a failed trial.

    Raises:
        TrainingInterrupted: Ctrl-C; what was trained is kept in ``spec.work``.
        ConfigError: A plugin cannot be run.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Trial
        >>> trial = Trial("polyps", "bmis")
        >>> spec = TrialSpec(trial, Conditions(), "nowhere", "bmis", {}, work=Path("work"))
        >>> record = run_trial(spec)
        >>> record.status, record.reason
        ('failed', 'nowhere: there is no such folder; ...')
    """
    load_plugins(spec.plugins)
    try:
        record = _run(spec)
    except TrainingInterrupted:
        raise
    except Exception as error:
        return failed_record(spec, error)
    if not spec.keep:
        shutil.rmtree(spec.work, ignore_errors=True)
    return record


def failed_record(spec: TrialSpec, error: Exception) -> Record:
    """The record of a trial that failed for this reason.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Trial
        >>> spec = TrialSpec(Trial("polyps", "bmis"), Conditions(), "polyps", "bmis", {}, Path())
        >>> failed_record(spec, DataError("polyps: there is no such folder")).status
        'failed'
    """
    return _make_record(
        spec, status="failed", reason=_reason(spec, error), environment=environment()
    )


def _reason(spec: TrialSpec, error: Exception) -> str:
    """One line on why a trial failed; the log holds the traceback of what was not foreseen."""
    if isinstance(error, BmisError):
        return " ".join(str(error).split())
    _log.error("%s failed", spec.trial, exc_info=error)
    if is_out_of_memory(error):
        return "not enough memory; choose a smaller size or a larger machine"
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def _run(spec: TrialSpec) -> Record:
    dataset = open_dataset(spec.data, fold=spec.trial.fold, seed=SPLIT_SEED)
    content = content_fingerprints(dataset)  # before the training, which may take days
    state = _start_over_if_changed(spec, content)
    costs = measure_costs(spec, dataset) if spec.costs is None else spec.costs
    train_model(train_config(spec), out=spec.work, page=spec.keep)
    options = RuntimeOptions(device=spec.device)
    scores = evaluate_model(spec.work, data=spec.data, options=options)
    if scores.failed:  # the other methods would be scored on other images
        raise DataError(
            f"{counted(len(scores.failed), 'bad test image')}, the first: {scores.failed[0][1]}"
        )
    predictor = Predictor(*load_runtime(spec.work, options))
    state.unlink(missing_ok=True)
    return _make_record(
        spec,
        status="done",
        data=_describe_data(spec, dataset, scores) | {"content": content},
        training=_describe_training(predictor.info, read_progress(spec.work / LAST_CHECKPOINT)),
        costs=costs,
        summary=dict(scores.summary),
        cases=_case_columns(scores),
        masks=predict_pictures(predictor, dataset.split("test")),
        environment=predictor.info.provenance["environment"],
    )


def _start_over_if_changed(spec: TrialSpec, content: dict[str, str]) -> Path:
    """Remove a training that was begun on other files; the file that tells them from these."""
    state = spec.work.with_name(f".{spec.work.name}.data")
    if changed := changed_parts(_read(state), content):
        _log.warning("%s: other %s than before; starting over", spec.trial, ", ".join(changed))
        shutil.rmtree(spec.work, ignore_errors=True)
    write_json(output_folder(state.parent) / state.name, content)
    return state


def _read(state: Path) -> object:
    try:
        return json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no training was begun


def train_config(spec: TrialSpec) -> TrainConfig:
    """The settings of a trial's training.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Trial
        >>> trial = Trial("polyps", "bmis", seed=3)
        >>> train_config(TrialSpec(trial, Conditions(), "polyps", "bmis", {}, Path())).seed
        3
    """
    return TrainConfig(
        data=spec.data,
        model=spec.model,
        options=spec.options,
        recipe=spec.conditions.recipe,
        epochs=spec.conditions.epochs,
        size=spec.conditions.size,
        resize=spec.conditions.resize,
        fold=spec.trial.fold,
        seed=spec.trial.seed,
        split_seed=SPLIT_SEED,
        learning_rate=spec.learning_rate,
        device=spec.device,
        precision=spec.precision,
        threads=spec.threads,
        plugins=spec.plugins,
    )


def _make_record(spec: TrialSpec, *, status: str, **parts: Any) -> Record:
    method, plugin = find_method(spec.model), plugin_of(spec.model)
    return Record(
        trial=spec.trial,
        conditions=spec.conditions,
        status=status,
        model={
            "name": spec.model,
            "options": spec.options,
            "weights": initial_weights(spec.model, spec.options),
            **{name: getattr(method, name) for name in ("family", "group", "source", "licence")},
            **({"plugin": plugin} if plugin else {}),
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        **parts,
    )


def _describe_data(spec: TrialSpec, dataset: Dataset, scores: Scores) -> dict[str, Any]:
    return {
        "path": spec.data,
        "fingerprint": split_fingerprint(dataset.cases),
        **{split: len(dataset.split(split)) for split in ("train", "val", "test")},
        "classes": list(dataset.classes),
        "unit": scores.unit,
        "fields_of_view": scores.fields_of_view,
    }


def _describe_training(info: ModelInfo, done: Progress) -> dict[str, Any]:
    return {
        "batch_size": info.provenance["recipe"]["batch_size"],
        "recipe": info.provenance["recipe"],
        "precision": info.provenance["precision"],
        "best_epoch": done.best_epoch,
        "seconds": done.seconds,
        "seconds_per_epoch": median(row["train_seconds"] for row in done.log),
        "log": [{key: round(value, _DIGITS) for key, value in row.items()} for row in done.log],
    }


def _case_columns(scores: Scores) -> dict[str, Any]:
    """The ids of the test images and a column for each metric."""
    columns: dict[str, Any] = {"id": list(scores.cases)}
    for metric in METRICS:
        values = scores.values(metric).values()
        columns[metric] = [None if value is None else round(value, _DIGITS) for value in values]
    return columns
