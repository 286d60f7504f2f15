"""What a step of a training minimises: losses of masks, of a teacher and of its own labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bmis.train.cached_dataset import CachedDataset
from bmis.train.feature_maps import Place
from bmis.train.losses import LOSSES, distillation_loss, feature_loss
from bmis.train.recipes import Recipe
from bmis.train.unlabelled import draw_unlabelled

TeacherAnswer = tuple[Tensor, Sequence[Tensor]]
"""Logits (N, K, H, W), and maps (N, C, h, w) at the scales that are compared, finest first."""


@dataclass(frozen=True, eq=False)
class Objective:
    """What is learnt from, and how much each counts.

    Attributes:
        recipe: The loss of the masks and the weights of the others.
        class_weights: Weights of the classes in the cross-entropy; None for no difference.
        teacher: Takes images (N, C, H, W) in 0..1, and returns its logits and maps.
        our_maps: Places of the maps of the network that are compared with the teacher's.
        their_maps: Places of the teacher's.
        unlabelled: Images without masks; their labels are not looked at.

    Example:
        >>> objective = Objective(Recipe(class_weights=(1.0, 3.0)), class_weights=(1.0, 3.0))
        >>> labels = torch.tensor([[[0, 1]]])
        >>> round(float(objective.of_masks([torch.zeros(1, 2, 1, 2)], (), labels, None)), 4)
        1.0265
    """

    recipe: Recipe
    class_weights: tuple[float, ...] | None = None
    teacher: Callable[[Tensor], TeacherAnswer] | None = None
    our_maps: Mapping[int, Place] = field(default_factory=dict)
    their_maps: Mapping[int, Place] = field(default_factory=dict)
    unlabelled: CachedDataset | None = None

    def draw_unlabelled(
        self, batches: Sequence[Tensor], *, seed: int, rank: int, processes: int
    ) -> Sequence[Tensor | None]:
        """The images without masks that go with each batch; None where there are none."""
        if self.unlabelled is None:
            return [None] * len(batches)
        images, share = len(self.unlabelled), len(batches[0])
        return draw_unlabelled(
            images, len(batches), share, seed=seed, rank=rank, processes=processes
        )

    def of_masks(
        self,
        outputs: Sequence[Tensor],
        auxiliary_weights: Sequence[float],
        labels: Tensor,
        counted: Tensor | None,
    ) -> Tensor:
        """The loss of the logits and, by their weights, of those of the auxiliary heads."""
        loss_of = LOSSES[self.recipe.loss]
        weights = None
        if self.class_weights:
            weights = torch.tensor(self.class_weights, device=labels.device)
        logits, *auxiliary = outputs
        loss = loss_of(logits, labels, counted, weights)
        for weight, other in zip(auxiliary_weights, auxiliary, strict=True):
            loss = loss + weight * loss_of(other, labels, counted, weights)
        return loss

    def of_teacher(
        self,
        logits: Tensor,
        maps: Sequence[Tensor],
        answer: TeacherAnswer,
        counted: Tensor | None,
    ) -> Tensor:
        """The loss of the teacher's logits, and of its maps where they are compared."""
        theirs, their_maps = answer
        weights = self.recipe.distillation
        loss = weights.logits * distillation_loss(logits, theirs, counted)
        for ours, other in zip(maps, their_maps, strict=True):
            loss = loss + weights.features / len(maps) * feature_loss(ours, other)
        return loss
