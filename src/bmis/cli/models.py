"""How the answer of the command ``models`` is printed."""

from collections.abc import Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from bmis.models.catalogue import CatalogueEntry
from bmis.pretrained.listing import Pretrained


def render_catalogue(entries: Sequence[CatalogueEntry]) -> Table:
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


def render_pretrained(networks: Sequence[Pretrained]) -> Table:
    """For people."""
    table = Table(
        box=None,
        pad_edge=False,
        caption="scores: mean over the test images of the same data set, at their own size; not "
        "medical devices",
    )
    for name in ("name", "marks", "trained on"):
        table.add_column(name, no_wrap=True)
    for name in ("test\nimages", "IoU", "Dice", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("precision", no_wrap=True)
    table.add_column("licence of the images", overflow="fold", min_width=20)
    for one in networks:
        scores = f"{one.iou:.3f}", f"{one.dice:.3f}"
        size = f"{one.bytes / 1e6:.1f}"
        table.add_row(
            *(one.name, ", ".join(one.marks), one.data, str(one.images), *scores, size),
            *(one.precision, one.licence),
        )
    return table
