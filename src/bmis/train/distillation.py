"""Distillation: a training that learns from the answers of a trained network beside the masks."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bmis.config import InputSpec, TrainConfig
from bmis.data.folder import Dataset
from bmis.errors import ConfigError
from bmis.models import SegmentationModel
from bmis.models.checkpoint import load_model
from bmis.train.sources import find_source
from bmis.train.trainer import normalise

_log = logging.getLogger("bmis")


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained network that is asked, and does not learn.

    Attributes:
        model: In eval mode.
        spec: Of its own input, which may be normalised in another way than the learner's.
        provenance: For the checkpoint: its source's name, its network and its data set.
    """

    model: SegmentationModel
    spec: InputSpec
    provenance: dict[str, Any]

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Its logits (N, K, H, W) for images (N, C, H, W), 0..1."""
        logits: Tensor = self.model(normalise(pixels, self.spec))
        return logits


def read_teacher(config: TrainConfig, dataset: Dataset) -> Teacher | None:
    """The network that ``config.teacher`` names, on the CPU; None if it names none.

    Raises:
        BundleError: No such file, or one that is damaged or foreign; see ``load_model``.
        ConfigError: A bundle, or a network that sees other images or tells other classes apart.
    """
    if config.teacher is None:
        return None
    model, info = load_model(find_source(config.teacher))
    theirs = (info.input.channels, len(info.classes), info.input.size, info.input.resize)
    ours = (dataset.channels, dataset.num_classes, config.size, config.resize)
    if theirs != ours:
        raise ConfigError(
            f"--teacher {config.teacher}: trained on {_said(*theirs)}, this training has "
            f"{_said(*ours)}; train the teacher on the same data with the same --size and --resize"
        )
    told = {"source": Path(config.teacher).name, "model": info.model.name}
    _log.info("learning from %s (%s) too", told["source"], told["model"])
    model = model.to(memory_format=torch.channels_last).requires_grad_(False)
    return Teacher(model, info.input, {**told, "data": info.provenance.get("data")})


def _said(channels: int, classes: int, size: tuple[int, int], resize: str) -> str:
    kind = "grey" if channels == 1 else "colour"
    return f"{kind} images of {size[0]}x{size[1]} ({resize}) and {classes} classes"
