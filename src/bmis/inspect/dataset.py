"""Look through a whole data set before training on it, and say everything that is wrong with it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bmis.config import InputSpec
from bmis.data.drawing import contact_sheet, overlay
from bmis.data.folder import Case, Dataset, find_cases, load_case
from bmis.data.images import write_image
from bmis.data.preprocess import fit, fit_labels
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.inspect.survey import (
    CaseInspection,
    ClassCount,
    Duplicate,
    agree_on_classes,
    class_counts,
    find_duplicates,
    survey,
)
from bmis.system.files import output_folder, write_json

SHEET, RECORD = "contact_sheet.png", "inspection.json"
_TILES, _COLUMNS, _TILE = 24, 6, 256


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
        fields_of_view: Number of images with a field of view, for ``evaluate``.
        duplicates: Pairs of equal and of alike images, those that cross a split first.
        problems: (file or folder, what is wrong with it and how to mend it).
        contact_sheet: The contact sheet, if one was written.
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
    fields_of_view: int
    duplicates: tuple[Duplicate, ...]
    problems: tuple[tuple[str, str], ...]
    contact_sheet: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``inspection.json``."""
        sheet = None if self.contact_sheet is None else str(self.contact_sheet)
        return {**asdict(self), "root": str(self.root), "contact_sheet": sheet}


def inspect_dataset(
    root: str | Path,
    *,
    out: str | Path | None = None,
    fold: int | str | Path | None = None,
    seed: int = 0,
) -> Inspection:
    """Read all images and masks of a data set and report what there is and what is wrong.

    Fields of view are read too. Damaged files, wrong tables and wrong masks are collected, not
    raised.

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
    found = find_cases(root, fold=fold, seed=seed, on_error=faults.append)
    faults += [DataError(f"{p}: goes with no image; rename or remove it") for p in found.unmatched]
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
        classes=class_counts(looks, names),
        fields_of_view=sum(case.field_of_view is not None for case in found.cases),
        duplicates=find_duplicates(looks),
        problems=tuple(_problem(fault) for fault in faults),
    )
    if folder is None:
        return inspection
    dataset = Dataset(root, inspection.name, found.cases, names, channels)
    if _write_sheet(folder / SHEET, dataset, looks):
        inspection = replace(inspection, contact_sheet=folder / SHEET)
    write_json(folder / RECORD, inspection.to_dict())
    return inspection


def _divided_groups(root: Path, cases: Sequence[Case]) -> list[DataError]:
    splits: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.group and case.split:
            splits[case.group].add(case.split)
    divided = {group: sorted(sides) for group, sides in splits.items() if len(sides) > 1}
    if not divided:
        return []
    group, sides = next(iter(divided.items()))
    return [
        DataError(
            f"{root}: {len(divided)} groups are divided between splits, such as {group!r} between "
            f"{' and '.join(sides)}; keep a group on one side, or scores come out too good"
        )
    ]


def _split_counts(cases: Sequence[Case]) -> dict[str, int]:
    counts = Counter(case.split or "none" for case in cases)
    return {name: counts[name] for name in (*SPLITS, "none") if counts[name] or name != "none"}


def _problem(fault: DataError) -> tuple[str, str]:
    """(path, text): every message about data begins with the path and a colon."""
    path, _, text = str(fault).partition(": ")
    return path, text


def _write_sheet(path: Path, dataset: Dataset, looks: Sequence[CaseInspection]) -> bool:
    """Draw sound cases from the least foreground to the most; False if there are none."""
    shares = [(look.foreground, look.case) for look in looks if look.values]
    shares.sort(key=lambda pair: (pair[0], pair[1].id))
    count = min(_TILES, len(shares))
    tiles = []
    for index in range(count):
        share, case = shares[index * (len(shares) - 1) // max(1, count - 1)]
        spec = InputSpec((_TILE, _TILE), dataset.channels, resize="letterbox")
        image, labels = load_case(case, dataset)
        pixels, _ = fit(image.pixels, spec)
        caption = f"{case.id}  {case.split or 'no split'}  {100 * share:.3g} %"
        tiles.append((caption, overlay(pixels, fit_labels(labels, spec), alpha=0.15)))
    if tiles:
        write_image(path, contact_sheet(tiles, _COLUMNS, _TILE))
    return bool(tiles)
