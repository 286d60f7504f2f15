"""Scores of validation images on the device; they choose the epoch whose weights are kept."""

import torch
from lightning.fabric import Fabric
from torch import Tensor

from bmis.data.coding import IGNORE
from bmis.models import SegmentationModel
from bmis.train.batches import normalise_batch
from bmis.train.cached_dataset import CachedDataset
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


@torch.no_grad()
def score_images(
    model: SegmentationModel, dataset: CachedDataset, fabric: Fabric, *, batch_size: int
) -> dict[str, float]:
    """Mean IoU and Dice over images, shared by all processes; see ``Trainer.validate``.

    Args:
        model: The network in eval mode.
        dataset: The validation images.
        fabric: Precision and processes.
        batch_size: Windows of an image that are predicted at once.

    Returns:
        ``val_iou`` and ``val_dice``, 0..1; 0 if no image counts.

    Example:
        >>> from pathlib import Path
        >>> from bmis import load_model, open_dataset
        >>> (model, info), data = load_model("run"), open_dataset("polyps")
        >>> cached = CachedDataset(
        ...     data.split("val"), data, info.input, torch.device("cpu"), scratch=Path()
        ... )
        >>> sorted(score_images(model, cached, Fabric(accelerator="cpu"), batch_size=4))
        ['val_dice', 'val_iou']
    """
    if fabric.world_size > 1:  # norm statistics differ; those of the first are kept
        for value in model.buffers():
            value.copy_(fabric.broadcast(value))
    sums = torch.zeros(3, dtype=torch.float64)
    for number in range(fabric.global_rank, len(dataset), fabric.world_size):
        windows, labels = dataset.windows(number)
        predicted = []
        for part in windows.split(batch_size):  # type: ignore[no-untyped-call]
            with fabric.autocast():
                logits = model(normalise_batch(part.float() / 255, dataset.spec))
                predicted.append(logits.argmax(1))
        found = torch.cat(predicted)
        if dataset.ignores:
            found = found.masked_fill(labels == IGNORE, IGNORE)
        sums += score_image(found, labels, model.num_classes)
    total = fabric.all_reduce(sums.to(fabric.device), reduce_op="sum").cpu()  # type: ignore[union-attr]
    iou, dice, count = total.tolist()
    return {"val_iou": iou / max(count, 1), "val_dice": dice / max(count, 1)}
