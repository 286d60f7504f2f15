"""Which images each step of an epoch takes, and how a batch of them becomes a network's input."""

import torch
from torch import Tensor

from bmis.config import Augmentation, InputSpec
from bmis.train.augment import apply_parameters, draw_parameters
from bmis.train.cached_dataset import CachedDataset


def mix_seed(seed: int, epoch: int, stream: int) -> int:
    """One seed for a stream of random numbers in one epoch.

    Everything random in an epoch follows from these three numbers, so that a run that is resumed
    at the start of an epoch goes on exactly as it would have done.

    Args:
        seed: Seed of the training.
        epoch: Epochs done before this one.
        stream: Number of the stream: 0 for the order of the images, 1 and up for the processes.

    Returns:
        0 to 2**63 - 1; neighbouring seeds, epochs and streams give unrelated numbers.

    Example:
        >>> mix_seed(0, 1, 0) == mix_seed(0, 1, 0)
        True
        >>> mix_seed(0, 1, 0) == mix_seed(0, 0, 1)
        False
    """
    value = seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + stream * 0x94D049BB133111EB
    value = (value ^ (value >> 31)) * 0xD6E8FEB86659FD93
    return (value ^ (value >> 29)) & (2**63 - 1)


def draw_batches(
    images: int,
    batch_size: int,
    *,
    seed: int,
    crops_per_image: int = 1,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[Tensor, ...]:
    """The batches of one epoch for one of the processes that share it.

    A last batch that is smaller than the others is left out, so that all shapes are the same. The
    order is new in each epoch, so no image is left out for good.

    Args:
        images: Number of training images.
        batch_size: Images in a step, over all processes.
        seed: Seed of the order, the same for all processes.
        crops_per_image: How often each image is taken.
        rank: Number of this process.
        world_size: Number of processes.

    Returns:
        Numbers of images, int64; at least one batch.

    Example:
        >>> batches = draw_batches(5, 2, seed=0)
        >>> [len(batch) for batch in batches]
        [2, 2]
    """
    order = torch.Generator().manual_seed(seed)
    index = torch.randperm(images * crops_per_image, generator=order) % images
    share = max(1, batch_size // world_size)
    whole = len(index) // world_size * world_size
    batches: tuple[Tensor, ...] = index[:whole].view(-1, world_size)[:, rank].split(share)  # type: ignore[no-untyped-call]
    if len(batches) > 1 and len(batches[-1]) < share:
        batches = batches[:-1]
    return batches


def augmented_batch(
    dataset: CachedDataset, index: Tensor, settings: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Some images as a step sees them, before they are normalised.

    Args:
        dataset: The training images.
        index: (N,), the numbers of the images.
        settings: How far they may be changed.
        generator: Draws crops and changes; on the CPU.

    Returns:
        Images (N, C, H, W) float32 in 0..1, and labels (N, H, W) uint8.

    Example:
        >>> from pathlib import Path
        >>> from bmis import open_dataset
        >>> data, spec, cpu = open_dataset("polyps"), InputSpec((32, 32)), torch.device("cpu")
        >>> cached = CachedDataset(data.split("train"), data, spec, cpu, scratch=Path())
        >>> settings, generator = Augmentation(border=1.0), torch.Generator()
        >>> augmented_batch(cached, torch.tensor([0, 3]), settings, generator)[0].shape
        torch.Size([2, 3, 32, 32])
    """
    crops, labels = dataset.crops(index, generator)
    parameters = draw_parameters(settings, crops.shape, generator)
    return apply_parameters(crops.float() / 255, labels, parameters, settings)


def is_one_value_per_channel(error: BaseException) -> bool:
    """Whether a batch norm refused to train on one image whose map is one pixel.

    Example:
        >>> try:
        ...     torch.nn.BatchNorm2d(4)(torch.zeros(1, 4, 1, 1))
        ... except ValueError as error:
        ...     is_one_value_per_channel(error)
        True
    """
    return isinstance(error, ValueError) and "more than 1 value per channel" in str(error)


def normalise_batch(pixels: Tensor, spec: InputSpec) -> Tensor:
    """A batch of images as the network takes it; ``data.preprocess.normalise`` is for one image.

    Args:
        pixels: (N, C, H, W) float, 0..1.
        spec: Mean and standard deviation of each channel.

    Returns:
        (N, C, H, W) in the memory format channels-last.

    Example:
        >>> normalise_batch(torch.full((1, 3, 2, 2), 0.75), InputSpec()).unique()
        tensor([0.5000])
    """
    mean, std = (pixels.new_tensor(v).view(1, -1, 1, 1) for v in (spec.mean, spec.std))
    return pixels.sub(mean).div(std).contiguous(memory_format=torch.channels_last)
