"""Images without masks: which are used, and what they are labelled with.

The labels come from the running average of the network's own weights, a mean teacher (A. Tarvainen
and H. Valpola, arXiv:1703.01780). It sees each image with its own colours, the network with those
that the augmentation gives it. How much they count rises over the first part of the training
(S. Laine and T. Aila, arXiv:1610.02242).
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bmis.config import Augmentation, TrainConfig
from bmis.data.cases import Case, Dataset
from bmis.data.fingerprint import file_fingerprint
from bmis.data.image_files import find_images
from bmis.errors import ConfigError, DataError
from bmis.train.augment import apply_parameters, draw_parameters
from bmis.train.cached_dataset import CachedDataset
from bmis.train.recipes import Recipe, Unlabelled
from bmis.wording import counted

_log = logging.getLogger("bmis")
UNLABELLED = 2**32  # stream of random numbers, beyond those of all processes


def find_unlabelled(config: TrainConfig, recipe: Recipe) -> list[Path]:
    """The images of ``config.unlabelled``; none if it names no folder.

    Raises:
        ConfigError: The recipe keeps no average of the weights, which is what labels the images.
        DataError: There is no such folder, or it holds no images.

    Example:
        >>> len(find_unlabelled(TrainConfig("polyps", unlabelled="polyps/images"), Recipe()))
        12
    """
    if config.unlabelled is None:
        return []
    if not recipe.average:
        raise ConfigError(
            "--unlabelled needs the average of the weights, which labels the images; add --set "
            "average=0.998, or take the recipe default or fast"
        )
    return find_images(config.unlabelled)


def leave_out_held_out(files: Sequence[Path], dataset: Dataset) -> tuple[Case, ...]:
    """The images without those of the validation and test split, which is said.

    Files that hold the same bytes are the same image, whatever they are called.

    Args:
        files: Images without masks, at least one.
        dataset: The data set with its splits.

    Raises:
        DataError: A file cannot be read, or no image is left.

    Example:
        >>> from bmis import open_dataset
        >>> dataset = open_dataset("polyps")  # 12 images, 3 of them held out
        >>> len(leave_out_held_out([case.image for case in dataset.cases], dataset))
        9
    """
    held_out = {
        file_fingerprint(case.image) for case in dataset.cases if case.split in ("val", "test")
    }
    used = [file for file in files if file_fingerprint(file) not in held_out]
    folder = files[0].parent
    if left_out := len(files) - len(used):
        _log.info(
            "%s: %s left out, of the validation or test split", folder, counted(left_out, "image")
        )
    if not used:
        raise DataError(
            f"{folder}: all images are validation or test images of {dataset.root}; "
            "name a folder of others"
        )
    _log.info("learning from %s without masks too", counted(len(used), "image"))
    return tuple(Case(file.stem, file, masks=()) for file in used)


def draw_unlabelled(
    images: int, steps: int, share: int, *, seed: int, rank: int = 0, processes: int = 1
) -> tuple[Tensor, ...]:
    """Which images without masks each step of an epoch takes.

    Args:
        images: How many there are.
        steps: Steps of the epoch.
        share: Images of a step in this process.
        seed: Seed of the order, the same for all processes.
        rank: Number of this process.
        processes: Number of processes.

    Returns:
        For each step (share,) int64. All images are taken once before one is taken again.

    Example:
        >>> steps = draw_unlabelled(3, 2, 3, seed=0)
        >>> [sorted(step.tolist()) for step in steps]
        [[0, 1, 2], [0, 1, 2]]
    """
    order = torch.Generator().manual_seed(seed)
    wanted = steps * share * processes
    rounds = [torch.randperm(images, generator=order) for _ in range(-(-wanted // images))]
    chosen = torch.cat(rounds)[:wanted].view(steps, processes, share)
    return chosen[:, rank].unbind(0)


def two_views(
    dataset: CachedDataset, index: Tensor, settings: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Some images as the network sees them and as the average does, moved alike.

    Nothing is laid over them or pasted in: what is hidden from one of the two cannot be learnt.

    Args:
        dataset: The images.
        index: (N,), their numbers.
        settings: The augmentation.
        generator: Draws crops and changes; on the CPU.

    Returns:
        Two batches (N, C, H, W) float32 in 0..1: with changed colours, and with their own.

    Example:
        >>> from bmis import InputSpec, open_dataset
        >>> data, spec, cpu = open_dataset("polyps"), InputSpec((32, 32)), torch.device("cpu")
        >>> cached = CachedDataset(data.split("train"), data, spec, cpu, scratch=Path())
        >>> settings, generator = Augmentation(brightness=0.2), torch.Generator()
        >>> changed, own = two_views(cached, torch.tensor([0]), settings, generator)
        >>> changed.shape == own.shape, bool(torch.equal(changed, own))
        (True, False)
    """
    crops, labels = dataset.crops(index, generator)
    pixels = crops.float() / 255
    bare = replace(settings, border=0.0, dark_corners=0.0, paste=0.0)
    drawn = draw_parameters(bare, crops.shape, generator)
    changed, _ = apply_parameters(pixels, labels, drawn, bare)
    still = replace(bare, brightness=0.0, contrast=0.0, gamma=0.0, colour=0.0, noise=0.0)
    colourful = replace(drawn, intensity=replace(drawn.intensity, grey=None))
    own, _ = apply_parameters(pixels, labels, colourful, still)
    return changed, own


def ramped_weight(settings: Unlabelled, done: float) -> float:
    """The weight of the loss of images without masks at a moment of the training.

    Args:
        settings: Highest weight, and the share of the training over which it is reached.
        done: Share of the training that is done, 0 to 1.

    Example:
        >>> settings = Unlabelled(weight=2.0, ramp_up=0.5)
        >>> [round(ramped_weight(settings, done), 2) for done in (0.0, 0.25, 0.5, 1.0)]
        [0.01, 0.57, 2.0, 2.0]
    """
    share = min(1.0, done / settings.ramp_up) if settings.ramp_up else 1.0
    return settings.weight * math.exp(-5 * (1 - share) ** 2)
