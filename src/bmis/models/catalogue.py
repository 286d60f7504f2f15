"""What is known of each network at hand: where it is from, how large it is, what it needs.

Parameters and multiplications of the networks that come with the package stand in ``counts.csv``,
which ``benchmarks/counts.py`` writes, so that nobody has to build fifty networks to see how large
they are. A test compares it with the networks.
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
from bmis.models import Method, build_model, find_method, list_models
from bmis.models.complexity import count_macs
from bmis.models.registry import GROUPS

TABLE = Path(__file__).with_name("counts.csv")
SIZE = (224, 224)  # height and width of the image that is counted for
# What the extra brings that no other part of the package needs.
_LIBRARIES = {"zoo": ("einops", "monai", "segmentation_models_pytorch", "timm", "torchvision")}


class Counts(NamedTuple):
    """How large a network is, for an image of 3 channels and for 2 classes.

    Attributes:
        parameters: All that are trained, those of auxiliary heads included.
        macs: Multiply-accumulates of one forward pass on one image of ``SIZE``.
    """

    parameters: int
    macs: int


@cache
def read_counts() -> Mapping[str, Counts]:
    """The table, by the networks' names."""
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return {
            row["name"]: Counts(int(row["parameters"]), int(row["macs"]))
            for row in csv.DictReader(stream)
        }


@dataclass(frozen=True)
class CatalogueEntry:
    """One network.

    Attributes:
        name: What ``build_model`` calls it.
        family: The file it is written in: its published sizes share it.
        group: "light", "classic", "transformer" or "own".
        parameters: For 3 channels and 2 classes; None if it cannot be built for want of a library.
        macs: Multiply-accumulates at 224 x 224, or at the least size it takes that holds that.
        source: Its paper.
        licence: Of its authors' or library's code.
        extra: The extra of ``bmis`` that it needs besides "train", if any.
        installed: Whether what it needs is there.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def read_catalogue(group: str | None = None) -> list[CatalogueEntry]:
    """All networks, or those of one group, by group and name.

    Args:
        group: "light", "classic", "transformer" or "own".

    Raises:
        ConfigError: There is no such group.
    """
    if group is not None:
        check_choice("group", group, GROUPS)
    methods = [find_method(name) for name in list_models()]
    methods = [method for method in methods if group in (None, method.group)]
    return [_entry(m) for m in sorted(methods, key=lambda m: (GROUPS.index(m.group), m.name))]


def count(name: str) -> Counts:
    """Build a network and count, which takes a second or so."""
    model = build_model(name)
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
    )


def _try_to_count(name: str) -> Counts | None:
    """A network that is not in the table is a user's own; it may lack a library."""
    try:
        return count(name)
    except MissingExtraError:
        return None
