"""Knowledge distillation: training on the logits of a trained network beside the masks.

G. Hinton et al., arXiv:1503.02531. The loss is ``losses.distillation_loss``.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bmis.config import InputSpec, TrainConfig
from bmis.data.cases import Dataset
from bmis.data.class_order import class_order
from bmis.errors import ConfigError
from bmis.models import SegmentationModel
from bmis.models.checkpoint import read_checkpoint
from bmis.train.batches import normalise_batch
from bmis.train.sources import find_source
from bmis.wording import counted, image_kind

_log = logging.getLogger("bmis")


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained network whose logits another network learns from; its own weights stay.

    Attributes:
        model: The network, in eval mode.
        spec: Its input, which may be normalised in another way than the learner's.
        provenance: What the learner's checkpoint says of it: ``source``, ``model``, ``data``.

    Example:
        >>> model, info = read_checkpoint("run")
        >>> teacher = Teacher(model, info.input, {})
        >>> teacher(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 2, 64, 64])
    """

    model: SegmentationModel
    spec: InputSpec
    provenance: dict[str, Any]

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Its logits (N, K, H, W) for images (N, C, H, W) in 0..1."""
        logits: Tensor = self.model(normalise_batch(pixels, self.spec))
        return logits


def read_teacher(config: TrainConfig, dataset: Dataset) -> Teacher | None:
    """The network that ``config.teacher`` names, on the CPU; None if it names none.

    Args:
        config: The settings of the training.
        dataset: The images and classes that the teacher must have been trained for.

    Raises:
        BundleError: The file is missing, damaged or not of bmis; see ``read_checkpoint``.
        ConfigError: It is a bundle, or a network for other images or other classes.

    Example:
        >>> from bmis import open_dataset
        >>> config = TrainConfig("polyps", size=(64, 64), teacher="run")
        >>> read_teacher(config, open_dataset("polyps")).provenance["model"]
        'bmis'
    """
    if config.teacher is None:
        return None
    model, info = read_checkpoint(find_source(config.teacher))
    theirs = (info.input.channels, len(info.classes), info.input.size, info.input.resize)
    ours = (dataset.channels, dataset.num_classes, config.size, config.resize)
    if theirs != ours:
        raise ConfigError(
            f"--teacher {config.teacher}: trained on {_describe_input(*theirs)}, this training has "
            f"{_describe_input(*ours)}; "
            "train the teacher on the same data with the same --size and --resize"
        )
    _check_names(config.teacher, dataset, info.classes)
    provenance = {
        "source": Path(config.teacher).name,
        "model": info.model.name,
        "data": info.provenance.get("data"),
    }
    _log.info("learning from %s (%s) too", provenance["source"], provenance["model"])
    model = model.to(memory_format=torch.channels_last).requires_grad_(False)
    return Teacher(model, info.input, provenance)


def _check_names(teacher: str, dataset: Dataset, classes: Sequence[str]) -> None:
    order = class_order(dataset.classes, classes, where=str(dataset.root))
    if order != tuple(range(len(order))):
        raise ConfigError(
            f"--teacher {teacher}: its classes are {', '.join(classes)}, those of {dataset.root} "
            f"{', '.join(dataset.classes)}; number the classes of both in the same order"
        )


def _describe_input(channels: int, classes: int, size: tuple[int, int], resize: str) -> str:
    images = f"{image_kind(channels)} images of {size[0]}x{size[1]} ({resize})"
    return f"{images} and {counted(classes, 'class')}"
