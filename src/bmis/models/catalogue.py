"""The catalogue of networks: where each comes from, how large it is, what it needs.

Parameters and multiplications of the networks in the package are in ``counts.csv``, which
``benchmarks/counts.py`` writes, so that nobody has to build fifty networks to see how large they
are. A test compares it with the networks.
"""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from bmis.config import check_choice
from bmis.errors import MissingExtraError
from bmis.models import (
    Method,
    build_untrained,
    find_method,
    initial_weights,
    list_models,
    takes_weights,
)
from bmis.models.complexity import count_macs
from bmis.models.registry import GROUPS

TABLE = Path(__file__).with_name("counts.csv")
SIZE = (224, 224)  # height and width of the image whose multiplications are counted
# The libraries that an extra brings for networks alone.
_LIBRARIES = {"zoo": ("einops", "monai", "segmentation_models_pytorch", "timm", "torchvision")}


class Counts(NamedTuple):
    """How large a network is, for an image of 3 channels and for 2 classes.

    Attributes:
        parameters: All trained parameters, those of auxiliary heads included.
        macs: Multiply-accumulates of one forward pass on one image of ``SIZE``.

    Example:
        >>> Counts(parameters=8, macs=8 * 224 * 224).macs
        401408
    """

    parameters: int
    macs: int


@cache
def read_counts() -> Mapping[str, Counts]:
    """Read ``counts.csv``: the counts of each network by its name.

    Example:
        >>> read_counts()["bmis"].parameters
        874951
    """
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return {
            row["name"]: Counts(int(row["parameters"]), int(row["macs"]))
            for row in csv.DictReader(stream)
        }


@dataclass(frozen=True)
class CatalogueEntry:
    """One network of the catalogue.

    Attributes:
        name: Its name for ``build_model``.
        family: The file it is written in; its published sizes share it.
        group: "light", "classic", "transformer" or "own".
        parameters: Parameters for 3 channels and 2 classes; None if it needs a missing library.
        macs: Multiply-accumulates at 224 x 224, or at the smallest valid size that holds that.
        source: Its paper.
        licence: Licence of its authors' or library's code.
        extra: The extra of ``bmis`` that it needs besides "train", if any.
        installed: Whether what it needs is installed.
        weights: What a training starts from unless asked otherwise: "imagenet" or "none".
        imagenet: Whether it can start from ImageNet, by its option ``weights``.

    Example:
        >>> entry = next(entry for entry in read_catalogue() if entry.name == "tv_fcn")
        >>> entry.family, entry.licence, entry.extra
        ('torchvision', 'BSD-3-Clause', 'zoo')
    """

    name: str
    family: str
    group: str
    parameters: int | None
    macs: int | None
    source: str
    licence: str
    extra: str | None
    installed: bool
    weights: str
    imagenet: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def read_catalogue(group: str | None = None) -> list[CatalogueEntry]:
    """List all networks, or those of one group, by group and name.

    Args:
        group: "light", "classic", "transformer" or "own".

    Raises:
        ConfigError: There is no such group.

    Example:
        >>> [entry.name for entry in read_catalogue("transformer")][:2]
        ['dsu_net', 'monai_swin_unetr']
    """
    if group is not None:
        check_choice("group", group, GROUPS)
    methods = [find_method(name) for name in list_models()]
    methods = [method for method in methods if group in (None, method.group)]
    return [_entry(m) for m in sorted(methods, key=lambda m: (GROUPS.index(m.group), m.name))]


def count(name: str) -> Counts:
    """Build a network and count, which takes a second or so.

    Raises:
        ConfigError: There is no network of that name.
        MissingExtraError: The library that it comes from is not installed.

    Example:
        >>> f"{count('simple_unet').macs / 1e9:.3f} billion"
        '0.541 billion'
    """
    model = build_untrained(name)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Counts(parameters, count_macs(model, model.valid_size(*SIZE)))


def _entry(method: Method) -> CatalogueEntry:
    counts = read_counts().get(method.name) or _try_to_count(method.name)
    return CatalogueEntry(
        method.name,
        method.family,
        method.group,
        counts.parameters if counts else None,
        counts.macs if counts else None,
        method.source,
        method.licence,
        method.extra,
        all(find_spec(library) for library in _LIBRARIES.get(method.extra or "", ())),
        initial_weights(method.name, {}),
        takes_weights(method.name),
    )


def _try_to_count(name: str) -> Counts | None:
    """Count a network that is not in the table: a user's own, which may lack a library."""
    try:
        return count(name)
    except MissingExtraError:
        return None
