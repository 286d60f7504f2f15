"""The command ``train``: a dataset folder in, a run folder with the best weights out."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning.fabric import Fabric

from bmis.config import InputSpec, ModelConfig, ModelInfo, TrainConfig
from bmis.data.cases import Case, Dataset
from bmis.data.fingerprint import split_fingerprint
from bmis.data.folder import open_dataset
from bmis.data.label_checks import label_warnings
from bmis.data.on_error import raise_together, warn_once
from bmis.data.split_checks import warn_of_splits
from bmis.errors import (
    ConfigError,
    DataError,
    TrainingError,
    TrainingInterrupted,
    is_out_of_memory,
)
from bmis.importing.suggest import warn_of_masks
from bmis.models import build_model, initial_weights
from bmis.models.plugins import check_given, load_plugins
from bmis.system.files import output_folder, remove_if_empty
from bmis.train.batches import is_one_value_per_channel
from bmis.train.cached_dataset import CachedDataset
from bmis.train.distillation import Teacher, read_teacher
from bmis.train.epochs import run_epochs
from bmis.train.fabric import launch_fabric
from bmis.train.out_of_memory import halve_batch
from bmis.train.recipes import Recipe, find_recipe
from bmis.train.resume import LAST_CHECKPOINT, Progress, read_progress
from bmis.train.run_folder import (
    check_run_folder,
    default_run_folder,
    environment,
    write_settings,
)
from bmis.train.settings import resolve_config, split_seed
from bmis.train.trainer import Trainer
from bmis.train.warm_start import WarmStart, read_warm_start
from bmis.wording import counted

_log = logging.getLogger("bmis")


@dataclass(frozen=True)
class TrainResult:
    """What ``train_model`` did.

    Attributes:
        run: The run folder.
        epochs: Number of epochs done in all.
        best_epoch: The epoch, from 1, whose weights are in ``model.safetensors``.
        val_iou: IoU of that epoch, mean over the validation images at the network's size.
        val_dice: Dice of that epoch, mean over the same images.
        seconds: Time of all epochs, validation included, whichever calls trained them.
        images_per_second: Training images over ``seconds``.
        resumed_after: How many of the epochs earlier calls did; 0 if there were none.

    Example:
        >>> config = TrainConfig("polyps", "unet", {"widths": [4, 8]}, epochs=1, size=(64, 64))
        >>> result = train_model(config, out="polyps-run")
        >>> result.epochs, result.best_epoch
        (1, 1)
    """

    run: Path
    epochs: int
    best_epoch: int
    val_iou: float
    val_dice: float
    seconds: float
    images_per_second: float
    resumed_after: int = 0


@dataclass(frozen=True, eq=False)
class _Session:
    """All that stays the same when the batch has to be made smaller."""

    config: TrainConfig
    dataset: Dataset
    fabric: Fabric
    cached: Mapping[str, CachedDataset]
    run: Path
    start: WarmStart | None
    teacher: Teacher | None


def train_model(config: TrainConfig, *, out: Path | str | None = None) -> TrainResult:
    """Train a network, or go on where an interrupted call with the same settings stopped.

    With several devices the calling script is run once for each, as Lightning Fabric does; all of
    them return the same result.

    Args:
        config: Data set, network, recipe and everything else about the training.
        out: Run folder; by default ``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``.

    Raises:
        BundleError: The file of weights to start or to learn from is missing, damaged or not of
            bmis.
        ConfigError: A setting is wrong, the folder holds a run with other settings, the weights
            to start from are of another network, or the teacher sees other images or classes.
        DataError: The data set cannot be used.
        MissingExtraError: TensorBoard is wanted and not installed.
        TrainingError: The loss is not a number, or not even one image fits into memory.
        TrainingInterrupted: Ctrl-C; the last whole epoch is kept.

    Example:
        >>> config = TrainConfig("polyps", "unet", {"widths": [4, 8]}, epochs=1, size=(64, 64))
        >>> run = train_model(config, out="polyps-run").run
        >>> sorted(file.name for file in run.iterdir())
        ['config.yaml', 'environment.json', 'last.ckpt', 'log.csv', 'model.safetensors']
        >>> train_model(config, out="polyps-run").resumed_after  # it is finished
        1
    """
    load_plugins(config.plugins)
    for earlier in (out, config.init):
        if earlier is not None:
            check_given(config.model, Path(earlier))
    recipe = find_recipe(
        config.recipe,
        config.changes,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        patience=config.patience,
    )
    config = resolve_config(config)
    start = read_warm_start(config)
    warn_of_masks(Path(config.data))
    dataset = open_dataset(config.data, fold=config.fold, seed=split_seed(config))
    if start:
        start.check_classes(dataset.classes)
    teacher = read_teacher(config, dataset)
    warn_of_splits(dataset)
    cases = _select_cases(dataset, processes=config.devices * config.nodes)
    run = output_folder(Path(out) if out else default_run_folder(config, dataset.name))
    check_run_folder(run, config)
    last = run / LAST_CHECKPOINT
    done = read_progress(last) if last.exists() else Progress()
    if done.is_over(config.epochs, recipe.patience):
        return _result(run, done, resumed_after=done.epoch)
    fabric = launch_fabric(config, run)
    if teacher:
        teacher.model.to(fabric.device)
    spec = InputSpec(size=config.size, channels=dataset.channels, resize=config.resize)
    read = partial(CachedDataset, dataset=dataset, spec=spec, device=fabric.device, scratch=run)
    with remove_if_empty(run), raise_together(dataset.root) as on_error:
        cached = {split: read(chosen, on_error=on_error) for split, chosen in cases.items()}
    if fabric.is_global_zero:
        _warn_of_labels(dataset, cached, recipe)
        write_settings(run, config)
    session = _Session(config, dataset, fabric, cached, run, start, teacher)
    return _result(run, _train(session, recipe), resumed_after=done.epoch)


def _warn_of_labels(dataset: Dataset, cached: Mapping[str, CachedDataset], recipe: Recipe) -> None:
    """Say what is likely wrong with the labels that were read."""
    facts = [one for split in cached.values() for one in split.facts]
    for said in label_warnings(facts, dataset.classes, flips=recipe.augmentation.flips[0] > 0):
        warn_once(f"{dataset.root}: {said}")


def _select_cases(dataset: Dataset, *, processes: int) -> dict[str, tuple[Case, ...]]:
    """The cases to train on and those to choose the epoch by."""
    try:
        cases = {split: dataset.split(split) for split in ("train", "val")}
    except DataError as error:
        raise DataError(
            f"{error}; training needs train and val: name them in splits.csv, or use --fold"
        ) from error
    if len(cases["train"]) < processes:
        raise ConfigError(
            f"{counted(len(cases['train']), 'training image')} cannot be shared by "
            f"{counted(processes, 'process')}; "
            "use fewer --devices or --nodes"
        )
    return cases


def _result(run: Path, done: Progress, *, resumed_after: int) -> TrainResult:
    best = done.log[done.best_epoch - 1]
    return TrainResult(
        run=run,
        epochs=done.epoch,
        best_epoch=done.best_epoch,
        val_iou=best["val_iou"],
        val_dice=best["val_dice"],
        seconds=done.seconds,
        images_per_second=done.images_per_second,
        resumed_after=resumed_after,
    )


def _train(session: _Session, recipe: Recipe) -> Progress:
    """Run all epochs that are left, in smaller batches if memory runs out."""
    fabric = session.fabric
    while True:
        try:
            # a call of its own, so that nothing of a failed attempt is left
            return _attempt(session, recipe)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            recipe = halve_batch(recipe, error, processes=fabric.world_size)
        except ValueError as error:
            if not is_one_value_per_channel(error):
                raise
            raise TrainingError(_one_image(session, recipe)) from error
        if fabric.device.type == "cuda":
            torch.cuda.empty_cache()


def _one_image(session: _Session, recipe: Recipe) -> str:
    """What to do where a step takes one image and the network needs two."""
    images, least = len(session.cached["train"]), 2 * session.fabric.world_size
    fix = f"use --batch-size {least} or more, now {recipe.batch_size}"
    if images < least:
        fix = f"give it {counted(least, 'training image')} or more, now {images}"
    return f"{session.config.model} cannot be trained with one image at a time (batch norm); {fix}"


def _attempt(session: _Session, recipe: Recipe) -> Progress:
    """Train from the last checkpoint to the last epoch."""
    trainer, last = _make_trainer(session, recipe), session.run / LAST_CHECKPOINT
    if last.exists():
        trainer.load(last)
        _log.info("resuming after epoch %d", trainer.progress.epoch)
    train, val = session.cached["train"], session.cached["val"]
    info = _model_info(session, recipe)
    try:
        run_epochs(trainer, train, val, run=session.run, info=info)
    except KeyboardInterrupt:
        done = read_progress(last).epoch if last.exists() else 0  # the last one may be unsaved
        kept = f"to go on from {last}" if done else "to start again; no epoch was finished"
        raise TrainingInterrupted(
            f"stopped after epoch {done} of {trainer.epochs}; give the same command again {kept}"
        ) from None
    return trainer.progress


def _make_trainer(session: _Session, recipe: Recipe) -> Trainer:
    """A trainer of a new network: random weights, or those to start from."""
    config = session.config
    torch.manual_seed(config.seed)  # the weights
    model = build_model(
        config.model,
        in_channels=session.dataset.channels,
        num_classes=session.dataset.num_classes,
        **config.options,
    )
    if session.start and not (session.run / LAST_CHECKPOINT).exists():
        session.start.apply(model)
    return Trainer(
        session.fabric,
        model,
        recipe,
        epochs=config.epochs,
        seed=config.seed,
        compiled=config.compile,
        teacher=session.teacher,
    )


def _model_info(session: _Session, recipe: Recipe) -> ModelInfo:
    """What the checkpoint of the best epoch says of the network and its training."""
    config, dataset = session.config, session.dataset
    start, teacher = session.start, session.teacher
    return ModelInfo(
        model=ModelConfig(config.model, dataset.channels, dataset.num_classes, config.options),
        input=session.cached["train"].spec,
        classes=dataset.classes,
        provenance={
            "data": dataset.name,
            "licence": dataset.licence,
            "recipe": {"name": config.recipe, **recipe.to_dict()},
            "epochs": config.epochs,
            "fold": config.fold,
            "seed": config.seed,
            "split_seed": split_seed(config),
            "split_fingerprint": split_fingerprint(dataset.cases),
            "weights": initial_weights(config.model, config.options),
            "init": start.provenance if start else None,
            "teacher": teacher.provenance if teacher else None,
            "precision": str(session.fabric.strategy.precision.precision),
            "environment": environment(),
        },
    )
