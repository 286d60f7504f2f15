"""Check a whole data set before training on it, and report everything that is wrong with it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bmis.data.cases import Case, Dataset
from bmis.data.folder import find_cases
from bmis.data.label_checks import label_warnings
from bmis.data.not_read import NotRead
from bmis.data.scan_channels import agree_on_channels
from bmis.data.split_checks import split_problems
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.importing.suggest import suggest_import
from bmis.inspect.classes import (
    ClassCount,
    agree_on_classes,
    class_counts,
    grey_pixels,
    labels_of,
)
from bmis.inspect.contact_sheet import write_contact_sheet
from bmis.inspect.duplicates import Duplicate, find_duplicates
from bmis.inspect.survey import CaseInspection, survey
from bmis.system.files import output_folder, write_json

_SHEET, _RECORD = "contact_sheet.png", "inspection.json"
_SIZES = ("smallest", "median", "largest")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set.

    Attributes:
        path: File or folder that is wrong.
        message: What is wrong with it and how to fix it.

    Example:
        >>> Problem.from_error(DataError("masks/a.png: the file is empty (0 bytes)"))
        Problem(path='masks/a.png', message='the file is empty (0 bytes)')
    """

    path: str
    message: str

    @classmethod
    def from_error(cls, error: DataError) -> "Problem":
        """Split an error at its path: every message about data begins with one and a colon."""
        path, _, message = str(error).partition(": ")
        return cls(path, message)


@dataclass(frozen=True)
class Inspection:
    """What ``inspect_dataset`` found.

    Attributes:
        root: Folder of the data set.
        name: Name of the data set.
        modality: Kind of images, where declared.
        licence: Licence of the images, where declared.
        spacing: Millimetres per pixel along rows and columns, where declared.
        images: Number of images, unreadable ones included.
        splits: Number of images per split; "none" counts those without one.
        strata: Number of images per stratum.
        channels: Channels of the images: 1 is grey, 3 is RGB.
        sizes: Smallest, median and largest image by area, (height, width) in pixels.
        distinct_sizes: Number of different sizes.
        classes: How common each class is, in each split and in all.
        masks: What is said of the values in the masks, a sentence each.
        fields_of_view: Number of images with a field of view, for ``evaluate``.
        duplicates: Pairs of equal and of similar images, those that cross a split first.
        problems: Everything that is wrong with the data set.
        not_read: Files of other kinds in the folder, and folders that are not looked into.
        suggestion: The command of ``bmis import`` that helps, with the reason, where one does.
        warnings: What is likely a mistake in the masks, a sentence each.
        contact_sheet: File of the contact sheet, if one was written.

    Example:
        >>> found = inspect_dataset("polyps")
        >>> found.splits, found.sizes[0], found.to_dict()["sizes"]["largest"]
        ({'train': 9, 'val': 1, 'test': 2}, (64, 64), (64, 64))
    """

    root: Path
    name: str
    modality: str | None
    licence: str | None
    spacing: tuple[float, float] | None
    images: int
    splits: dict[str, int]
    strata: dict[str, int]
    channels: int
    sizes: tuple[tuple[int, int], ...]
    distinct_sizes: int
    classes: tuple[ClassCount, ...]
    masks: tuple[str, ...]
    fields_of_view: int
    duplicates: tuple[Duplicate, ...]
    problems: tuple[Problem, ...]
    not_read: NotRead = field(default_factory=NotRead)
    suggestion: str | None = None
    warnings: tuple[str, ...] = ()
    contact_sheet: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``inspection.json``."""
        return {
            **asdict(self),
            "root": str(self.root),
            "sizes": dict(zip(_SIZES, self.sizes, strict=False)),  # none if nothing was readable
            "contact_sheet": None if self.contact_sheet is None else str(self.contact_sheet),
        }


def inspect_dataset(
    root: str | Path,
    *,
    out: str | Path | None = None,
    fold: int | str | Path | None = None,
    seed: int = 0,
) -> Inspection:
    """Read all images, masks and fields of view of a data set and report what is there.

    Damaged files, wrong tables and wrong masks are collected as problems and not raised.

    Args:
        root: Folder of the data set, in any layout that ``open_dataset`` reads.
        out: Folder for ``contact_sheet.png`` (up to 24 images with their contours, from the least
            foreground to the most) and ``inspection.json``.
        fold: Number or file of a fold, as in ``open_dataset``.
        seed: Seed of a split or fold that has to be made.

    Raises:
        DataError: There is no such folder, nothing in it, or ``out`` cannot be written to.
        ConfigError: There is no such fold.

    Example:
        >>> found = inspect_dataset("polyps", out="inspection")
        >>> found.images, found.channels, found.problems
        (12, 3, ())
        >>> sorted(path.name for path in Path("inspection").iterdir())
        ['contact_sheet.png', 'inspection.json']
    """
    root = Path(root)
    folder = None if out is None else output_folder(Path(out))
    errors: list[DataError] = []
    try:
        found = find_cases(root, fold=fold, seed=seed, on_error=errors.append)
    except DataError as error:
        hint = suggest_import(root)
        if hint is None:
            raise
        raise DataError(f"{root}: {hint}") from error
    declared = found.description
    inspections = survey(found.cases, channels=declared.channels)
    names, coding, wrong = agree_on_classes(inspections, declared.classes, declared.mask_rules)
    channels, mixed = agree_on_channels({k.case.image: k.channels for k in inspections if k.size})
    errors += [mixed] if mixed else []
    errors += [DataError(f"{p}: goes with no image; rename or remove it") for p in found.unmatched]
    errors += [error for case in inspections for error in case.errors] + wrong
    errors += map(DataError, split_problems(root, found.cases, coding))
    sizes = sorted((k.size for k in inspections if k.size), key=math.prod)
    inspection = Inspection(
        root=root,
        name=declared.name or root.resolve().name,
        modality=declared.modality,
        licence=declared.licence,
        spacing=declared.spacing,
        images=len(inspections),
        splits=_split_counts(found.cases),
        strata=dict(sorted(Counter(c.stratum for c in found.cases if c.stratum).items())),
        channels=declared.channels or channels,
        sizes=tuple(sizes[at] for at in (0, len(sizes) // 2, -1) if sizes),
        distinct_sizes=len(set(sizes)),
        classes=class_counts(inspections, names),
        masks=(*coding.notes, *grey_pixels(inspections, coding)),
        fields_of_view=sum(case.field_of_view is not None for case in found.cases),
        duplicates=find_duplicates(inspections),
        problems=tuple(map(Problem.from_error, errors)),
        not_read=found.not_read,
        suggestion=suggest_import(root),
        warnings=label_warnings(labels_of(inspections, coding), names),
    )
    if folder is None:
        return inspection
    dataset = Dataset(
        root,
        inspection.name,
        found.cases,
        names,
        inspection.channels,
        coding=coding,
    )
    return _write(folder, inspection, dataset, inspections)


def _split_counts(cases: Sequence[Case]) -> dict[str, int]:
    counts = Counter(case.split or "none" for case in cases)
    return {name: counts[name] for name in (*SPLITS, "none") if counts[name] or name != "none"}


def _write(
    folder: Path, inspection: Inspection, dataset: Dataset, inspections: Sequence[CaseInspection]
) -> Inspection:
    """Write the contact sheet and the record; the inspection then names the sheet."""
    sheet = write_contact_sheet(folder / _SHEET, dataset, inspections)
    inspection = replace(inspection, contact_sheet=sheet)
    write_json(folder / _RECORD, inspection.to_dict())
    return inspection
