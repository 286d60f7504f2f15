"""The training loop: state, one epoch, validation, checkpoint. Set up by ``train``."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from bmis.config import InputSpec
from bmis.errors import TrainingError
from bmis.models import SegmentationModel, TrainingView
from bmis.models.layers.cpu_gradients import prepare_for_cpu
from bmis.system.files import atomic
from bmis.train.augment import apply, draw
from bmis.train.cached_dataset import CachedDataset
from bmis.train.losses import LOSSES, agreement, one_hot
from bmis.train.optim import WeightAverage, learning_rate, make_optimizers
from bmis.train.recipes import Recipe


@dataclass
class Progress:
    """What has been done so far; travels in ``last.ckpt``.

    Attributes:
        epoch: Epochs done.
        best: Highest validation score so far, IoU + Dice, 0..2.
        best_epoch: The epoch, from 1, that reached it.
        log: One row an epoch, as in ``log.csv``.
    """

    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    log: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains one model on one store, an epoch at a time.

    With a teacher (images (N, C, H, W), 0..1, to logits) its answers are learnt from too.

    Attributes:
        progress: What has been done so far.
        averaged: The weights to validate and keep.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: SegmentationModel,
        recipe: Recipe,
        *,
        epochs: int,
        seed: int,
        compiled: bool = False,
        teacher: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.fabric, self.recipe, self.epochs, self.seed = fabric, recipe, epochs, seed
        self.progress = Progress()
        self._model = model.to(memory_format=torch.channels_last)
        if fabric.device.type == "cpu":
            prepare_for_cpu(model)
        view = TrainingView(self._model)
        network = cast(nn.Module, torch.compile(view)) if compiled else view
        self._network, *self._optimizers = fabric.setup(network, *make_optimizers(model, recipe))
        self._average = WeightAverage(self._model, recipe.average) if recipe.average else None
        self._loss, self._teacher = LOSSES[recipe.loss], teacher

    @property
    def averaged(self) -> SegmentationModel:
        """The model to validate and keep: the running average if the recipe has one."""
        return self._average.model if self._average else self._model  # type: ignore[return-value]

    def train_epoch(
        self, store: CachedDataset, step_done: Callable[[int], None]
    ) -> dict[str, float]:
        """One pass over the training images.

        Args:
            store: The training images.
            step_done: Called with the number of images after each step.

        Returns:
            The mean loss and the last learning rate.

        Raises:
            TrainingError: The loss is not a number.
        """
        epoch, rank, world = self.progress.epoch, self.fabric.global_rank, self.fabric.world_size
        # Everything random in an epoch follows from (seed, epoch, process), so that a run resumed
        # at the start of an epoch goes on exactly as it would have.
        order = torch.Generator().manual_seed(_mix(self.seed, epoch, 0))
        chance = torch.Generator().manual_seed(_mix(self.seed, epoch, 1 + rank))
        torch.manual_seed(_mix(self.seed, epoch, 1 + rank) ^ 0x5EED)  # dropout
        index = torch.randperm(len(store) * store.crops_per_image(), generator=order) % len(store)
        share = max(1, self.recipe.batch_size // world)
        batches = index[: len(index) // world * world].view(-1, world)[:, rank].split(share)  # type: ignore[no-untyped-call]
        if len(batches) > 1 and len(batches[-1]) < share:  # static shapes; the order is new
            batches = batches[:-1]  # each time, so nobody is left out for good
        self._network.train()
        losses = torch.zeros((), device=self.fabric.device)
        rate = 0.0
        for number, batch in enumerate(batches):
            done = epoch + number / len(batches)
            rate = self._set_rate(learning_rate(self.recipe, done, self.epochs))
            losses += self._step(store, batch, chance)
            step_done(len(batch) * world)
            if number % 50 == 0:
                self._check(losses)
        # The last step's loss says nothing of the weights that it left behind.
        weights = torch.stack([p.detach().sum() for p in self._model.parameters()]).sum()
        mean = self._check(losses / len(batches) + 0 * weights)
        return {"loss": mean, "learning_rate": rate}

    def _set_rate(self, rate: float) -> float:
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rate

    def _step(self, store: CachedDataset, batch: Tensor, chance: torch.Generator) -> Tensor:
        settings = self.recipe.augmentation
        images, labels = store.crops(batch, chance)
        parameters = draw(settings, len(images), images.shape[1], chance)
        pixels, labels = apply(images.float() / 255, labels, parameters, settings)
        answer, *others = self._network(normalise(pixels, store.spec))
        loss = self._loss(answer, labels)
        for weight, logits in zip(self._model.auxiliary_weights, others, strict=True):
            loss = loss + weight * self._loss(logits, labels)
        if self._teacher:
            with self.fabric.autocast():
                taught = self._teacher(pixels)
            loss = loss + agreement(answer, taught)
        self.fabric.backward(loss)
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self.recipe.clip)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self._average:
            self._average.update(self._model)
        return loss.detach()

    def _check(self, losses: Tensor) -> float:
        """The mean over the processes, which all see the same and stop together."""
        mean = float(self.fabric.all_reduce(losses.clone(), reduce_op="mean"))  # type: ignore[arg-type]
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is not a number in epoch {self.progress.epoch + 1}; start again in "
                f"another --out with a lower --learning-rate (now {self.recipe.learning_rate:g}) "
                "or --precision 32"
            )
        return mean

    @torch.no_grad()
    def validate(self, store: CachedDataset) -> dict[str, float]:
        """Mean IoU and Dice over images, of the averaged weights, at the network's size.

        Every image counts the same and every foreground class within it; a class absent from
        mask and prediction is left out. For choosing the epoch; scores come from ``evaluate``.
        """
        model = self.averaged.eval()
        if self.fabric.world_size > 1:  # norm statistics differ; those of the first are kept
            for value in model.buffers():
                value.copy_(self.fabric.broadcast(value))
        sums = torch.zeros(3, dtype=torch.float64)
        for number in range(self.fabric.global_rank, len(store), self.fabric.world_size):
            images, labels = store.windows(number)
            predicted = []
            for part in images.split(self.recipe.batch_size):  # type: ignore[no-untyped-call]
                with self.fabric.autocast():
                    predicted.append(model(normalise(part.float() / 255, store.spec)).argmax(1))
            sums += _overlap(torch.cat(predicted), labels, model.num_classes)
        total = self.fabric.all_reduce(sums.to(self.fabric.device), reduce_op="sum").cpu()  # type: ignore[union-attr]
        iou, dice, count = total.tolist()
        return {"val_iou": iou / max(count, 1), "val_dice": dice / max(count, 1)}

    def record(self, row: dict[str, float]) -> bool:
        """Count the epoch as done; whether it is the best so far."""
        score = row["val_iou"] + row["val_dice"]
        self.progress.epoch += 1
        better = score > self.progress.best
        if better:
            self.progress.best, self.progress.best_epoch = score, self.progress.epoch
        self.progress.log.append({"epoch": self.progress.epoch, **row})
        return better

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on, atomically."""
        state: dict[str, Any] = {
            "progress": vars(self.progress),
            "model": self._model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "average": self._average.state_dict() if self._average else None,
        }
        with atomic(path) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:  # a full disk arrives as this
                raise OSError(None, str(error).splitlines()[0]) from error

    def load(self, path: Path) -> None:
        """Take up where ``save`` left off.

        Raises:
            TrainingError: The file is damaged or of another network.
        """
        try:
            state = torch.load(path, map_location=self.fabric.device, weights_only=True)
            self._model.load_state_dict(state["model"])
            for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            if self._average:
                self._average.load_state_dict(state["average"])
            self.progress = Progress(**state["progress"])
        except Exception as error:  # torch raises a dozen types for a bad file
            raise _unusable(path, error) from error


def read_progress(path: Path) -> Progress:
    """What a checkpoint of ``Trainer.save`` counts as done; its weights stay on the disk.

    Raises:
        TrainingError: The file is damaged.
    """
    try:
        return Progress(**torch.load(path, weights_only=True, mmap=True)["progress"])
    except Exception as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"{path}: cannot be resumed ({type(error).__name__}); delete it to start over"
    )


def _mix(seed: int, epoch: int, stream: int) -> int:
    """One number from three, so that neighbouring seeds and epochs share nothing."""
    value = seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + stream * 0x94D049BB133111EB
    value = (value ^ (value >> 31)) * 0xD6E8FEB86659FD93
    return (value ^ (value >> 29)) & (2**63 - 1)


def normalise(pixels: Tensor, spec: InputSpec) -> Tensor:
    """0..1 -> the network's input, as ``data.preprocess.normalise`` does for one image."""
    mean, std = (pixels.new_tensor(v).view(1, -1, 1, 1) for v in (spec.mean, spec.std))
    return pixels.sub(mean).div(std).contiguous(memory_format=torch.channels_last)


def _overlap(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """(IoU, Dice, 1) of one image in windows (W, h, w); (1, 1, 1) if rightly nothing was found."""
    ours = one_hot(predicted, num_classes)[:, 1:].sum((0, 2, 3))
    theirs = one_hot(labels, num_classes)[:, 1:].sum((0, 2, 3))
    both = (one_hot(predicted, num_classes) * one_hot(labels, num_classes))[:, 1:].sum((0, 2, 3))
    present = (ours + theirs) > 0
    if not present.any():
        return torch.ones(3, dtype=torch.float64)
    both, total = both[present].double().cpu(), (ours + theirs)[present].double().cpu()
    iou, dice = (both / (total - both)).mean(), (2 * both / total).mean()
    return torch.stack([iou, dice, torch.ones((), dtype=torch.float64)])
