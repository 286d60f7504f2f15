"""``bmis models``: list the networks."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from bmis.cli.console import answer, table, terminal_width
from bmis.cli.options import add_json, add_plugins
from bmis.errors import install_line

if TYPE_CHECKING:
    from bmis.models.catalogue import CatalogueEntry
    from bmis.pretrained.listing import Pretrained

HELP = "list the networks"
EXAMPLE = "--group light"
_ROOM_FOR_FAMILIES = 100  # columns; most names begin with the family anyway


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


def render_catalogue(entries: "Sequence[CatalogueEntry]") -> str:
    """The networks as a table: one part for each group, and how to install what is missing.

    Example:
        >>> from bmis.models.catalogue import read_catalogue
        >>> print(render_catalogue(read_catalogue("light")))
        parameters in millions, GMACs at 224 x 224
        name ...
        light:
        bmis ...
    """
    rows = []
    for group, members in groupby(entries, key=lambda entry: entry.group):
        rows.append([f"{group}:", *[""] * 6])
        rows += [_row(entry) for entry in members]
    names, align = ["name", "family", "million", "GMACs", "source", "licence", "needs"], "llrrwww"
    if terminal_width() < _ROOM_FOR_FAMILIES:
        align = align[1:]
        for row in [names, *rows]:
            del row[1]
    missing = sorted({e.extra for e in entries if e.extra and not e.installed})
    return table(
        rows,
        align,
        headers=names,
        title="parameters in millions, GMACs at 224 x 224",
        caption="\n".join(
            [*_starts(entries), *(f"missing: {install_line(extra)}" for extra in missing)]
        ),
    )


def _starts(entries: "Sequence[CatalogueEntry]") -> list[str]:
    """Lines that name the networks that start from ImageNet, and those that can be asked to."""
    start = ", ".join(entry.name for entry in entries if entry.weights == "imagenet")
    may = ", ".join(entry.name for entry in entries if entry.imagenet and entry.weights == "none")
    lines = [f"start from ImageNet: {start}; the others from random weights"] if start else []
    if may:
        lines.append(f"start from ImageNet with -o weights=imagenet, fetched once: {may}")
    return lines


def _row(entry: "CatalogueEntry") -> list[str]:
    return [
        entry.name,
        "" if entry.family == entry.name else entry.family,
        "" if entry.parameters is None else f"{entry.parameters / 1e6:.3f}",
        "" if entry.macs is None else f"{entry.macs / 1e9:.3f}",
        entry.source,
        entry.licence,
        f"{entry.extra or ''}{'' if entry.installed else ' (missing)'}",
    ]


def render_pretrained(networks: "Sequence[Pretrained]") -> str:
    """The trained networks that come with bmis: their scores, and the licences of their images.

    Example:
        >>> from bmis.pretrained.listing import read_pretrained
        >>> print(render_pretrained(read_pretrained()))
        name ...
        breast-ultrasound  tumour ...
    """
    scores = table(
        [
            [
                *(one.name, ", ".join(one.marks), one.data, str(one.images)),
                *(f"{one.iou:.3f}", f"{one.dice:.3f}", f"{one.bytes / 1e6:.1f}", one.precision),
            ]
            for one in networks
        ],
        "lllrrrrl",
        headers=("name", "marks", "trained on", "images", "IoU", "Dice", "MB", "precision"),
        caption="scores: mean over the test images of the same data set, at their own size; not "
        "medical devices",
    )
    licences = table(
        [[one.name, one.licence] for one in networks],
        "lw",
        headers=("name", "licence of the images"),
    )
    return f"{scores}\n\n{licences}"
