"""A folder of images and masks as a data set: cases, classes, channels and splits.

``dataset.yaml`` may declare the classes and channels. Where it does not, they are found by reading
the files.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from bmis.data.assign_splits import assign_splits
from bmis.data.cases import Case, Dataset, load_case, load_field_of_view
from bmis.data.description import Description, read_description
from bmis.data.image_files import find_images
from bmis.data.labels import class_names
from bmis.data.layouts import find_layout
from bmis.data.not_read import NotRead, find_not_read, warn_of_not_read
from bmis.data.on_error import OnError, raise_together
from bmis.data.pairs import Pair
from bmis.data.scan import scan_coding
from bmis.data.scan_channels import scan_channels
from bmis.data.tables import Row
from bmis.errors import DataError
from bmis.system.reading import split_inside

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


def open_dataset(
    root: str | Path, *, fold: int | str | Path | None = None, seed: int = 0
) -> Dataset:
    """Find the cases of a data set, their splits, classes and channels.

    Without ``fold`` the split of ``splits.csv`` is used (columns ``id,split[,group][,class]``). A
    row with an empty split leaves its image out. Without that file or its column ``split``, a
    split is made: 70 % train, 10 % val, 20 % test, by seed, stratified by class, no group divided.

    Args:
        root: Folder in one of the layouts of ``bmis.data.layouts``.
        fold: Number 1 to 5: ``folds/fold<K>.csv`` if the data set has a folder ``folds/``, else
            the K-th of five folds that are made. Or the path of a CSV file.
        seed: Seed of a split or fold that has to be made.

    Raises:
        DataError: The folder, a file or a table is not as it should be.
        ConfigError: There is no such fold.

    Example:
        >>> dataset = open_dataset("polyps")
        >>> [len(dataset.split(name)) for name in ("train", "val", "test")]
        [9, 1, 2]
        >>> len(open_dataset("polyps", fold=2).split("test"))
        3
    """
    root = Path(root)
    with raise_together(root) as on_error:
        found = find_cases(root, fold=fold, seed=seed, on_error=on_error)
        warn_of_not_read(root, found.not_read)
        cases, declared = found.cases, found.description
        masks = [mask for case in cases for mask in case.masks]
        images = [case.image for case in cases]
        coding = scan_coding(root, masks, declared.mask_rules, on_error=on_error)
        channels = declared.channels or scan_channels(images, on_error=on_error)
    return Dataset(
        root,
        declared.name or root.resolve().name,
        cases,
        declared.classes or class_names(coding.num_classes),
        channels,
        declared.spacing,
        declared.modality,
        declared.licence,
        coding=coding,
    )


@dataclass(frozen=True)
class Found:
    """What is known about a data set before any of its pixels is read.

    Attributes:
        cases: All cases, sorted by id. Each has masks and a split unless an error was reported.
        description: Content of ``dataset.yaml``, with class names from nnU-Net where it has none.
        unmatched: Masks and fields of view without an image.
        not_read: What else lies in the folder.

    Example:
        >>> found = find_cases(Path("polyps"))
        >>> found.description.modality, found.unmatched
        ('endoscopy', ())
    """

    cases: tuple[Case, ...]
    description: Description
    unmatched: tuple[Path, ...]
    not_read: NotRead


def find_cases(
    root: Path,
    *,
    fold: int | str | Path | None = None,
    seed: int = 0,
    on_error: OnError | None = None,
) -> Found:
    """Find the cases of a data set and their splits without reading any pixels.

    Args:
        root: Folder in one of the layouts of ``bmis.data.layouts``.
        fold: Number or file of a fold, as in ``open_dataset``.
        seed: Seed of a split or fold that has to be made.
        on_error: Takes every error that leaves other cases usable; by default all are raised
            together.

    Raises:
        DataError: There is no such folder, no images, no masks at all, or nnU-Net volumes.
        ConfigError: There is no such fold.

    Example:
        >>> len(find_cases(Path("polyps")).cases)
        12
    """
    if on_error is None:
        with raise_together(root) as collect:
            return find_cases(root, fold=fold, seed=seed, on_error=collect)
    description = Description()
    try:
        description = read_description(root)
    except DataError as error:
        on_error(error)
    layout = find_layout(
        root,
        axis=description.axis or "axial",
        channels=description.channels,
        on_error=on_error,
    )
    description = replace(
        description,
        classes=description.classes or layout.classes,
        ignore=layout.ignore if description.ignore is None else description.ignore,
    )
    rows = assign_splits(
        root, layout.pairs, fold=fold, seed=seed, rules=description.mask_rules, on_error=on_error
    )
    cases = tuple(
        _case(pair, row) for pair, row in zip(layout.pairs, rows, strict=True) if row.split != ""
    )
    for case in cases:
        if not case.masks:
            on_error(
                DataError(
                    f"{case.image}: has no mask; add one of the same name, or list it in "
                    "splits.csv with an empty split to leave it out"
                )
            )
    used = {file for pair in layout.pairs for file in (pair.image, pair.field_of_view, *pair.masks)}
    files = {split_inside(file)[0] for file in used if file}
    not_read = find_not_read(root, files | {*layout.unmatched})
    return Found(cases, description, layout.unmatched, not_read)


def _case(pair: Pair, row: Row) -> Case:
    return Case(
        pair.id, pair.image, pair.masks, row.split, row.group, row.stratum, pair.field_of_view
    )
