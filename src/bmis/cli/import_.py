"""``bmis import``: make a dataset folder of what annotation tools and publishers give."""

import re
from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bmis.cli.console import answer, table, warn
from bmis.cli.options import add_json

if TYPE_CHECKING:
    from bmis.importing.run import Imported

HELP = "make a data set of COCO, LabelMe, YOLO, CVAT, VOC, DRIVE and other sources"
EXAMPLE = "SOURCE OUT"
_NAMED = 3  # groups that are shown
_VARIES = re.compile(r"'[^']*'|\d+")  # names and numbers, in which equal lines differ


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command: those of ``ImportOptions``, and what to read and write.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["exported", "polyps", "--format", "coco"]).format
        'coco'
    """
    from bmis.cli.flags import add_flags
    from bmis.importing.settings import ImportOptions

    add_json(parser)
    parser.add_argument("source", metavar="SOURCE", help="folder with images and annotations")
    parser.add_argument("out", metavar="OUT", help="new folder for the data set")
    add_flags(parser, ImportOptions)


def run(args: Namespace) -> int:
    """Import the source, and say what was decided; the exit code is 2 if something was left out.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["import", "polyps", "copy"])
        source...
        12 images with masks in copy...
        0
    """
    from bmis.cli.flags import settings_from
    from bmis.importing.run import import_dataset
    from bmis.importing.settings import ImportOptions

    done = import_dataset(args.source, args.out, settings_from(args, ImportOptions))
    answer(args, done.to_dict(), render(done))
    for line in summarise(done.failed, more=True):
        warn(line)
    return 2 if done.failed else 0


def render(done: "Imported") -> str:
    """What was imported and decided, as text for the terminal.

    Example:
        >>> from bmis import import_dataset
        >>> print(render(import_dataset("polyps", "copy")))
        source...
        12 images with masks in copy...
    """
    from bmis.importing.formats import find_format

    facts = [("source", f"{done.source}: {find_format(done.format).title} ({done.format})")]
    facts.append(("classes", ", ".join(done.classes)))
    counts = Counter(case.split for case in done.cases if case.split)
    if counts:
        facts.append(("splits", ", ".join(f"{name} {count}" for name, count in counts.items())))
    groups = {case.group for case in done.cases if case.group}
    if groups:
        facts.append(("groups", f"{len(groups)} in splits.csv"))
    strata = Counter(case.stratum for case in done.cases if case.stratum)
    if strata:
        facts.append(("strata", ", ".join(f"{name} {count}" for name, count in strata.items())))
    decided = [*done.notes, *summarise(note for case in done.cases for note in case.notes)]
    facts += [("" if number else "decided", text) for number, text in enumerate(decided)]
    converted = sum(not case.copied for case in done.cases)
    if converted:
        facts.append(("converted", f"{_count(converted, 'image')} to PNG, the others are copies"))
    if done.not_read:
        kinds = (f"{count} {kind}" for kind, count in done.not_read.items())
        facts.append(("not read", ", ".join(kinds)))
    if done.proposed_groups:
        facts.append(("patients?", _proposal(done.proposed_groups)))
    end = f"{_count(len(done.cases), 'image')} with masks in {done.out}; import.json says how"
    return "\n\n".join([table(facts, "lw"), f"{end}\nnext: bmis inspect {done.out}"])


def summarise(lines: Iterable[str], *, more: bool = False) -> list[str]:
    """Lines that differ in names and numbers alone become one with a count.

    Args:
        lines: Texts.
        more: Show the first and how many more there are, in place of a count and the range.

    Example:
        >>> summarise(["3 grey pixels", "7 grey pixels", "all background"])
        ['2 images: 3 to 7 grey pixels', '1 image: all background']
        >>> summarise(["a.png: broken", "b.png: broken"], more=True)
        ['a.png: broken (and 1 more like it)']
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        reason = line.partition(": ")[2] if more else line
        alike[_VARIES.sub("#", reason or line)].append(line)
    if more:
        return [
            group[0] + (f" (and {len(group) - 1} more like it)" if len(group) > 1 else "")
            for group in alike.values()
        ]
    return [f"{_count(len(group), 'image')}: {_range(group)}" for group in alike.values()]


def _range(lines: Sequence[str]) -> str:
    """The first of some lines, with the smallest and the largest of each number in them."""
    found = [_VARIES.findall(line) for line in lines]
    columns = iter(zip(*found, strict=True))

    def both(_: re.Match[str]) -> str:
        values: tuple[str, ...] = next(columns)
        if all(value == values[0] for value in values):
            return values[0]
        if all(value.isdecimal() for value in values):
            return f"{min(map(int, values))} to {max(map(int, values))}"
        return f"{values[0]} ..."

    return _VARIES.sub(both, lines[0])


def _proposal(groups: dict[str, tuple[str, ...]]) -> str:
    shown = [f"{name} ({len(ids)})" for name, ids in list(groups.items())[:_NAMED]]
    more = ", ..." if len(groups) > _NAMED else ""
    return (
        f"{len(groups)} groups by the file names: {', '.join(shown)}{more}; if these are patients "
        "give --groups, so that none is divided between splits"
    )


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
