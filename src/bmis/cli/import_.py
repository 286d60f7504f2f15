"""``bmis import``: make a dataset folder of what annotation tools and publishers give."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from typing import TYPE_CHECKING

from bmis.cli.console import answer, table, warn
from bmis.cli.options import add_json
from bmis.wording import counted, first_of_alike, summarise

if TYPE_CHECKING:
    from bmis.importing.run import Imported

HELP = "make a data set of COCO, LabelMe, YOLO, CVAT, VOC, DRIVE and other sources"
EXAMPLE = "SOURCE OUT"
_NAMED = 3  # groups that are shown


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
    for line in first_of_alike(done.failed):
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
    decided = [
        *done.notes,
        *summarise((note for case in done.cases for note in case.notes), "image"),
    ]
    facts += [("" if number else "decided", text) for number, text in enumerate(decided)]
    converted = sum(not case.copied for case in done.cases)
    if converted:
        facts.append(("converted", f"{counted(converted, 'image')} to PNG, the others are copies"))
    if done.not_read:
        kinds = (f"{count} {kind}" for kind, count in done.not_read.items())
        facts.append(("not read", ", ".join(kinds)))
    if done.proposed_groups:
        facts.append(("patients?", _proposal(done.proposed_groups)))
    end = f"{counted(len(done.cases), 'image')} with masks in {done.out}; import.json says how"
    return "\n\n".join([table(facts, "lw"), f"{end}\nnext: bmis inspect {done.out}"])


def _proposal(groups: dict[str, tuple[str, ...]]) -> str:
    shown = [f"{name} ({len(ids)})" for name, ids in list(groups.items())[:_NAMED]]
    more = ", ..." if len(groups) > _NAMED else ""
    return (
        f"{counted(len(groups), 'group')} by the file names: {', '.join(shown)}{more}; "
        "if these are patients give --groups, so that none is divided between splits"
    )
