"""The training loop: one epoch, validation and the state that a checkpoint holds."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from bmis.config import InputSpec
from bmis.errors import TrainingError
from bmis.models import SegmentationModel, TrainingView
from bmis.models.layers.cpu_gradients import prepare_for_cpu
from bmis.train.batches import augmented_batch, draw_batches, mix_seed, normalise_batch
from bmis.train.cached_dataset import CachedDataset
from bmis.train.feature_maps import FeatureView
from bmis.train.losses import counted_pixels, pseudo_label_loss
from bmis.train.objective import Objective
from bmis.train.optim import WeightAverage, learning_rate, make_optimizers
from bmis.train.recipes import Recipe
from bmis.train.resume import Progress, reading, save_state
from bmis.train.unlabelled import UNLABELLED, ramped_weight, two_views
from bmis.train.validation import score_images

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
        objective: Objective | None = None,
    ) -> None:
        """Prepare the model for the device and make its optimisers.

        Args:
            fabric: Launched already.
            model: Trained in place.
            recipe: Loss, optimisers, schedule and augmentation.
            epochs: Number of epochs that the schedule is for.
            seed: Seed of all that is random in an epoch.
            compiled: Whether the network is compiled by torch.
            objective: What is minimised; the recipe's loss of the masks alone if not given.
        """
        self.fabric, self.recipe, self.epochs, self.seed = fabric, recipe, epochs, seed
        self.progress = Progress()
        self.model: SegmentationModel = model.to(memory_format=torch.channels_last)
        if fabric.device.type == "cpu":
            prepare_for_cpu(model)
        self._objective = objective or Objective(recipe)
        view, optimizers = TrainingView(self.model), make_optimizers(model, recipe)
        network = cast(nn.Module, torch.compile(view)) if compiled else view
        self._projections = nn.ModuleList()
        if self._objective.our_maps:
            maps = self._objective.our_maps, self._objective.their_maps
            network = FeatureView(network, self.model, *maps)
            self._projections = network.projections
            group = {"params": list(self._projections.parameters()), "factor": 1.0}
            optimizers[0].add_param_group({**group, "weight_decay": recipe.weight_decay})
        self._network, *self.optimizers = fabric.setup(network, *optimizers)
        self._average = WeightAverage(self.model, recipe.average) if recipe.average else None

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
        unlabelled = self._objective.draw_unlabelled(
            batches,
            seed=mix_seed(self.seed, epoch, UNLABELLED),
            rank=self.fabric.global_rank,
            processes=world_size,
        )
        for number, (batch, others) in enumerate(zip(batches, unlabelled, strict=True)):
            moment = epoch + number / len(batches)
            rate = learning_rate(self.recipe, moment, self.epochs)
            losses += self.train_step(dataset, batch, generator, rate, others, moment)
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
        self,
        dataset: CachedDataset,
        batch: Tensor,
        generator: torch.Generator,
        rate: float,
        others: Tensor | None = None,
        moment: float = 0.0,
    ) -> Tensor:
        """One step of all optimisers.

        Args:
            dataset: The training images.
            batch: (N,), the numbers of the images.
            generator: Draws crops and augmentation; on the CPU.
            rate: The learning rate.
            others: (M,), the numbers of images without masks that are learnt from too.
            moment: Time in epochs, from which their weight follows.

        Returns:
            The loss, a number on the device.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("factor", 1.0)  # older checkpoints have none
        loss = self._loss(dataset, batch, others, generator, moment)
        self.fabric.backward(loss)
        if self.recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self._average:
            self._average.update(self.model)
        return loss.detach()

    def _loss(
        self,
        dataset: CachedDataset,
        batch: Tensor,
        others: Tensor | None,
        generator: torch.Generator,
        moment: float,
    ) -> Tensor:
        """The loss of a batch, with images without masks where there are some."""
        settings, unlabelled = self.recipe.augmentation, self._objective.unlabelled
        pixels, labels = augmented_batch(dataset, batch, settings, generator)
        counted = counted_pixels(labels) if dataset.ignores else None
        if unlabelled is None or others is None:
            return self._total_loss(pixels, labels, counted, dataset.spec)[0]
        changed, own = two_views(unlabelled, others, settings, generator)
        pixels = torch.cat([pixels, changed])
        if counted is not None:
            counted = torch.cat([counted, torch.ones_like(changed[:, 0])])
        loss, logits = self._total_loss(pixels, labels, counted, dataset.spec)
        with torch.no_grad(), self.fabric.autocast():
            guesses = self.averaged(normalise_batch(own, dataset.spec))
        weight = ramped_weight(self.recipe.unlabelled, moment / self.epochs)
        return loss + weight * pseudo_label_loss(logits[len(labels) :], guesses)

    def _total_loss(
        self, pixels: Tensor, labels: Tensor, counted: Tensor | None, spec: InputSpec
    ) -> tuple[Tensor, Tensor]:
        """The loss and the logits; images beyond the labels are learnt from the teacher alone."""
        outputs = self._network(normalise_batch(pixels, spec))
        heads, count = 1 + len(self.model.auxiliary_weights), len(labels)
        logits, maps = outputs[:heads], outputs[heads:]
        labelled, known = logits, counted
        if count < len(pixels):
            labelled = [each[:count] for each in logits]
            known = None if counted is None else counted[:count]
        loss = self._objective.of_masks(labelled, self.model.auxiliary_weights, labels, known)
        if self._objective.teacher:
            with self.fabric.autocast():
                answer = self._objective.teacher(pixels)
            loss = loss + self._objective.of_teacher(logits[0], maps, answer, counted)
        return loss, logits[0]

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

    def validate(self, dataset: CachedDataset) -> dict[str, float]:
        """Mean IoU and Dice over images, of the averaged weights, at the network's size.

        Every image with foreground in mask or prediction counts the same, and so does every
        foreground class within it. These scores choose the epoch; the scores to report come from
        ``evaluate_model``.

        Returns:
            ``val_iou`` and ``val_dice``, 0..1; 0 if no image counts.
        """
        model, batch_size = self.averaged.eval(), self.recipe.batch_size
        return score_images(model, dataset, self.fabric, batch_size=batch_size)

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
                "projections": self._projections.state_dict(),
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
            self._projections.load_state_dict(state.get("projections", {}))  # older ones have none
            self.progress = Progress(**state["progress"])
