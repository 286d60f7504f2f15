"""What a pixel of each class counts in the cross-entropy, so that rare classes are learnt too."""

import logging
from collections.abc import Sequence

import torch

from bmis.errors import ConfigError
from bmis.train.cached_dataset import CachedDataset
from bmis.wording import counted

_log = logging.getLogger("bmis")


def check_class_weights(setting: str | tuple[float, ...], classes: Sequence[str]) -> None:
    """Refuse a list of weights that has not one for each class.

    Raises:
        ConfigError: Their numbers differ.

    Example:
        >>> check_class_weights("balanced", ("background", "polyp"))
        >>> check_class_weights((1.0,), ("background", "polyp"))
        Traceback (most recent call last):
        bmis.errors.ConfigError: class_weights has 1 number and the data 2 classes ...
    """
    if not isinstance(setting, str) and len(setting) != len(classes):
        raise ConfigError(
            f"class_weights has {counted(len(setting), 'number')} and the data "
            f"{counted(len(classes), 'class')} ({', '.join(classes)}); give one for each"
        )


def choose_class_weights(
    setting: str | tuple[float, ...], dataset: CachedDataset, classes: Sequence[str]
) -> tuple[float, ...] | None:
    """The weight of each class in the cross-entropy, as a recipe asks for it.

    "balanced" takes the inverse square root of the share of the pixels that a class has, so that a
    class of 1 % counts ten times as much a pixel as one of 100 % (the square root as in D. Mahajan
    et al., arXiv:1805.00932, who sample classes by it). The weights are scaled such that their mean
    over the pixels is 1. A class that no training mask shows has the weight 1.

    Args:
        setting: "none", "balanced", or the weights themselves.
        dataset: The training images, whose masks are counted.
        classes: Names of the classes, background first.

    Returns:
        One weight for each class; None for "none".

    Example:
        >>> from pathlib import Path
        >>> from bmis import InputSpec, open_dataset
        >>> data, spec, cpu = open_dataset("polyps"), InputSpec((32, 32)), torch.device("cpu")
        >>> cached = CachedDataset(data.split("train"), data, spec, cpu, scratch=Path())
        >>> background, polyp = choose_class_weights("balanced", cached, data.classes)
        >>> background < 1 < polyp
        True
    """
    if setting == "none":
        return None
    weights = _balanced(dataset, len(classes)) if isinstance(setting, str) else setting
    pairs = zip(classes, weights, strict=True)
    _log.info("weights of the classes: %s", ", ".join(f"{name} {w:.3g}" for name, w in pairs))
    return weights


def _balanced(dataset: CachedDataset, classes: int) -> tuple[float, ...]:
    pixels = dataset.count_labels()[:classes].double()
    share = pixels / pixels.sum().clamp(min=1)
    weights = torch.where(share > 0, share.clamp(min=1e-12).rsqrt(), 0.0)
    weights = weights / (weights * share).sum().clamp(min=1e-12)
    return tuple(torch.where(share > 0, weights, 1.0).tolist())
