"""The training loop: one epoch, validation and the state that a checkpoint holds."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from bmis.data.coding import IGNORE
from bmis.errors import TrainingError
from bmis.models import SegmentationModel, TrainingView
from bmis.models.layers.cpu_gradients import prepare_for_cpu
from bmis.train.augment import apply_parameters, draw_parameters
from bmis.train.batches import draw_batches, mix_seed, normalise_batch
from bmis.train.cached_dataset import CachedDataset
from bmis.train.losses import LOSSES, counted_pixels, distillation_loss
from bmis.train.optim import WeightAverage, learning_rate, make_optimizers
from bmis.train.recipes import Recipe
from bmis.train.resume import Progress, reading, save_state
from bmis.train.validation import score_image

_CHECK_EVERY = 50  # steps; each check waits for the device


class Trainer:
    """Trains one model, an epoch at a time. ``train_model`` sets it up and writes the files.

    Attributes:
        fabric: Device, precision and processes.
        recipe: Loss, optimisers, schedule and augmentation.
        epochs: Number of epochs that the schedule is for.
        seed: Seed of the order of the images, of the augmentation and of dropout.
        progress: What has been done so far.
        model: The model with the weights of the last step.
        optimizers: One or two, as the recipe says.

    Example:
        >>> from bmis import InputSpec, build_model, open_dataset
        >>> from bmis.train.recipes import find_recipe
        >>> dataset, spec = open_dataset("polyps"), InputSpec(size=(64, 64))
        >>> cases, cpu = dataset.split("train"), torch.device("cpu")
        >>> cached = CachedDataset(cases, dataset, spec, cpu, scratch=Path())
        >>> model, recipe = build_model("unet", widths=[4, 8]), find_recipe("fast")
        >>> trainer = Trainer(Fabric(accelerator="cpu"), model, recipe, epochs=1, seed=0)
        >>> sorted(trainer.train_epoch(cached, step_done=lambda count: None))
        ['images', 'learning_rate', 'loss']
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
        """Prepare the model for the device and make its optimisers.

        Args:
            fabric: Launched already.
            model: Trained in place.
            recipe: Loss, optimisers, schedule and augmentation.
            epochs: Number of epochs that the schedule is for.
            seed: Seed of all that is random in an epoch.
            compiled: Whether the network is compiled by torch.
            teacher: Takes images (N, C, H, W), 0..1, and returns logits; they are learnt from too.
        """
        self.fabric, self.recipe, self.epochs, self.seed = fabric, recipe, epochs, seed
        self.progress = Progress()
        self.model: SegmentationModel = model.to(memory_format=torch.channels_last)
        if fabric.device.type == "cpu":
            prepare_for_cpu(model)
        view = TrainingView(self.model)
        network = cast(nn.Module, torch.compile(view)) if compiled else view
        self._network, *self.optimizers = fabric.setup(network, *make_optimizers(model, recipe))
        self._average = WeightAverage(self.model, recipe.average) if recipe.average else None
        self._loss, self._teacher = LOSSES[recipe.loss], teacher

    @property
    def averaged(self) -> SegmentationModel:
        """The model to validate and keep: the running average if the recipe has one."""
        return self._average.model if self._average else self.model  # type: ignore[return-value]

    def train_epoch(
        self, dataset: CachedDataset, step_done: Callable[[int], None]
    ) -> dict[str, float]:
        """One pass over the training images.

        Args:
            dataset: The training images.
            step_done: Called with the number of images after each step.

        Returns:
            ``loss``, the mean over the steps, ``learning_rate``, the last one, and ``images``, how
            many were trained on.

        Raises:
            TrainingError: The loss is not a number.
        """
        epoch, world_size = self.progress.epoch, self.fabric.world_size
        generator = self._seed_process()
        batches = draw_batches(
            len(dataset),
            self.recipe.batch_size,
            seed=mix_seed(self.seed, epoch, 0),
            crops_per_image=dataset.crops_per_image(),
            rank=self.fabric.global_rank,
            world_size=world_size,
        )
        self._network.train()
        losses = torch.zeros((), device=self.fabric.device)
        rate, images = 0.0, 0
        for number, batch in enumerate(batches):
            rate = learning_rate(self.recipe, epoch + number / len(batches), self.epochs)
            losses += self.train_step(dataset, batch, generator, rate)
            images += len(batch) * world_size
            step_done(len(batch) * world_size)
            if number % _CHECK_EVERY == 0:
                self._check(losses)
        loss = self._check(losses / len(batches) + self._zero())
        return {"loss": loss, "learning_rate": rate, "images": images}

    def _seed_process(self) -> torch.Generator:
        """Seed this process for the epoch: dropout, and the generator of crops and augmentation."""
        seed = mix_seed(self.seed, self.progress.epoch, 1 + self.fabric.global_rank)
        torch.manual_seed(seed ^ 0x5EED)
        return torch.Generator().manual_seed(seed)

    def _zero(self) -> Tensor:
        """0, or not a number if a weight is: the last loss cannot show what its step did."""
        return 0 * torch.stack([p.detach().sum() for p in self.model.parameters()]).sum()

    def train_step(
        self, dataset: CachedDataset, batch: Tensor, generator: torch.Generator, rate: float
    ) -> Tensor:
        """One step of all optimisers.

        Args:
            dataset: The training images.
            batch: (N,), the numbers of the images.
            generator: Draws crops and augmentation; on the CPU.
            rate: The learning rate.

        Returns:
            The loss, a number on the device.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("factor", 1.0)  # older checkpoints have none
        settings = self.recipe.augmentation
        crops, labels = dataset.crops(batch, generator)
        parameters = draw_parameters(settings, len(crops), crops.shape[1], generator)
        pixels, labels = apply_parameters(crops.float() / 255, labels, parameters, settings)
        counted = counted_pixels(labels) if dataset.ignores else None
        loss = self._total_loss(pixels, labels, counted, normalise_batch(pixels, dataset.spec))
        self.fabric.backward(loss)
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self._average:
            self._average.update(self.model)
        return loss.detach()

    def _total_loss(
        self, pixels: Tensor, labels: Tensor, counted: Tensor | None, inputs: Tensor
    ) -> Tensor:
        """The loss of the logits, of the auxiliary heads and of the teacher's logits."""
        logits, *auxiliary = self._network(inputs)
        loss = self._loss(logits, labels, counted)
        for weight, other in zip(self.model.auxiliary_weights, auxiliary, strict=True):
            loss = loss + weight * self._loss(other, labels, counted)
        if self._teacher:
            with self.fabric.autocast():
                theirs = self._teacher(pixels)
            loss = loss + distillation_loss(logits, theirs, counted)
        return loss

    def _check(self, losses: Tensor) -> float:
        """The mean over the processes, which all see the same value and stop together."""
        mean = float(self.fabric.all_reduce(losses.clone(), reduce_op="mean"))  # type: ignore[arg-type]
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is not a number in epoch {self.progress.epoch + 1}; start again in "
                f"another --out with a lower --learning-rate (now {self.recipe.learning_rate:g}) "
                "or --precision 32"
            )
        return mean

    @torch.no_grad()
    def validate(self, dataset: CachedDataset) -> dict[str, float]:
        """Mean IoU and Dice over images, of the averaged weights, at the network's size.

        Every image with foreground in mask or prediction counts the same, and so does every
        foreground class within it. These scores choose the epoch; the scores to report come from
        ``evaluate_model``.

        Returns:
            ``val_iou`` and ``val_dice``, 0..1; 0 if no image counts.
        """
        model = self.averaged.eval()
        if self.fabric.world_size > 1:  # norm statistics differ; those of the first are kept
            for value in model.buffers():
                value.copy_(self.fabric.broadcast(value))
        sums = torch.zeros(3, dtype=torch.float64)
        for number in range(self.fabric.global_rank, len(dataset), self.fabric.world_size):
            windows, labels = dataset.windows(number)
            predicted = []
            for part in windows.split(self.recipe.batch_size):  # type: ignore[no-untyped-call]
                with self.fabric.autocast():
                    logits = model(normalise_batch(part.float() / 255, dataset.spec))
                    predicted.append(logits.argmax(1))
            found = torch.cat(predicted)
            if dataset.ignores:
                found = found.masked_fill(labels == IGNORE, IGNORE)
            sums += score_image(found, labels, model.num_classes)
        total = self.fabric.all_reduce(sums.to(self.fabric.device), reduce_op="sum").cpu()  # type: ignore[union-attr]
        iou, dice, count = total.tolist()
        return {"val_iou": iou / max(count, 1), "val_dice": dice / max(count, 1)}

    def record(self, row: dict[str, float]) -> bool:
        """Count the epoch as done.

        Args:
            row: What the epoch gave, ``val_iou`` and ``val_dice`` among it.

        Returns:
            Whether it is the best so far. As long as nothing was found, that is the latest.
        """
        score = row["val_iou"] + row["val_dice"]
        self.progress.epoch += 1
        better = score > self.progress.best or score == self.progress.best == 0
        if better:
            self.progress.best, self.progress.best_epoch = score, self.progress.epoch
        self.progress.log.append({"epoch": self.progress.epoch, **row})
        return better

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on, atomically.

        Raises:
            DataError: The file cannot be written.
        """
        save_state(
            path,
            {
                "progress": vars(self.progress),
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "average": self._average.state_dict() if self._average else None,
            },
        )

    def load(self, path: Path) -> None:
        """Go on from what ``save`` wrote.

        Raises:
            TrainingError: The file is damaged or of another network.
        """
        with reading(path):
            state = torch.load(path, map_location=self.fabric.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            if self._average:
                self._average.load_state_dict(state["average"])
            self.progress = Progress(**state["progress"])
