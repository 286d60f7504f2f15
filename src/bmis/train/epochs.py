"""The epochs of a training that are left: train, validate, write the files, report."""

import logging
import time
import warnings
from pathlib import Path

import torch

from bmis.config import ModelInfo
from bmis.report.runs.live import live_page
from bmis.system.progress import ProgressBar, progress_bar
from bmis.train.cached_dataset import CachedDataset
from bmis.train.loggers import log_epoch
from bmis.train.run_folder import write_epoch
from bmis.train.threads import ThreadSearch
from bmis.train.trainer import Trainer
from bmis.wording import time_left

_log = logging.getLogger("bmis")


def run_epochs(
    trainer: Trainer,
    train: CachedDataset,
    val: CachedDataset,
    *,
    run: Path,
    info: ModelInfo,
    search: ThreadSearch | None = None,
    page: bool = False,
) -> None:
    """Train until all epochs of the trainer are done, behind a progress bar.

    Each epoch leaves its files in the run folder; the first process writes them.

    Args:
        trainer: It goes on from its ``progress``.
        train: The training images.
        val: The validation images, which choose the epoch.
        run: The run folder.
        info: What the checkpoint says of the network.
        search: Finds the number of threads in the first steps; None where it is given.
        page: Whether to keep ``report.html`` up to date.

    Raises:
        DataError: A file cannot be written.
        TrainingError: The loss is not a number.

    Example:
        >>> import torch
        >>> from bmis import load_model, open_dataset
        >>> from bmis.train.recipes import find_recipe
        >>> from lightning.fabric import Fabric
        >>> model, info = load_model("run")
        >>> dataset, cpu = open_dataset("polyps"), torch.device("cpu")
        >>> train, val = (
        ...     CachedDataset(dataset.split(name), dataset, info.input, cpu, scratch=Path())
        ...     for name in ("train", "val")
        ... )
        >>> fabric, recipe = Fabric(accelerator="cpu"), find_recipe("fast")
        >>> trainer = Trainer(fabric, model, recipe, epochs=1, seed=0)
        >>> run_epochs(trainer, train, val, run=Path("run"), info=info)
        >>> trainer.progress.log[0]["images"]
        8
    """
    fabric = trainer.fabric
    _begin_session(trainer, run, info)
    total = trainer.epochs * len(train) * train.crops_per_image()
    begun, silent = _share_done(trainer, total), not fabric.is_global_zero
    with (
        progress_bar("training", total, initial=begun, disable=silent) as bar,
        live_page(run, wanted=page and not silent) as epoch_is_done,
    ):
        while not trainer.progress.is_over(trainer.epochs, trainer.recipe.patience):
            start = time.perf_counter()
            row = _train_epoch(trainer, train, bar, search)
            row["train_seconds"] = time.perf_counter() - start
            row |= trainer.validate(val)
            row["seconds"] = time.perf_counter() - start
            better = trainer.progress.record(row)
            if search:
                _note_threads(trainer, info)
            if fabric.is_global_zero:
                write_epoch(trainer, run, info, better=better)
                epoch_is_done()
                log_epoch(fabric, row, trainer.progress.epoch)
                _log.info("%s  %.1f s (%s)", _describe(trainer), row["seconds"], _time(trainer))
            bar.update(_share_done(trainer, total) - bar.n)
            bar.set_description(_describe(trainer))
    fabric.barrier()


def _train_epoch(
    trainer: Trainer, train: CachedDataset, bar: ProgressBar, search: ThreadSearch | None
) -> dict[str, float]:
    """One pass over the images, of whose steps the bar and the search are told."""
    if search is None:
        return trainer.train_epoch(train, bar.update)

    def step_done(images: int) -> None:
        bar.update(images)
        search.step_done(images)

    search.begin()
    return trainer.train_epoch(train, step_done)


def _note_threads(trainer: Trainer, info: ModelInfo) -> None:
    """Note how many threads the training has come to, for the files of the epoch."""
    noted = (info.provenance["environment"], trainer.progress.sessions[-1]["environment"])
    for environment in noted:
        environment["threads"] = torch.get_num_threads()


def _begin_session(trainer: Trainer, run: Path, info: ModelInfo) -> None:
    """Note what the epochs are trained with, and say if those before were trained otherwise."""
    environment = info.provenance["environment"]
    other = trainer.progress.begin_session(environment, trainer.recipe.to_dict())
    if other and trainer.fabric.is_global_zero:
        warnings.warn(
            f"{run}: goes on with other code or settings ({other}); the result may differ from "
            "that of a training without interruption",
            stacklevel=2,
        )


def _share_done(trainer: Trainer, total: int) -> int:
    return total * trainer.progress.epoch // trainer.epochs


def _time(trainer: Trainer) -> str:
    """Time of the whole training, epochs of earlier calls included."""
    done = trainer.progress
    return time_left(done.seconds, done.epoch, trainer.epochs)


def _describe(trainer: Trainer) -> str:
    done, row = trainer.progress, trainer.progress.log[-1]
    return (
        f"epoch {done.epoch}/{trainer.epochs}  loss {row['loss']:.3f}  val IoU "
        f"{row['val_iou']:.3f}  Dice {row['val_dice']:.3f}  best epoch {done.best_epoch}"
    )
