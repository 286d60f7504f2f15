"""The verb ``train``: a dataset folder in, a run folder with the best weights out."""

import logging
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from lightning.fabric import Fabric

from bmis.config import InputSpec, ModelConfig, ModelInfo, TrainConfig
from bmis.data.folder import Case, Dataset, open_dataset
from bmis.errors import (
    ConfigError,
    DataError,
    TrainingError,
    TrainingInterrupted,
    is_out_of_memory,
)
from bmis.models import build_model, size_options
from bmis.system.files import output_folder, remove_if_empty
from bmis.system.progress import progress_bar
from bmis.train.cached_dataset import CachedDataset
from bmis.train.distillation import Teacher, read_teacher
from bmis.train.fabric import launch
from bmis.train.recipes import Recipe, find_recipe
from bmis.train.run_folder import (
    LAST,
    check_run,
    default_run,
    environment,
    write_epoch,
    write_settings,
)
from bmis.train.sources import canonical_source
from bmis.train.trainer import Progress, Trainer, read_progress
from bmis.train.warm_start import WarmStart, read_start

_log = logging.getLogger("bmis")


@dataclass(frozen=True)
class TrainResult:
    """What ``train_model`` did.

    Attributes:
        run: The run folder.
        epochs: Epochs done in all.
        best_epoch: The epoch, from 1, whose weights are in ``model.safetensors``.
        val_iou: Of that epoch, mean over the validation images at the network's size.
        val_dice: Likewise.
        seconds: Of this call, from the first step on; 0 if the run was finished before.
        images_per_second: Training images over ``seconds``, validation included; 0 likewise.
    """

    run: Path
    epochs: int
    best_epoch: int
    val_iou: float
    val_dice: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True, eq=False)
class _Job:
    """All that stays the same when the batch has to be made smaller."""

    config: TrainConfig
    dataset: Dataset
    fabric: Fabric
    stores: Mapping[str, CachedDataset]
    run: Path
    start: WarmStart | None
    teacher: Teacher | None


def train_model(config: TrainConfig, *, out: Path | str | None = None) -> TrainResult:
    """Train a network, or go on where an interrupted call with the same settings stopped.

    With several devices the calling script is run once for each, as Lightning Fabric does; all of
    them return the same result.

    Args:
        config: What to do.
        out: Run folder; by default ``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``.

    Raises:
        BundleError: The file of weights to start or to learn from is missing, damaged or foreign.
        ConfigError: A setting is wrong, the folder holds a run with other settings, the weights
            to start from are of another network, or the teacher sees other images or classes.
        DataError: The data set cannot be used.
        MissingExtraError: TensorBoard is asked for and not installed.
        TrainingError: The loss is not a number, or not even one image fits into memory.
        TrainingInterrupted: Ctrl-C; the last whole epoch is kept.
    """
    recipe = find_recipe(
        config.recipe, batch_size=config.batch_size, learning_rate=config.learning_rate
    )
    config = _absolute(_check_model(config))
    start = read_start(config)
    dataset = open_dataset(config.data, fold=config.fold, seed=_split_seed(config))
    teacher = read_teacher(config, dataset)
    cases = _cases(dataset, processes=config.devices * config.nodes)
    run = output_folder(Path(out) if out else default_run(config, dataset.name))
    check_run(run, config)
    done = read_progress(run / LAST) if (run / LAST).exists() else Progress()
    if done.epoch >= config.epochs:
        return _result(run, done, images=0, seconds=0.0)
    fabric = launch(config, run)
    if teacher:
        teacher.model.to(fabric.device)
    spec = InputSpec(size=config.size, channels=dataset.channels, resize=config.resize)
    with remove_if_empty(run):
        stores = {
            split: CachedDataset(chosen, dataset, spec, fabric.device, scratch=run)
            for split, chosen in cases.items()
        }
    if fabric.is_global_zero:
        write_settings(run, config)
    begun = time.perf_counter()
    done, images = _train(_Job(config, dataset, fabric, stores, run, start, teacher), recipe)
    return _result(run, done, images=images, seconds=time.perf_counter() - begun)


def _check_model(config: TrainConfig) -> TrainConfig:
    """Build the network once, before any image is read, to refuse what does not fit.

    A network that is built for one size gets the training's.
    """
    config = replace(config, options=size_options(config.model, config.options, config.size))
    model = build_model(config.model, **config.options)
    height, width = model.valid_size(*config.size)
    if (height, width) != config.size:
        raise ConfigError(
            f"{config.model} does not take {config.size[0]}x{config.size[1]} pixels; "
            f"the next size that it takes is --size {height},{width}"
        )
    return config


def _split_seed(config: TrainConfig) -> int:
    return config.seed if config.split_seed is None else config.split_seed


def _absolute(config: TrainConfig) -> TrainConfig:
    """Paths that hold from any working directory, for those who read the run folder later."""
    fold = config.fold
    if isinstance(fold, str):
        fold = int(fold) if fold.isdecimal() else str(Path(fold).resolve())
    init, teacher = (
        source and canonical_source(source) for source in (config.init, config.teacher)
    )
    data = str(Path(config.data).resolve())
    return replace(config, data=data, fold=fold, init=init, teacher=teacher)


def _cases(dataset: Dataset, *, processes: int) -> dict[str, tuple[Case, ...]]:
    """The cases to train on and those to choose the epoch by."""
    try:
        cases = {split: dataset.split(split) for split in ("train", "val")}
    except DataError as error:
        raise DataError(
            f"{error}; training needs train and val: name them in splits.csv, or use --fold"
        ) from error
    if len(cases["train"]) < processes:
        raise ConfigError(
            f"{len(cases['train'])} training images cannot be shared by {processes} processes; "
            "use fewer --devices or --nodes"
        )
    return cases


def _result(run: Path, done: Progress, *, images: int, seconds: float) -> TrainResult:
    best = done.log[done.best_epoch - 1]
    return TrainResult(
        run=run,
        epochs=done.epoch,
        best_epoch=done.best_epoch,
        val_iou=best["val_iou"],
        val_dice=best["val_dice"],
        seconds=seconds,
        images_per_second=images / seconds if seconds else 0.0,
    )


def _train(job: _Job, recipe: Recipe) -> tuple[Progress, int]:
    """All epochs that are left, in smaller batches if memory runs out; progress and images."""
    while True:
        try:
            return _attempt(job, recipe)  # a call, so that nothing of it is left when it fails
        except (RuntimeError, MemoryError) as error:
            recipe = _smaller(recipe, error, processes=job.fabric.world_size)
        if job.fabric.device.type == "cuda":
            torch.cuda.empty_cache()


def _attempt(job: _Job, recipe: Recipe) -> tuple[Progress, int]:
    """Train from the last checkpoint to the last epoch; progress, and the images passed."""
    config, spec = job.config, job.stores["train"].spec
    torch.manual_seed(config.seed)  # the weights
    classes = {"in_channels": spec.channels, "num_classes": job.dataset.num_classes}
    model = build_model(config.model, **classes, **config.options)
    last = job.run / LAST
    if job.start and not last.exists():
        job.start.apply(model)
    trainer = Trainer(
        job.fabric,
        model,
        recipe,
        epochs=config.epochs,
        seed=config.seed,
        compiled=config.compile,
        teacher=job.teacher,
    )
    if last.exists():
        trainer.load(last)
        _log.info("resuming after epoch %d", trainer.progress.epoch)
    try:
        images = _fit(trainer, job, _info(job, recipe))
    except KeyboardInterrupt:
        done = read_progress(last).epoch if last.exists() else 0  # the last one may be unsaved
        kept = f"to go on from {last}" if done else "to start again; no epoch was finished"
        raise TrainingInterrupted(
            f"stopped after epoch {done} of {config.epochs}; give the same command again {kept}"
        ) from None
    return trainer.progress, images


def _fit(trainer: Trainer, job: _Job, info: ModelInfo) -> int:
    """The epochs that are left; the number of images passed."""
    fabric, train, images = job.fabric, job.stores["train"], 0
    total = trainer.epochs * len(train) * train.crops_per_image()
    with progress_bar(disable=not fabric.is_global_zero) as bar:
        task = bar.add_task(
            "training", total=total, completed=total * trainer.progress.epoch // trainer.epochs
        )

        def step_done(count: int) -> None:
            nonlocal images
            images += count
            bar.advance(task, count)

        while trainer.progress.epoch < trainer.epochs:
            start = time.perf_counter()
            row = trainer.train_epoch(train, step_done)
            row["train_seconds"] = time.perf_counter() - start
            row |= trainer.validate(job.stores["val"])
            row["seconds"] = time.perf_counter() - start
            better = trainer.record(row)
            fabric.log_dict(row, step=trainer.progress.epoch)
            if fabric.is_global_zero:
                write_epoch(trainer, job.run, info, better=better)
                _log.info("%s  %.1f s", _describe(trainer), row["seconds"])
            completed = total * trainer.progress.epoch // trainer.epochs
            bar.update(task, description=_describe(trainer), completed=completed)
    fabric.barrier()
    return images


def _describe(trainer: Trainer) -> str:
    done, row = trainer.progress, trainer.progress.log[-1]
    return (
        f"epoch {done.epoch}/{trainer.epochs}  loss {row['loss']:.3f}  val IoU "
        f"{row['val_iou']:.3f}  Dice {row['val_dice']:.3f}  best epoch {done.best_epoch}"
    )


def _info(job: _Job, recipe: Recipe) -> ModelInfo:
    config, dataset, spec = job.config, job.dataset, job.stores["train"].spec
    return ModelInfo(
        model=ModelConfig(config.model, spec.channels, dataset.num_classes, config.options),
        input=spec,
        classes=dataset.classes,
        provenance={
            "data": dataset.name,
            "licence": dataset.licence,
            "recipe": {"name": config.recipe, **recipe.to_dict()},
            "epochs": config.epochs,
            "fold": config.fold,
            "seed": config.seed,
            "split_seed": _split_seed(config),
            "init": job.start.provenance if job.start else None,
            "teacher": job.teacher.provenance if job.teacher else None,
            "precision": str(job.fabric.strategy.precision.precision),
            "environment": environment(),
        },
    )


def _smaller(recipe: Recipe, error: BaseException, *, processes: int) -> Recipe:
    """The recipe with half the batch if memory ran out; otherwise the error again."""
    if not is_out_of_memory(error):
        raise error
    if processes > 1:  # the others cannot know, and wait for this one's gradients
        raise TrainingError(
            f"out of memory with a batch of {recipe.batch_size} over {processes} processes; "
            "use a smaller --batch-size or --size"
        ) from error
    if recipe.batch_size == 1:
        raise TrainingError(
            "out of memory even with one image at a time; use a smaller --size or model"
        ) from error
    half = recipe.batch_size // 2
    warnings.warn(
        f"out of memory with a batch of {recipe.batch_size}; going on with {half}", stacklevel=2
    )
    return replace(recipe, batch_size=half)
