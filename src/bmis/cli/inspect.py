"""``bmis inspect``: say what a dataset folder or a study holds and what is wrong with it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bmis.cli.console import answer, say, say_failures, say_json, table, warn, warn_packed
from bmis.cli.options import add_json, read_fold
from bmis.wording import counted, group_alike

if TYPE_CHECKING:
    from bmis.clinical.inspection import StackSummary
    from bmis.inspect.dataset import Inspection

HELP = "say what a dataset folder, a DICOM study, a volume or a stack holds and what is wrong"
EXAMPLE = "DATA"
_PAIRS, _PROBLEMS = 12, 50  # rows of each on the terminal; the record holds them all
_ALL = "inspection.json in the folder of --out names every file"
_KINDS = {1: ", grey", 3: ", colour"}
_NO_PROBLEMS = "No problems found."


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command.

    Example:
        >>> parser = ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["polyps", "--fold", "2"]).fold
        2
    """
    add_json(parser)
    parser.add_argument(
        "data", metavar="DATA", help="dataset folder; or DICOM, NIfTI or TIFF files or folders"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the contact sheet and all findings (default: inspect/<name>)",
    )
    parser.add_argument(
        "--fold",
        type=read_fold,
        metavar="N|FILE",
        help="number of the fold, or a CSV file with id,split",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of a split to be made (default: 0)"
    )
    parser.add_argument(
        "--names", action="store_true", help="show name and identifier of patients of DICOM"
    )


def run(args: Namespace) -> int:
    """Inspect the data set, and show what was found; the exit code is 2 if there are problems.

    Example:
        >>> from bmis.cli.main import main
        >>> main(["inspect", "polyps"])
        data set  endoscopy phantoms...
        No problems found.
        0
    """
    from bmis.clinical.sources import is_study
    from bmis.inspect.dataset import inspect_dataset

    if is_study(Path(args.data)):
        return _run_study(args)
    out = args.out or Path("inspect") / Path(args.data).resolve().name
    found = inspect_dataset(Path(args.data), out=out, fold=args.fold, seed=args.seed)
    answer(args, found.to_dict(), render(found))
    return 2 if found.problems else 0


def _run_study(args: Namespace) -> int:
    """Say what a study holds; the exit code is 2 if files of it cannot be read."""
    from bmis.clinical.inspection import inspect_study

    found = inspect_study([args.data], names=args.names)
    if args.json:
        say_json(found.to_dict())
    else:
        if found.stacks:
            say("\n\n".join(map(_stack_table, found.stacks)))
        if found.skipped:
            kinds = (f"{count} {kind}" for kind, count in found.skipped.items())
            say(f"no pictures: {', '.join(kinds)}")
        if found.images:
            say(f"beside them: {counted(found.images, 'image')}, which bmis predict takes too")
        folders = {path: rest for path, rest in found.not_read.items() if path.is_dir()}
        warn(*(f"{path}: not read: {rest}" for path, rest in folders.items()))
        warn_packed({path: rest for path, rest in found.not_read.items() if path not in folders})
    return say_failures(found.failed)


def _stack_table(stack: "StackSummary") -> str:
    """One series, clip or volume as a table for a terminal."""
    shown = {
        "pictures": f"{stack.pictures}, {stack.size[0]} x {stack.size[1]} (height x width)",
        "pixels": f"{stack.pixels}; shown by: {stack.window}",
        "spacing": "{:g} x {:g} mm (down, across)".format(*stack.spacing) if stack.spacing else "",
        "seen": "rows {0} to {2}, columns {1} to {3}".format(*stack.seen) if stack.seen else "",
        "segmentation": stack.segmentation,
        "burnt in": stack.burnt_in,
        **stack.patient,
        "note": "; ".join(stack.notes),
    }
    rows = [(name, text) for name, text in shown.items() if text]
    return table(rows, "lw", title=f"{stack.name} ({stack.kind})")


def render(inspection: "Inspection") -> str:
    """The inspection as tables for a terminal; long lists are cut, the record holds them all.

    Example:
        >>> from bmis.inspect.dataset import inspect_dataset
        >>> print(render(inspect_dataset("polyps", out="inspect")))
        data set  endoscopy phantoms...
        No problems found.
    """
    parts = [table(_facts(inspection), "lw"), _class_table(inspection)]
    if inspection.duplicates:
        parts.append(_pair_table(inspection))
    if inspection.problems:
        parts.append(_problem_table(inspection))
    elif not inspection.suggestion and not inspection.warnings:
        parts.append(_NO_PROBLEMS)
    if inspection.suggestion:
        parts.append(inspection.suggestion)
    parts += inspection.warnings
    return "\n\n".join(parts)


def _pair_table(inspection: "Inspection") -> str:
    """Images that look the same, those in different splits marked."""
    rows = []
    for pair in inspection.duplicates[:_PAIRS]:
        kind = "same pixels" if pair.same_pixels else f"{pair.similarity:.3f}"
        kind += ", masks differ" if pair.masks_differ else ""
        sides = " / ".join(split or "none" for split in pair.splits)
        across = "yes" if pair.crosses_splits else ""
        rows.append([" / ".join(pair.ids), sides, across, kind])
    crossing = sum(pair.crosses_splits for pair in inspection.duplicates)
    count = len(inspection.duplicates)
    return table(
        rows,
        "wllw",
        headers=("images", "splits", "across", "likeness"),
        title=f"pairs that look the same: {count}; across splits: {crossing}",
        caption=_rest(count - _PAIRS),
    )


def _problem_table(inspection: "Inspection") -> str:
    """What is wrong, a row for all files of which the same is wrong, with the first of them."""
    groups = group_alike(inspection.problems, lambda problem: problem.message)
    rows = [
        [str(len(group)), _below(group[0].path, inspection.root), group[0].message]
        for group in groups[:_PROBLEMS]
    ]
    rest = _rest(sum(map(len, groups[_PROBLEMS:])))
    return table(
        rows,
        "rww",
        headers=("files", "such as", "problem"),
        title=f"problems: {len(inspection.problems)}",
        caption=rest or (_ALL if len(inspection.problems) > len(groups) else ""),
    )


def _facts(inspection: "Inspection") -> list[tuple[str, str]]:
    sizes = " .. ".join(dict.fromkeys(f"{height} x {width}" for height, width in inspection.sizes))
    splits = ", ".join(f"{name} {count}" for name, count in inspection.splits.items())
    facts = [
        ("data set", f"{inspection.name} ({inspection.root})"),
        ("images", f"{inspection.images} ({splits})"),
        ("sizes", f"{sizes} (height x width), {inspection.distinct_sizes} different"),
        ("channels", str(inspection.channels) + _KINDS.get(inspection.channels, "")),
    ]
    if inspection.strata:
        counts = (f"{name} {count}" for name, count in inspection.strata.items())
        facts.append(("strata", ", ".join(counts)))
    facts.extend(("values", note) for note in inspection.masks)
    if inspection.fields_of_view:
        facts.append(
            (
                "fields of view",
                f"{inspection.fields_of_view} of {counted(inspection.images, 'image')}",
            )
        )
    for name in ("modality", "licence", "spacing"):
        if value := getattr(inspection, name):
            facts.append((name, str(value)))
    if inspection.not_read:
        facts.append(("not read", str(inspection.not_read)))
    if inspection.contact_sheet:
        facts.append(("pictures", str(inspection.contact_sheet)))
    return facts


def _class_table(inspection: "Inspection") -> str:
    """Images and mean share of the pixels per class, a column for each split."""
    splits = list(dict.fromkeys(count.split for count in inspection.classes))
    rows: dict[str, list[str]] = {}
    for count in inspection.classes:
        row = rows.setdefault(count.name, [count.name])
        row.append(f"{count.images}, {100 * count.share:.3g} %")
    return table(
        rows.values(),
        "w" + "l" * len(splits),
        headers=("class", *splits),
        title="images that show it, mean share of the pixels",
    )


def _rest(count: int) -> str:
    return f"... and {count} more; --out DIR lists them all" if count > 0 else ""


def _below(path: str, root: Path) -> str:
    """The path as seen from the data set, for short tables."""
    return Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
