"""``bmis models``: list the networks."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
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
        times = _times([one.name for one in networks])
        plain = [one.to_dict() | {"milliseconds": times[one.name]} for one in networks]
        answer(args, plain, render_pretrained(networks, times))
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


def _times(names: "Sequence[str]") -> dict[str, float]:
    """Milliseconds that each network takes here."""
    from bmis.profile.glance import milliseconds
    from bmis.system.progress import track

    return {name: milliseconds(name) for name in track(names, "timing", total=len(names))}


def render_pretrained(networks: "Sequence[Pretrained]", times: "Mapping[str, float]") -> str:
    """The trained networks that come with bmis: scores, times, and the licences of their images.

    Args:
        networks: The networks.
        times: Milliseconds of each by name.

    Example:
        >>> from bmis.pretrained.listing import read_pretrained
        >>> found = read_pretrained()
        >>> print(render_pretrained(found, {one.name: 9.5 for one in found}))
        name ...
        breast-ultrasound ... tumour ...
    """
    scores = table(
        [
            [
                *(one.name, ", ".join(one.marks), one.data, str(one.images)),
                *(f"{one.iou:.3f}", f"{one.dice:.3f}"),
                "-" if one.worst_change is None else f"{one.worst_change:+.3f}",
                *(f"{times[one.name]:.1f}", f"{one.bytes / 1e6:.1f}", one.precision),
            ]
            for one in networks
        ],
        "lllrrrrrrl",
        headers=(
            *("name", "marks", "trained on", "images", "IoU", "Dice", "changed", "ms", "MB"),
            "precision",
        ),
        caption="scores: mean over the test images of the same data set, at their own size\n"
        "changed: largest loss of Dice on images with borders, turns, blur and more\n"
        "ms: one image of the network's size, here and now; not medical devices",
    )
    licences = table(
        [[one.name, one.licence] for one in networks],
        "lw",
        headers=("name", "licence of the images"),
    )
    return f"{scores}\n\n{licences}"
