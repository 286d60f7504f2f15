"""Scores of one validation image on the device; they choose the epoch whose weights are kept."""

import torch
from torch import Tensor

from bmis.train.losses import one_hot


def score_image(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """IoU and Dice of one image, mean over its foreground classes.

    A class that is absent from mask and prediction is left out, and so is an image that has no
    foreground in either: it must not make an epoch that finds nothing look good.

    Args:
        predicted: (W, h, w), the W windows that cover the image, values 0..K-1, or any other in
            both where a pixel does not count.
        labels: (W, h, w), the reference mask in the same windows.
        num_classes: K, background included.

    Returns:
        float64 (IoU, Dice, 1): the sum of these over images holds their number too. Zeros for an
        image that is left out.

    Example:
        >>> mask = torch.tensor([[[0, 1, 1, 0]]])
        >>> score_image(torch.tensor([[[0, 1, 0, 0]]]), mask, 2)
        tensor([0.5000, 0.6667, 1.0000], dtype=torch.float64)
    """
    ours = one_hot(predicted, num_classes)[:, 1:].sum((0, 2, 3))
    theirs = one_hot(labels, num_classes)[:, 1:].sum((0, 2, 3))
    both = (one_hot(predicted, num_classes) * one_hot(labels, num_classes))[:, 1:].sum((0, 2, 3))
    present = (ours + theirs) > 0
    if not present.any():
        return torch.zeros(3, dtype=torch.float64)
    both, total = both[present].double().cpu(), (ours + theirs)[present].double().cpu()
    iou, dice = (both / (total - both)).mean(), (2 * both / total).mean()
    return torch.stack([iou, dice, torch.ones((), dtype=torch.float64)])
