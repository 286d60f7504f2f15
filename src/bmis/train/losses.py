"""Training losses: (logits, labels) -> one number. A recipe names the one it uses.

Each takes ``counted``, (N, H, W), 1.0 where a pixel counts and 0.0 where it is ignored; None if all
of them count. Losses of labels also take ``class_weights``, (K,), by which the cross-entropy of
each pixel is multiplied; it is divided by the sum of these weights.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from bmis.data.coding import IGNORE

_TEMPERATURE = 2.0  # of the distillation loss


class Loss(Protocol):
    """A loss of logits (N, K, H, W) and labels (N, H, W).

    Example:
        >>> loss: Loss = LOSSES["ce_dice"]
        >>> loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4)).shape
        torch.Size([])
    """

    def __call__(
        self,
        logits: Tensor,
        labels: Tensor,
        counted: Tensor | None = None,
        class_weights: Tensor | None = None,
        /,
    ) -> Tensor: ...


def counted_pixels(labels: Tensor) -> Tensor:
    """Which pixels count in losses.

    Args:
        labels: (N, H, W), 0..K-1, and ``IGNORE`` (255) where a pixel does not count.

    Returns:
        (N, H, W), 1.0 where a pixel counts, 0.0 where it does not.

    Example:
        >>> counted_pixels(torch.tensor([[[0, 1, 255]]]))
        tensor([[[1., 1., 0.]]])
    """
    return (labels != IGNORE).float()


def soft_dice(probabilities: Tensor, targets: Tensor, counted: Tensor | None = None) -> Tensor:
    """Soft Dice of every image and channel: (2 TP + 1) / (2 TP + FP + FN + 1).

    Args:
        probabilities: (N, K, H, W) in 0..1.
        targets: (N, K, H, W), 0 or 1; 0 where a pixel does not count.
        counted: The pixels that count, see ``counted_pixels``. Where labels hold ``IGNORE`` it must
            be given.

    Returns:
        (N, K) in 0..1, 1 where both are empty.

    Example:
        >>> soft_dice(torch.tensor([[[[0.5, 0.5]]]]), torch.tensor([[[[1.0, 0.0]]]]))
        tensor([[0.6667]])
    """
    if counted is not None:
        probabilities = probabilities * counted.unsqueeze(1)
    overlap = (probabilities * targets).sum((2, 3))
    total = probabilities.sum((2, 3)) + targets.sum((2, 3))  # = 2 TP + FP + FN
    return (2 * overlap + 1) / (total + 1)


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Labels (N, H, W) as float32 (N, K, H, W): 1 in the channel of the label, 0 elsewhere.

    Example:
        >>> one_hot(torch.tensor([[[0, 2]]]), 3).squeeze()
        tensor([[1., 0.],
                [0., 0.],
                [0., 1.]])
    """
    classes = torch.arange(num_classes, device=labels.device).view(1, -1, 1, 1)
    return (labels.unsqueeze(1) == classes).float()


def ce_dice(
    logits: Tensor,
    labels: Tensor,
    counted: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy plus one minus the soft Dice of the foreground classes, per image.

    Args:
        logits: (N, K, H, W), K >= 2.
        labels: (N, H, W), 0..K-1, and ``IGNORE`` where a pixel does not count.
        counted: The pixels that count, see ``counted_pixels``. Where labels hold ``IGNORE`` it must
            be given.
        class_weights: (K,), what a pixel of each class counts in the cross-entropy; 1 if not given.

    Returns:
        0 or more, 0 where the network is sure of the labels.

    Example:
        >>> labels = torch.tensor([[[0, 1]]])
        >>> round(float(ce_dice(torch.zeros(1, 2, 1, 2), labels)), 4)
        1.0265
    """
    logits = logits.float()
    targets = one_hot(labels, logits.shape[1])
    log_probabilities = F.log_softmax(logits, dim=1)
    dice = soft_dice(log_probabilities.exp()[:, 1:], targets[:, 1:], counted)
    return _cross_entropy(log_probabilities, targets, counted, class_weights) + 1 - dice.mean()


def paper_loss(
    logits: Tensor,
    labels: Tensor,
    counted: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> Tensor:
    """The loss of the BMIS authors: cross-entropy of sigmoids taken for logits, minus soft Dice.

    Args:
        logits: (N, K, H, W), K >= 2; their sigmoid is what the authors' network gives.
        labels: (N, H, W), 0..K-1, and ``IGNORE`` where a pixel does not count.
        counted: The pixels that count, see ``counted_pixels``. Where labels hold ``IGNORE`` it must
            be given.
        class_weights: (K,), what a pixel of each class counts in the cross-entropy; 1 if not given.

    Returns:
        A number that may be below 0.

    Example:
        >>> labels = torch.tensor([[[0, 1]]])
        >>> round(float(paper_loss(torch.zeros(1, 2, 1, 2), labels)), 4)
        0.0265
    """
    probabilities = logits.float().sigmoid()
    targets = one_hot(labels, logits.shape[1])
    log_probabilities = F.log_softmax(probabilities, dim=1)
    cross_entropy = _cross_entropy(log_probabilities, targets, counted, class_weights)
    return cross_entropy - soft_dice(probabilities, targets, counted).mean()


def distillation_loss(logits: Tensor, teacher: Tensor, counted: Tensor | None = None) -> Tensor:
    """How far logits are from a teacher's: Kullback-Leibler divergence, mean over pixels.

    Both are softened by a temperature first (G. Hinton et al., arXiv:1503.02531, section 2), so
    that the teacher's doubts count and not only its decisions.

    Args:
        logits: (N, K, H, W), K >= 2.
        teacher: (N, K, H, W), the teacher's logits for the same images.
        counted: The pixels that count, see ``counted_pixels``. Where labels hold ``IGNORE`` it must
            be given.

    Returns:
        0 or more. It is multiplied by the temperature squared, so that its gradients are as large
        as those of the labels.

    Example:
        >>> logits = torch.zeros(1, 2, 4, 4)
        >>> float(distillation_loss(logits, logits))
        0.0
    """
    ours = F.log_softmax(logits.float() / _TEMPERATURE, dim=1)
    theirs = F.log_softmax(teacher.float() / _TEMPERATURE, dim=1)
    return _mean((theirs.exp() * (theirs - ours)).sum(1), counted) * _TEMPERATURE**2


def feature_loss(ours: Tensor, theirs: Tensor) -> Tensor:
    """How far maps are from a teacher's: one minus the cosine of their vectors, mean over places.

    Hints from inside of a teacher are from A. Romero et al., arXiv:1412.6550. They compare the
    values; the direction alone does not depend on how large those of a teacher are.

    Args:
        ours: (N, C, h, w), projected to the channels of the teacher.
        theirs: (N, C, H, W), brought to h x w if it has another size.

    Returns:
        0 to 2; 0 where all vectors point the same way.

    Example:
        >>> ours = torch.rand(1, 4, 2, 2) + 0.1
        >>> round(float(feature_loss(ours, 3 * ours)), 4)
        0.0
    """
    if theirs.shape[2:] != ours.shape[2:]:
        theirs = F.interpolate(theirs.float(), ours.shape[2:], mode="bilinear")
    return (1 - F.cosine_similarity(ours.float(), theirs.float(), dim=1)).mean()


def pseudo_label_loss(logits: Tensor, guesses: Tensor) -> Tensor:
    """Cross-entropy against the likeliest class of another network, weighted by how sure it is.

    Args:
        logits: (N, K, H, W), K >= 2.
        guesses: (N, K, H, W), logits of the other network for the same images. The weight of a
            pixel is 0 where all its classes are as likely, and 1 where it is sure.

    Returns:
        0 or more, mean over all pixels.

    Example:
        >>> sure = torch.tensor([[[[30.0]], [[0.0]]]])
        >>> [round(float(pseudo_label_loss(sure, of)), 1) for of in (sure, 0 * sure, -sure)]
        [0.0, 0.0, 30.0]
    """
    classes = logits.shape[1]
    confidence, labels = guesses.float().softmax(1).max(1)
    weight = (classes * confidence - 1) / (classes - 1)
    log_probabilities = F.log_softmax(logits.float(), dim=1)
    chosen = (log_probabilities * one_hot(labels, classes)).sum(1)
    return (weight * chosen.neg()).mean()


def _cross_entropy(
    log_probabilities: Tensor,
    targets: Tensor,
    counted: Tensor | None,
    class_weights: Tensor | None,
) -> Tensor:
    """Mean over pixels, from one-hot targets; from labels it is not deterministic on CUDA."""
    if class_weights is not None:  # an ignored pixel has no target, and so no weight
        counted = (targets * class_weights.view(1, -1, 1, 1)).sum(1)
    return -_mean((log_probabilities * targets).sum(1), counted)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean over the pixels by their weights; 0 if none has any."""
    if weights is None:
        return values.mean()
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)


LOSSES: Mapping[str, Loss] = {"ce_dice": ce_dice, "published": paper_loss}
