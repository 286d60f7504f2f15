"""What an interrupted training needs to go on: the checkpoint ``last.ckpt`` of a run folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bmis.errors import NoMemoryError, TrainingError, enough_memory_for
from bmis.system.environment import changes, influences
from bmis.system.files import atomic

LAST_CHECKPOINT = "last.ckpt"


@dataclass
class Progress:
    """What a training has done so far.

    Attributes:
        epoch: Number of epochs done.
        best: Highest validation score so far, IoU + Dice, 0..2.
        best_epoch: The epoch, from 1, that reached it.
        log: One row for each epoch, as in ``log.csv``.
        sessions: For each call that trained it, unless it is as the one before: its ``first_epoch``
            from 1, ``environment`` and ``recipe``.

    Example:
        >>> Progress(log=[{"seconds": 2.0, "images": 8}, {"seconds": 2.0, "images": 8}]).seconds
        4.0
    """

    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    log: list[dict[str, float]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Time of all epochs, validation included, whichever calls trained them."""
        return sum(row["seconds"] for row in self.log)

    @property
    def images_per_second(self) -> float:
        """Training images over the time of their epochs; 0 before the first."""
        known = [row for row in self.log if "images" in row]  # older checkpoints do not count them
        return sum(row["images"] for row in known) / (sum(r["seconds"] for r in known) or 1.0)

    @property
    def threads(self) -> int | None:
        """Threads of the last session; None before the first, and where older ones do not say."""
        number = self.sessions[-1]["environment"].get("threads") if self.sessions else None
        return number if isinstance(number, int) else None

    def record(self, row: dict[str, float]) -> bool:
        """Count an epoch as done.

        Args:
            row: What the epoch gave, ``val_iou`` and ``val_dice`` among it.

        Returns:
            Whether it is the best so far. As long as nothing was found, that is the latest.
        """
        score = row["val_iou"] + row["val_dice"]
        self.epoch += 1
        better = score > self.best or score == self.best == 0
        if better:
            self.best, self.best_epoch = score, self.epoch
        self.log.append({"epoch": self.epoch, **row})
        return better

    def is_over(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or too many since the best one.

        Args:
            epochs: Epochs of the whole training.
            patience: Epochs without a better one after which a training ends; 0 for never.

        Example:
            >>> Progress(epoch=5, best_epoch=2).is_over(60, patience=3)
            True
        """
        waited = self.epoch - self.best_epoch
        return self.epoch >= epochs or 0 < patience <= waited

    def begin_session(self, environment: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
        """Note what the next epochs are trained with.

        Returns:
            What differs from the session before in a way that may change the result; else empty.
        """
        session = {"environment": dict(environment), "recipe": dict(recipe)}
        before = self.sessions[-1] if self.sessions else session
        if not self.sessions or {**before, **session} != before:
            self.sessions.append({"first_epoch": self.epoch + 1, **session})
        old, new = (influences(s["environment"], s["recipe"]) for s in (before, session))
        old.pop("recipe batch_size", None)  # where memory ran out, which was said
        return changes(old, new)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a training atomically.

    Raises:
        DataError: The file cannot be written, for example because the disk is full.

    Example:
        >>> save_state(Path("last.ckpt"), {"progress": vars(Progress(epoch=3))})
        >>> read_progress(Path("last.ckpt")).epoch
        3
    """
    with atomic(path) as temporary:
        try:
            torch.save(dict(state), temporary)
        except RuntimeError as error:  # a full disk arrives as this
            raise OSError(None, str(error).splitlines()[0]) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a checkpoint into one clear error.

    Raises:
        NoMemoryError: Memory ran out.
        TrainingError: The block raised an exception of any other type.

    Example:
        >>> with reading(Path("last.ckpt")):
        ...     raise EOFError
        Traceback (most recent call last):
        bmis.errors.TrainingError: last.ckpt: cannot be resumed (EOFError); delete it to start over
    """
    try:
        with enough_memory_for(path):
            yield
    except NoMemoryError:
        raise
    except Exception as error:  # torch raises a dozen types for a bad file
        raise TrainingError(
            f"{path}: cannot be resumed ({type(error).__name__}); delete it to start over"
        ) from error


def read_progress(path: Path) -> Progress:
    """What a checkpoint counts as done; its weights stay on the disk.

    Raises:
        NoMemoryError: Memory ran out.
        TrainingError: The file is damaged.

    Example:
        >>> read_progress(Path("run/last.ckpt")).best_epoch
        1
    """
    with reading(path):
        return Progress(**torch.load(path, weights_only=True, mmap=True)["progress"])
