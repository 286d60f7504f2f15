"""``bmis models``: list the networks."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from bmis.cli.console import answer
from bmis.cli.options import add_json, add_plugins

if TYPE_CHECKING:
    from rich.table import Table

    from bmis.models.catalogue import CatalogueEntry
    from bmis.pretrained.listing import Pretrained

HELP = "list the networks"
EXAMPLE = "--group light"


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["--pretrained"]).pretrained
        True
    """
    add_json(parser)
    parser.add_argument("--group", help="light, classic, transformer or own (default: all)")
    parser.add_argument(
        "--pretrained", action="store_true", help="list the trained ones that come with bmis"
    )
    add_plugins(parser)


def run(args: Namespace) -> int:
    """List the networks that can be trained, or those that come trained.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["models", "--pretrained", "--json"])
        [...]
        0
    """
    if args.pretrained:
        from bmis.pretrained.listing import read_pretrained

        networks = read_pretrained()
        answer(args, [one.to_dict() for one in networks], render_pretrained(networks))
        return 0
    from bmis.models.catalogue import read_catalogue

    entries = read_catalogue(args.group)
    answer(args, [entry.to_dict() for entry in entries], render_catalogue(entries))
    return 0


def render_catalogue(entries: "Sequence[CatalogueEntry]") -> "Table":
    """The networks as a table: one part for each group, and how to install what is missing.

    Example:
        >>> from bmis.models.catalogue import read_catalogue
        >>> render_catalogue(read_catalogue("light")).columns[0].header
        'name'
    """
    from rich.table import Table
    from rich.text import Text

    missing = sorted({e.extra for e in entries if e.extra and not e.installed})
    hints = "\n".join(f'missing: pip install "bmis[{extra}]"' for extra in missing)
    table = Table(box=None, pad_edge=False, caption=Text(hints) if hints else None)
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


def render_pretrained(networks: "Sequence[Pretrained]") -> "Table":
    """The trained networks that come with bmis, as a table.

    Example:
        >>> from bmis.pretrained.listing import read_pretrained
        >>> render_pretrained(read_pretrained()).row_count
        6
    """
    from rich.table import Table

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
