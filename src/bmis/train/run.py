"""The command ``train``: a dataset folder in, a run folder with the best weights out."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from bmis.config import TrainConfig
from bmis.errors import TrainingError, TrainingInterrupted, is_out_of_memory
from bmis.train.batches import is_one_value_per_channel
from bmis.train.epochs import run_epochs
from bmis.train.loggers import logging_to
from bmis.train.out_of_memory import halve_batch
from bmis.train.page import finish_page, write_facts
from bmis.train.plan import make_plan
from bmis.train.recipes import Recipe
from bmis.train.resume import LAST_CHECKPOINT, Progress, read_progress
from bmis.train.run_folder import check_run_folder, write_settings
from bmis.train.session import Session, make_trainer, model_info, open_session
from bmis.train.threads import ThreadSearch, training_threads
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


def train_model(
    config: TrainConfig, *, out: Path | str | None = None, page: bool = True
) -> TrainResult:
    """Train a network, or go on where an interrupted call with the same settings stopped.

    With several devices the calling script is run once for each, as Lightning Fabric does; all of
    them return the same result.

    Args:
        config: Data set, network, recipe and everything else about the training.
        out: Run folder; by default ``runs/<data>-<model>-<recipe>[-fold<K>]-seed<S>``.
        page: Whether to leave ``report.html``, and the scores of validation images that it shows.

    Raises:
        BundleError: The file of weights to start or to learn from is missing, damaged or not of
            bmis.
        ConfigError: A setting is wrong, the folder holds a run with other settings, the weights
            to start from are of another network, or the teacher sees other images or classes.
        DataError: The data set cannot be used.
        MissingExtraError: The package of the logger is not installed.
        TrainingError: The loss is not a number, or not even one image fits into memory.
        TrainingInterrupted: Ctrl-C; the last whole epoch is kept.

    Example:
        >>> config = TrainConfig("polyps", "unet", {"widths": [4, 8]}, epochs=1, size=(64, 64))
        >>> run = train_model(config, out="polyps-run").run
        >>> sorted(file.name for file in run.iterdir())
        ['config.yaml', 'environment.json', 'facts.json', 'last.ckpt', 'log.csv',
         'model.safetensors', 'report.html', 'validation']
        >>> train_model(config, out="polyps-run").resumed_after  # it is finished
        1
    """
    plan = make_plan(config, out=out)
    config, run = plan.config, plan.run
    check_run_folder(run, config)
    last = run / LAST_CHECKPOINT
    done = read_progress(last) if last.exists() else Progress()
    if done.is_over(config.epochs, plan.recipe.patience):
        return _result(run, done, resumed_after=done.epoch)
    session = open_session(plan)
    fabric = session.fabric
    if fabric.is_global_zero:
        write_settings(run, config)
    recipe = plan.recipe.to_dict()
    with (
        training_threads(config, done.threads) as search,
        logging_to(fabric, {**config.to_dict(), "recipe": recipe}),
    ):
        trained = _train(session, plan.recipe, search, page=page)
    if page and fabric.is_global_zero:
        finish_page(run, config, plan.dataset)
    return _result(run, trained, resumed_after=done.epoch)


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


def _train(
    session: Session, recipe: Recipe, search: ThreadSearch | None, *, page: bool
) -> Progress:
    """Run all epochs that are left, in smaller batches if memory runs out."""
    fabric = session.fabric
    while True:
        try:
            # a call of its own, so that nothing of a failed attempt is left
            return _attempt(session, recipe, search, page=page)
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


def _one_image(session: Session, recipe: Recipe) -> str:
    """What to do where a step takes one image and the network needs two."""
    images, least = len(session.cached["train"]), 2 * session.fabric.world_size
    fix = f"use --batch-size {least} or more, now {recipe.batch_size}"
    if images < least:
        fix = f"give it {counted(least, 'training image')} or more, now {images}"
    model = session.plan.config.model
    return f"{model} cannot be trained with one image at a time (batch norm); {fix}"


def _attempt(
    session: Session, recipe: Recipe, search: ThreadSearch | None, *, page: bool
) -> Progress:
    """Train from the last checkpoint to the last epoch."""
    last = session.plan.run / LAST_CHECKPOINT
    trainer = make_trainer(session, recipe, resumed=last.exists())
    if last.exists():
        trainer.load(last)
        _log.info("resuming after epoch %d", trainer.progress.epoch)
    info = model_info(session, recipe, threads_measured=search is not None)
    cached, run = session.cached, session.plan.run
    train, val = cached["train"], cached["val"]
    if page and session.fabric.is_global_zero:
        write_facts(run, info, trainer.model, session.plan.dataset, cached)
    try:
        run_epochs(trainer, train, val, run=run, info=info, search=search, page=page)
    except KeyboardInterrupt:
        done = read_progress(last).epoch if last.exists() else 0  # the last one may be unsaved
        kept = f"to go on from {last}" if done else "to start again; no epoch was finished"
        raise TrainingInterrupted(
            f"stopped after epoch {done} of {trainer.epochs}; give the same command again {kept}"
        ) from None
    return trainer.progress
