"""``bmis import``: read a source, write a dataset folder, and say what was decided."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bmis.data.description import Description
from bmis.data.splits import SPLITS, make_split
from bmis.data.tables import Row
from bmis.errors import DataError, printable
from bmis.importing.folds import read_folds
from bmis.importing.formats import choose_format, find_format
from bmis.importing.names import propose_groups, unique_ids
from bmis.importing.settings import ImportOptions
from bmis.importing.source import Item, Source
from bmis.importing.tree import Tree, read_tree
from bmis.importing.unpack import Unpacked, unpacked
from bmis.importing.write_case import ImportedCase, write_case
from bmis.system.files import to_csv, whole_folder, write_json, write_text
from bmis.system.pipeline import each
from bmis.system.progress import track
from bmis.system.temporary import temporary_name
from bmis.wording import counted

_REPORT = "import.json"


@dataclass(frozen=True)
class Imported:
    """What ``import_dataset`` wrote, and all that it decided.

    Attributes:
        out: Folder that was written.
        source: Folder that was read.
        format: Name of the format that was read.
        classes: Names of the classes, background first.
        cases: The images, each with what was decided about it.
        notes: What was decided for all images.
        failed: What could not be used, one line for each.
        not_read: Number of files of each kind that were not read.
        proposed_groups: Patients that the names seem to show, with the ids of their images.

    Example:
        >>> done = import_dataset("polyps", "copy")
        >>> len(done.cases), done.failed, done.to_dict()["format"]
        (12, (), 'masks')
    """

    out: Path
    source: Path
    format: str
    classes: tuple[str, ...]
    cases: tuple[ImportedCase, ...]
    notes: tuple[str, ...]
    failed: tuple[str, ...]
    not_read: dict[str, int]
    proposed_groups: dict[str, tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``import.json``."""
        return {**asdict(self), "out": str(self.out), "source": str(self.source)}


def import_dataset(
    source: str | Path, out: str | Path, options: ImportOptions | None = None
) -> Imported:
    """Make a dataset folder of what annotation tools and publishers give.

    Files that cannot be used are left out and listed; the others are imported. Images that bmis
    reads are copied byte for byte. The source is not changed.

    Args:
        source: Folder with images and annotations.
        out: Folder to write. It must not exist, or be empty. It appears when it is complete.
        options: How to read the source where it leaves a choice.

    Returns:
        What was written and decided, which is also in ``import.json``.

    Raises:
        DataError: The source is not recognised or no image of it can be used, or ``out`` is not
            empty, lies in the source, or cannot be written.
        MissingExtraError: COCO and CVAT polygons need the extra ``import``.

    Example:
        >>> done = import_dataset("polyps", "copy")
        >>> sorted(path.name for path in done.out.iterdir())
        ['dataset.yaml', 'images', 'import.json', 'masks', 'splits.csv']
    """
    options = options or ImportOptions()
    source, out = Path(source), Path(out)
    tree = read_tree(source)
    _check_out(source, out)
    with unpacked(tree, out.absolute().with_name(temporary_name(""))) as view:
        try:
            return _import(view, out, options)
        except DataError as error:
            raise DataError(view.in_words(str(error))) from error


def _import(view: Unpacked, out: Path, options: ImportOptions) -> Imported:
    tree = view.tree
    name = choose_format(tree, options.format)
    found = find_format(name).read(tree, options)
    with whole_folder(out) as folder:
        cases, failed = _write_cases(folder, tree, found)
        failed += view.damaged
        if not cases:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            raise failed[0] if not more else DataError(f"{failed[0]}{more}")
        folds = read_folds(tree, {case.id for case in cases})
        used = {*found.used, *folds.used, *(one for item in found.items for one in _files_of(item))}
        cases, unpacking = view.restore(cases), view.notes(cases)
        proposed = (
            {} if any(case.group for case in cases) else propose_groups([c.id for c in cases])
        )
        cases = _with_groups(cases, proposed) if options.groups else cases
        cases, notes = _with_validation(cases, (*unpacking, *found.notes))
        done = Imported(
            out,
            view.source,
            name,
            found.classes,
            tuple(cases),
            (*notes, *folds.notes),
            tuple(printable(view.in_words(str(error))) for error in (*failed, *folds.failed)),
            tree.unread(used),
            {} if options.groups else proposed,
        )
        folds.write(folder)
        _describe(folder, done, found.description)
    return done


def _files_of(item: Item) -> Iterator[Path]:
    yield item.image
    yield item.annotation
    if item.field_of_view:
        yield item.field_of_view


def _check_out(source: Path, out: Path) -> None:
    if out.resolve().is_relative_to(source.resolve()):
        raise DataError(f"{out}: lies in {source}, which stays as it is; choose another folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is there already; give a new or an empty folder")


def _write_cases(
    folder: Path, tree: Tree, found: Source
) -> tuple[list[ImportedCase], list[DataError]]:
    """Write all images that can be used; the errors of the others come behind those so far."""
    ids = unique_ids(tree, [item.image for item in found.items])
    write = partial(write_case, folder, classes=len(found.classes), relative=tree.relative)
    work = each(lambda pair: write(*pair), list(zip(ids, found.items, strict=True)))
    cases, failed = [], list(found.failed)
    for one in track(work, "importing", total=len(ids)):
        if isinstance(one, DataError):
            failed.append(one)
        else:
            cases.append(one)
            failed += [DataError(f"{one.annotation}: {text}") for text in one.problems]
    return sorted(cases, key=lambda case: case.id), failed


def _with_groups(
    cases: Sequence[ImportedCase], groups: dict[str, tuple[str, ...]]
) -> list[ImportedCase]:
    group_of = {name: group for group, members in groups.items() for name in members}
    return [replace(case, group=group_of.get(case.id)) for case in cases]


def _with_validation(
    cases: Sequence[ImportedCase], notes: tuple[str, ...]
) -> tuple[list[ImportedCase], tuple[str, ...]]:
    """The cases, with a validation split out of the training split where there is none."""
    counts = Counter(case.split for case in cases)
    if {*counts} == {"train"}:
        note = "every image is listed for training: `bmis train` makes the splits"
        return [replace(case, split=None) for case in cases], (*notes, note)
    if not counts["train"] or not counts["test"] or counts["val"]:
        return list(cases), notes
    rows = [Row(c.id, None, c.group, c.stratum) for c in cases if c.split == "train"]
    try:
        made = make_split(rows, parts=("train", "val"))
    except DataError:  # one image, or one patient
        return list(cases), notes
    taken = sum(split == "val" for split in made.values())
    note = f"no validation split: {taken} of {counted(len(rows), 'training image')} taken for it"
    return [replace(c, split=made.get(c.id, c.split)) for c in cases], (*notes, note)


def _describe(folder: Path, done: Imported, declared: Description) -> None:
    """Write what a data set has besides images and masks."""
    text = {key: value for key, value in asdict(declared).items() if value}
    text |= {"name": declared.name or done.source.resolve().name, "classes": list(done.classes)}
    if declared.spacing:
        text["spacing"] = list(declared.spacing)
    write_text(folder / "dataset.yaml", yaml.safe_dump(text, sort_keys=False, allow_unicode=True))
    columns = {"split": [case.split for case in done.cases]}
    if len({*columns["split"]} & {*SPLITS}) < 2:
        del columns["split"]
    for name, values in (
        ("group", [case.group for case in done.cases]),
        ("class", [case.stratum for case in done.cases]),
    ):
        if any(values):
            columns[name] = values
    if columns:
        columns = {"id": [case.id for case in done.cases], **columns}
        rows = zip(*columns.values(), strict=True)
        write_text(folder / "splits.csv", to_csv([[*columns], *rows]))
    write_json(folder / _REPORT, done.to_dict())
