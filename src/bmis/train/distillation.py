"""Knowledge distillation: training on what a trained network makes of the images too.

Its logits are learnt (G. Hinton et al., arXiv:1503.02531) and, where the recipe says so, its maps
at 1/8 and 1/16 (A. Romero et al., arXiv:1412.6550). The losses are ``losses.distillation_loss`` and
``losses.feature_loss``.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bmis.config import InputSpec, TrainConfig
from bmis.data.cases import Dataset
from bmis.data.class_order import class_order
from bmis.errors import ConfigError
from bmis.models import SegmentationModel
from bmis.models.checkpoint import read_checkpoint
from bmis.train.batches import normalise_batch
from bmis.train.feature_maps import Place, find_maps, shared_scales, tapped
from bmis.train.objective import TeacherAnswer
from bmis.train.recipes import Recipe
from bmis.train.sources import find_source
from bmis.wording import counted, image_kind

_log = logging.getLogger("bmis")


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained network whose logits another network learns from; its own weights stay.

    Attributes:
        model: The network, in eval mode.
        spec: Its input, which may have another size than the learner's, and other norms.
        provenance: What the learner's checkpoint says of it: ``source``, ``model``, ``data``.
        maps: Places of the maps that it hands out beside the logits, by scale.

    Example:
        >>> model, info = read_checkpoint("run")
        >>> teacher = Teacher(model, info.input, {}, maps=find_maps(model, (64, 64)))
        >>> logits, maps = teacher(torch.rand(1, 3, 64, 64))
        >>> logits.shape, [tuple(one.shape[2:]) for one in maps]
        (torch.Size([1, 2, 64, 64]), [(8, 8)])
    """

    model: SegmentationModel
    spec: InputSpec
    provenance: dict[str, Any]
    maps: Mapping[int, Place] = field(default_factory=dict)

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> TeacherAnswer:
        """Its logits (N, K, H, W) for images (N, C, H, W) in 0..1, and its maps, finest first.

        It sees the images at its own size, but for crops at native scale, which stay as they are.
        """
        size, own = pixels.shape[2:], self.spec.size
        resized = self.spec.resize != "native" and tuple(size) != own
        if resized:
            pixels = F.interpolate(pixels, own, mode="bilinear", antialias=True)
        names = [place.module for place in self.maps.values()]
        with tapped(self.model, names) as maps:
            logits: Tensor = self.model(normalise_batch(pixels, self.spec))
        if resized:
            logits = F.interpolate(logits.float(), size, mode="bilinear")
        return logits, [maps[name] for name in names]


def check_features(config: TrainConfig, recipe: Recipe) -> None:
    """Refuse to learn the maps of no teacher, or with a compiled network.

    Raises:
        ConfigError: That is asked for.

    Example:
        >>> check_features(TrainConfig("polyps"), Recipe())
    """
    if not recipe.distillation.features:
        return
    if config.teacher is None:
        raise ConfigError(
            "distillation.features needs a teacher; give --teacher RUN, or leave it at 0"
        )
    if config.compile:
        raise ConfigError("distillation.features and --compile do not go together; leave one out")


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
        >>> config = TrainConfig("polyps", size=(32, 32), teacher="run")
        >>> read_teacher(config, open_dataset("polyps")).provenance["model"]
        'bmis'
    """
    if config.teacher is None:
        return None
    model, info = read_checkpoint(find_source(config.teacher))
    spec = InputSpec(config.size, dataset.channels, resize=config.resize)
    alike = _sees_alike(model, info.input, spec)
    if not alike or dataset.num_classes != len(info.classes):
        raise ConfigError(
            f"--teacher {config.teacher}: trained on {_describe_input(info.input, info.classes)}, "
            f"this training has {_describe_input(spec, dataset.classes)}; train the teacher on the "
            "same data with the same --resize"
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


def link_maps(
    teacher: Teacher, model: SegmentationModel, size: tuple[int, int]
) -> tuple[Teacher, dict[int, Place]]:
    """Find the maps of a network that are compared with its teacher's.

    Args:
        teacher: The trained network.
        model: The network that learns.
        size: Height and width of its images.

    Returns:
        The teacher, which hands out its maps at the scales that both have, and the places of the
        learner's maps at these.

    Raises:
        ConfigError: They have no scale in common.

    Example:
        >>> model, info = read_checkpoint("run")
        >>> teacher, ours = link_maps(Teacher(model, info.input, {}), model, (64, 64))
        >>> teacher.maps == ours, list(ours)
        (True, [8])
    """
    seen = size if teacher.spec.resize == "native" else teacher.spec.size
    ours, theirs = find_maps(model, size), find_maps(teacher.model, seen)
    shared = shared_scales(ours, theirs)
    if not shared:
        raise ConfigError(
            "distillation.features: network and teacher have no map at 1/8 or 1/16 in common; "
            "take another teacher, or leave distillation.features at 0"
        )
    _log.info("learning its maps at %s too", " and ".join(f"1/{scale}" for scale in shared))
    return (
        replace(teacher, maps={scale: theirs[scale] for scale in shared}),
        {scale: ours[scale] for scale in shared},
    )


def _sees_alike(model: SegmentationModel, theirs: InputSpec, ours: InputSpec) -> bool:
    """Whether a teacher can be shown the images of a training, resized or not."""
    if (theirs.channels, theirs.resize) != (ours.channels, ours.resize):
        return False
    if ours.resize == "native":
        return model.valid_size(*ours.size) == ours.size
    (height, width), (tall, wide) = ours.size, theirs.size
    return ours.resize == "squash" or height * wide == width * tall  # letterbox: the same aspect


def _check_names(teacher: str, dataset: Dataset, classes: Sequence[str]) -> None:
    order = class_order(dataset.classes, classes, where=str(dataset.root))
    if order != tuple(range(len(order))):
        raise ConfigError(
            f"--teacher {teacher}: its classes are {', '.join(classes)}, those of {dataset.root} "
            f"{', '.join(dataset.classes)}; number the classes of both in the same order"
        )


def _describe_input(spec: InputSpec, classes: Sequence[str]) -> str:
    height, width = spec.size
    kind = image_kind(spec.channels)
    images = f"{kind} images of {height}x{width} ({spec.resize})"
    return f"{images} and {counted(len(classes), 'class')}"
