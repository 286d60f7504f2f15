"""A folder of images and masks as a data set: cases, classes, channels and splits.

``dataset.yaml`` may say ``name``, ``modality``, ``licence``, ``classes`` (names, background
first), ``channels`` (1 or 3) and ``spacing`` ([row, column] in mm per pixel). What it does not say
about classes and channels is found by looking at the files.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.description import Description, read_description
from bmis.data.images import Image, read_image, read_mask
from bmis.data.labels import class_names, to_labels, wrong_size
from bmis.data.layouts import Pair, find_images, find_layout
from bmis.data.on_error import Report, stop
from bmis.data.scan import scan_channels, scan_classes
from bmis.data.splits import SPLITS, make_fold, make_split
from bmis.data.tables import Row, check_ids, read_table
from bmis.errors import ConfigError, DataError

__all__ = [
    "Case",
    "Dataset",
    "Found",
    "find_cases",
    "find_images",
    "load_case",
    "load_field_of_view",
    "open_dataset",
]


@dataclass(frozen=True)
class Case:
    """One image with its masks.

    Attributes:
        id: File name of the image without its suffix.
        image: Image file.
        masks: Mask files; several are merged.
        split: "train", "val" or "test".
        group: Cases of one group (a patient) belong on one side of a split.
        stratum: Cases of one stratum (a diagnosis) are divided evenly over the splits.
        field_of_view: File of its field of view. Scores count inside it, or everywhere without.
    """

    id: str
    image: Path
    masks: tuple[Path, ...]
    split: str | None = None
    group: str | None = None
    stratum: str | None = None
    field_of_view: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """All cases of a folder and what they have in common.

    Attributes:
        root: The folder.
        name: Its name.
        cases: Sorted by id.
        classes: Names, background first.
        channels: 1 (grey) or 3 (RGB).
        spacing: Millimetres per pixel along rows and columns, where known.
        modality: Such as "ultrasound", where told.
        licence: Licence of the images, where told.
    """

    root: Path
    name: str
    cases: tuple[Case, ...]
    classes: tuple[str, ...]
    channels: int
    spacing: tuple[float, float] | None = None
    modality: str | None = None
    licence: str | None = None

    @property
    def num_classes(self) -> int:
        """Classes, background included."""
        return len(self.classes)

    def split(self, name: str) -> tuple[Case, ...]:
        """The cases of one split.

        Raises:
            DataError: It is empty or unknown; the message names those there are.
        """
        chosen = tuple(case for case in self.cases if case.split == name)
        if not chosen:
            counts = {s: sum(case.split == s for case in self.cases) for s in SPLITS}
            there = ", ".join(f"{s} ({count})" for s, count in counts.items() if count) or "none"
            raise DataError(f"{self.root}: no images in split {name!r}; there are: {there}")
        return chosen


def open_dataset(
    root: str | Path, *, fold: int | str | Path | None = None, seed: int = 0
) -> Dataset:
    """Find the cases of a data set, their splits, classes and channels.

    Without ``fold``, the split of ``splits.csv`` (columns ``id,split[,group][,class]``) counts;
    without that file, or without its ``split`` column, one is made: 70/10/20, seeded, by group,
    stratified by class. A row with an empty split leaves its image out.

    Args:
        root: Folder in one of the layouts of ``bmis.data.layouts``.
        fold: 1 to 5: ``folds/fold<K>.csv`` if the data set has a folder ``folds/``, else the K-th
            of five made folds. Or the path of a CSV file.
        seed: Seed of what is made.

    Raises:
        DataError: The folder, a file or a table is not as it should be.
        ConfigError: There is no such fold.
    """
    found = find_cases(Path(root), fold=fold, seed=seed)
    cases, told = found.cases, found.description
    return Dataset(
        Path(root),
        told.name or Path(root).resolve().name,
        cases,
        told.classes or class_names(scan_classes([mask for case in cases for mask in case.masks])),
        told.channels or scan_channels([case.image for case in cases]),
        told.spacing,
        told.modality,
        told.licence,
    )


@dataclass(frozen=True)
class Found:
    """What a data set is before any of its pixels is looked at.

    Attributes:
        cases: Sorted by id; each has masks and a split, unless a fault was reported.
        description: What the data set says of itself; class names from nnU-Net included.
        unmatched: Masks and fields of view without an image.
    """

    cases: tuple[Case, ...]
    description: Description
    unmatched: tuple[Path, ...]


def find_cases(
    root: Path, *, fold: int | str | Path | None = None, seed: int = 0, report: Report = stop
) -> Found:
    """``open_dataset`` without a look at the pixels; other faults than its fatal ones are reported.

    Raises:
        DataError: As ``find_layout``.
        ConfigError: There is no such fold.
    """
    layout = find_layout(root, report=report)
    told = Description()
    try:
        told = read_description(root)
    except DataError as fault:
        report(fault)
    told = replace(told, classes=told.classes or layout.classes)
    cases = _split_cases(root, layout.pairs, _Choice(fold, seed, report))
    kept = tuple(case for case in cases if case.split != "")
    for case in kept:
        if not case.masks:
            report(
                DataError(
                    f"{case.image}: has no mask; add one of the same name, or list it in "
                    "splits.csv with an empty split to leave it out"
                )
            )
    return Found(kept, told, layout.unmatched)


@dataclass(frozen=True)
class _Choice:
    """How the caller wants the cases split."""

    fold: int | str | Path | None
    seed: int
    report: Report


def _split_cases(root: Path, pairs: tuple[Pair, ...], choice: _Choice) -> list[Case]:
    """Cases with splits from the fold, from ``splits.csv``, from the layout, or made."""
    ids = {pair.id for pair in pairs}
    table = root / "splits.csv"
    rows = _rows(table, ids, choice.report, complete=choice.fold is None) if table.exists() else {}
    cases = [_case(pair, rows.get(pair.id)) for pair in pairs]
    number, file = _find_fold(root, choice.fold)
    if file is not None:
        chosen = _rows(file, ids, choice.report, complete=True)
        splits = {name: row.split for name, row in chosen.items()}
        return [replace(case, split=splits.get(case.id)) for case in cases]
    if number is None and any(row.split is not None for row in rows.values()):
        return cases
    open_cases = [case for case in cases if case.split is None or number is not None]
    open_cases = [case for case in open_cases if case.split != ""]
    try:
        if number is not None:
            made = make_fold(open_cases, number, seed=choice.seed)
        else:  # where the layout tells the test split, only val is still to be made
            parts = SPLITS if len(open_cases) == len(cases) else ("train", "val")
            made = make_split(open_cases, seed=choice.seed, parts=parts)
    except DataError as fault:
        choice.report(DataError(f"{root}: {fault}"))
        return cases
    return [replace(case, split=made.get(case.id, case.split)) for case in cases]


def _rows(path: Path, ids: set[str], report: Report, *, complete: bool) -> dict[str, Row]:
    try:
        rows = read_table(path)
    except DataError as fault:
        report(fault)
        return {}
    check_ids(path, rows, ids, complete=complete, report=report)
    return rows


def _case(pair: Pair, row: Row | None) -> Case:
    if row is None:
        return Case(
            pair.id, pair.image, pair.masks, pair.split, None, pair.folder, pair.field_of_view
        )
    split = pair.split if row.split is None else row.split
    stratum = row.stratum or pair.folder
    return Case(pair.id, pair.image, pair.masks, split, row.group, stratum, pair.field_of_view)


def _find_fold(root: Path, fold: int | str | Path | None) -> tuple[int | None, Path | None]:
    """The number of a fold to make, or the file of one to read, or neither."""
    if fold is None:
        return None, None
    said = str(fold)
    if not said.isdigit():
        if not Path(said).is_file():
            raise ConfigError(f"fold must be a number or a CSV file; there is no file {said}")
        return None, Path(said)
    folder = root / "folds"
    if not folder.is_dir():
        return int(said), None
    file = folder / f"fold{int(said)}.csv"
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in folder.glob("*.csv"))) or "none"
        raise ConfigError(f"{file}: there is no such fold; there are: {there}")
    return None, file


def load_case(case: Case, dataset: Dataset) -> tuple[Image, NDArray[np.uint8]]:
    """Read an image and its labels.

    Returns:
        The image with ``dataset.channels`` channels, and (H, W) uint8 labels in 0..K-1. Several
        masks are merged: where they overlap the higher class counts.

    Raises:
        DataError: A file cannot be read, a mask has another size than its image, or values that
            are no classes.
    """
    image = read_image(case.image, channels=dataset.channels)
    size = image.pixels.shape[:2]
    labels = np.zeros(size, np.uint8)
    for path in case.masks:
        raw = read_mask(path)
        if raw.shape != size:
            raise wrong_size(path, raw.shape, size)
        np.maximum(labels, to_labels(raw, dataset.num_classes, path), out=labels)
    return replace(image, spacing=dataset.spacing), labels


def load_field_of_view(case: Case, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Read the field of view of an image: what its file stores as another value than 0.

    Args:
        case: Its image.
        size: Height and width of the image in pixels.

    Returns:
        (H, W), true inside; None where the image has none.

    Raises:
        DataError: The file cannot be read, has another size than the image, or holds no inside.
    """
    if case.field_of_view is None:
        return None
    raw = read_mask(case.field_of_view)
    if raw.shape != size:
        raise wrong_size(case.field_of_view, raw.shape, size, "field of view")
    if not raw.any():
        raise DataError(
            f"{case.field_of_view}: an empty field of view; set what is inside to 255, or "
            "remove the file"
        )
    return raw > 0
