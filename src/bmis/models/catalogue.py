"""What is known of each network at hand: where it is from, how large it is, what it needs.

Parameters and multiplications of the networks that come with the package stand in ``counts.csv``,
which ``benchmarks/counts.py`` writes, so that nobody has to build fifty networks to see how large
they are. A test compares it with the networks.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

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
class Entry:
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


def read_catalogue(group: str | None = None) -> list[Entry]:
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


def render(entries: Sequence[Entry]) -> Table:
    """For people: one part for each group, and how to install what is missing."""
    missing = sorted({e.extra for e in entries if e.extra and not e.installed})
    cures = "\n".join(f'missing: pip install "bmis[{extra}]"' for extra in missing)
    table = Table(box=None, pad_edge=False, caption=Text(cures) if cures else None)
    table.add_column("name", no_wrap=True)
    table.add_column("family", no_wrap=True)
    table.add_column("million\nparameters", justify="right", no_wrap=True)
    table.add_column("GMACs\nat 224", justify="right", no_wrap=True)
    table.add_column("source", overflow="fold", min_width=16)
    table.add_column("licence", overflow="fold", min_width=8)
    table.add_column("needs", no_wrap=True)
    for group, members in groupby(entries, key=lambda entry: entry.group):
        table.add_row(f"{group}:", style="bold")
        for entry in members:
            table.add_row(
                entry.name,
                "" if entry.family == entry.name else entry.family,
                "" if entry.parameters is None else f"{entry.parameters / 1e6:.3f}",
                "" if entry.macs is None else f"{entry.macs / 1e9:.3f}",
                entry.source,
                entry.licence,
                f"{entry.extra or ''}{'' if entry.installed else ' (missing)'}",
            )
    return table


def _entry(method: Method) -> Entry:
    counts = read_counts().get(method.name) or _try_to_count(method.name)
    return Entry(
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
