"""Look through a whole data set before training on it, and say everything that is wrong with it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bmis.config import InputSpec
from bmis.data.duplicates import similar_pairs
from bmis.data.folder import Case, Dataset, find_cases, load_case
from bmis.data.images import write_image
from bmis.data.preprocess import fit, fit_labels
from bmis.data.splits import SPLITS
from bmis.data.survey import Look, agree_on_classes, survey
from bmis.drawing import contact_sheet, overlay
from bmis.errors import DataError
from bmis.files import output_folder, write_json

SHEET, RECORD = "contact_sheet.png", "inspection.json"
_TILES, _COLUMNS, _TILE = 24, 6, 256
_SHOWN = 12  # lines of duplicates and of problems on the terminal; the record holds them all


@dataclass(frozen=True)
class Duplicate:
    """Two images that are or look the same.

    Attributes:
        ids: Of the two cases.
        splits: Of the two cases; None where one has none.
        similarity: 1.0 for equal pixels, else the correlation of small thumbnails.
        exact: Whether all pixels are equal.
        masks_differ: Whether equal images have unequal masks.
        crosses: Whether the two lie in different splits, so that training sees what is tested.
    """

    ids: tuple[str, str]
    splits: tuple[str | None, str | None]
    similarity: float
    exact: bool
    masks_differ: bool
    crosses: bool


@dataclass(frozen=True)
class ClassCount:
    """How common a class is in a split.

    Attributes:
        split: Name of the split, or "all".
        name: Name of the class.
        images: Number of images that show it.
        share: Share of the pixels, 0 to 1, mean over the images.
    """

    split: str
    name: str
    images: int
    share: float


@dataclass(frozen=True)
class Inspection:
    """What ``inspect_dataset`` found.

    Attributes:
        root: The data set.
        name: Its name.
        about: What it says of itself besides: modality, licence, spacing; None where it does not.
        images: Number of images, unreadable ones included.
        splits: Number of images per split; "none" counts those without one.
        strata: Number of images per stratum.
        channels: 1 (grey) or 3 (RGB).
        sizes: Smallest, median and largest image by area, (height, width) in pixels.
        different_sizes: Number of different sizes.
        classes: How common each class is, in each split and in all.
        duplicates: Pairs of equal and of alike images, those that cross a split first.
        problems: (file or folder, what is wrong with it and how to mend it).
        sheet: The contact sheet, if one was written.
    """

    root: Path
    name: str
    about: dict[str, Any]
    images: int
    splits: dict[str, int]
    strata: dict[str, int]
    channels: int
    sizes: tuple[tuple[int, int], ...]
    different_sizes: int
    classes: tuple[ClassCount, ...]
    duplicates: tuple[Duplicate, ...]
    problems: tuple[tuple[str, str], ...]
    sheet: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``inspection.json``."""
        sheet = None if self.sheet is None else str(self.sheet)
        return {**asdict(self), "root": str(self.root), "sheet": sheet}


def inspect_dataset(
    root: str | Path,
    *,
    out: str | Path | None = None,
    fold: int | str | Path | None = None,
    seed: int = 0,
) -> Inspection:
    """Read all images and masks of a data set and report what there is and what is wrong.

    Damaged files, wrong tables and wrong masks are collected, not raised.

    Args:
        root: The data set, in any layout that ``open_dataset`` reads.
        out: Folder for ``contact_sheet.png`` (24 images with their contours, from the one with
            the least foreground to the one with the most) and ``inspection.json``.
        fold: As in ``open_dataset``.
        seed: As in ``open_dataset``.

    Raises:
        DataError: There is no such folder, nothing in it, or ``out`` cannot be written to.
        ConfigError: There is no such fold.
    """
    root = Path(root)
    folder = None if out is None else output_folder(Path(out))
    faults: list[DataError] = []
    found = find_cases(root, fold=fold, seed=seed, report=faults.append)
    faults += [DataError(f"{p}: a mask without an image; rename or remove it") for p in found.strays]
    looks = survey(found.cases)
    told = found.description
    names, wrong = agree_on_classes(looks, told.classes)
    faults += [fault for look in looks for fault in look.faults] + wrong
    faults += _divided_groups(root, found.cases)
    channels = told.channels or (1 if all(look.grey for look in looks) else 3)
    sizes = sorted((look.size for look in looks if look.size), key=lambda size: size[0] * size[1])
    inspection = Inspection(
        root=root,
        name=told.name or root.resolve().name,
        about={"modality": told.modality, "licence": told.licence, "spacing": told.spacing},
        images=len(looks),
        splits=_split_counts(found.cases),
        strata=dict(sorted(Counter(c.stratum for c in found.cases if c.stratum).items())),
        channels=channels,
        sizes=(sizes[0], sizes[len(sizes) // 2], sizes[-1]) if sizes else (),
        different_sizes=len(set(sizes)),
        classes=tuple(_class_counts(looks, names)),
        duplicates=tuple(_duplicates(looks)),
        problems=tuple(_problem(fault) for fault in faults),
    )
    if folder is None:
        return inspection
    dataset = Dataset(root, inspection.name, found.cases, names, channels)
    if _write_sheet(folder / SHEET, dataset, looks):
        inspection = replace(inspection, sheet=folder / SHEET)
    write_json(folder / RECORD, inspection.to_dict())
    return inspection
