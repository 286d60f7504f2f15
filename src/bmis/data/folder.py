"""A folder of images and masks as a data set: cases, classes, channels and splits.

``dataset.yaml`` may say ``name``, ``modality``, ``licence``, ``classes`` (names, background
first), ``channels`` (1 or 3) and ``spacing`` ([row, column] in mm per pixel). What it does not say
about classes and channels is found by looking at the files.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.description import read_description
from bmis.data.images import Image, read_image, read_mask
from bmis.data.labels import class_names, to_labels
from bmis.data.layouts import Pair, find_images, find_layout
from bmis.data.scan import scan_channels, scan_classes
from bmis.data.splits import SPLITS, make_fold, make_split
from bmis.data.tables import Row, check_ids, read_table
from bmis.errors import ConfigError, DataError

__all__ = ["Case", "Dataset", "find_images", "load_case", "open_dataset"]


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
    """

    id: str
    image: Path
    masks: tuple[Path, ...]
    split: str | None = None
    group: str | None = None
    stratum: str | None = None


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
            there = ", ".join(f"{s} ({count})" for s, count in counts.items() if count)
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
    root = Path(root)
    layout = find_layout(root)
    told = read_description(root)
    cases = tuple(case for case in _split_cases(root, layout.pairs, fold, seed) if case.split)
    bare = [case for case in cases if not case.masks]
    if bare:
        raise DataError(
            f"{bare[0].image}: has no mask ({len(bare)} images like it); add one of the same name, "
            "or list it in splits.csv with an empty split to leave it out"
        )
    return Dataset(
        root,
        told.name or root.resolve().name,
        cases,
        told.classes
        or layout.classes
        or class_names(scan_classes([mask for case in cases for mask in case.masks])),
        told.channels or scan_channels([case.image for case in cases]),
        told.spacing,
        told.modality,
        told.licence,
    )


def _split_cases(
    root: Path, pairs: tuple[Pair, ...], fold: int | str | Path | None, seed: int
) -> list[Case]:
    """Cases with splits from the fold, from ``splits.csv``, from the layout, or made."""
    ids = {pair.id for pair in pairs}
    table, rows = root / "splits.csv", dict[str, Row]()
    if table.is_file():
        rows = read_table(table)
        check_ids(table, rows, ids, all_of=fold is None)
    cases = [_case(pair, rows.get(pair.id)) for pair in pairs]
    number, file = _find_fold(root, fold)
    if file is not None:
        chosen = read_table(file)
        check_ids(file, chosen, ids, all_of=True)
        return [replace(case, split=chosen[case.id].split) for case in cases]
    if number is not None:
        kept = [case for case in cases if case.split != ""]
        return _with(kept, make_fold(kept, number, seed=seed))
    if any(row.split is not None for row in rows.values()):
        return cases
    if any(pair.split for pair in pairs):  # the layout tells the test split; val is made
        rest = [case for case in cases if case.split is None]
        return _with(cases, make_split(rest, seed=seed, parts=("train", "val")))
    return _with(cases, make_split(cases, seed=seed))


def _case(pair: Pair, row: Row | None) -> Case:
    if row is None:
        return Case(pair.id, pair.image, pair.masks, pair.split, None, pair.folder)
    split = pair.split if row.split is None else row.split
    stratum = row.stratum or pair.folder
    return Case(pair.id, pair.image, pair.masks, split, row.group, stratum)


def _with(cases: list[Case], splits: dict[str, str]) -> list[Case]:
    return [replace(case, split=splits.get(case.id, case.split)) for case in cases]


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
            raise DataError(
                f"{path}: mask of {raw.shape[0]} x {raw.shape[1]} pixels for an image of "
                f"{size[0]} x {size[1]}; both must have one size (height x width)"
            )
        np.maximum(labels, to_labels(raw, dataset.num_classes, path), out=labels)
    return replace(image, spacing=dataset.spacing), labels
