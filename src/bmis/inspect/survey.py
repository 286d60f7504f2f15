"""One look at every file of a data set, damaged ones included; nothing stops it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.folder import Case, load_field_of_view
from bmis.data.images import Image, read_image, read_mask
from bmis.data.labels import (
    MAX_CLASSES,
    class_names,
    count_classes,
    legal,
    value_counts,
    wrong_size,
    wrong_values,
)
from bmis.data.scan import is_grey
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.inspect.duplicates import similar_pairs, thumbnail
from bmis.system.pipeline import each
from bmis.system.progress import track


@dataclass(eq=False)
class CaseInspection:
    """What one case turned out to be.

    Attributes:
        case: The case looked at.
        size: Height and width in pixels; None if the image cannot be read.
        grey: Whether it shows no colour.
        small: Its thumbnail, where it can be read.
        pixels_hash: Equal for equal pixels.
        masks: Values and how often they occur, per mask file that can be read.
        values: The same for the masks of the case merged; empty unless all fit.
        labels_hash: Equal for equal merged masks.
        faults: What is wrong with its files.
    """

    case: Case
    size: tuple[int, int] | None = None
    grey: bool = True
    small: NDArray[np.float32] | None = None
    pixels_hash: bytes = b""
    masks: dict[Path, dict[int, int]] = field(default_factory=dict)
    values: dict[int, int] = field(default_factory=dict)
    labels_hash: bytes = b""
    faults: list[DataError] = field(default_factory=list)

    @property
    def foreground(self) -> float:
        """Share of the pixels with another value than 0."""
        total = sum(self.values.values())
        return 1 - self.values.get(0, 0) / total if total else 0.0


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


def survey(cases: Sequence[Case]) -> list[CaseInspection]:
    """Look at all cases, a few at a time, in order."""
    return list(track(each(inspect_case, cases), "looking at images", total=len(cases)))


def inspect_case(case: Case) -> CaseInspection:
    """Read the image, masks and field of view of a case and note what is wrong with them."""
    look = CaseInspection(case)
    try:
        _note_image(look, read_image(case.image))
    except DataError as fault:
        look.faults.append(fault)
    merged: NDArray[np.uint16] | None = None
    for path in case.masks:
        try:
            raw = read_mask(path)
        except DataError as fault:
            look.faults.append(fault)
            continue
        look.masks[path] = value_counts(raw)
        size = look.size or (raw.shape if merged is None else merged.shape)
        if raw.shape != size:
            look.faults.append(wrong_size(path, raw.shape, size))
        else:
            merged = raw.astype(np.uint16) if merged is None else np.maximum(merged, raw)
    if merged is not None and not look.faults:
        look.values = value_counts(merged)
        look.labels_hash = blake2b(merged.data, digest_size=16).digest()
    try:
        if look.size:
            load_field_of_view(case, look.size)
    except DataError as fault:
        look.faults.append(fault)
    return look


def _note_image(look: CaseInspection, image: Image) -> None:
    height, width, _ = image.pixels.shape
    look.size, look.grey = (height, width), is_grey(image.pixels)
    look.small = thumbnail(image.pixels)
    shape = f"{image.pixels.shape}".encode()
    look.pixels_hash = blake2b(
        np.ascontiguousarray(image.pixels).data, digest_size=16, key=shape
    ).digest()


def agree_on_classes(
    looks: Sequence[CaseInspection], told: tuple[str, ...]
) -> tuple[tuple[str, ...], list[DataError]]:
    """Class names, and the masks whose values do not fit them.

    Where nobody told the classes, the masks that can be right decide, and the others are at fault.
    """
    found = [(path, tuple(values)) for look in looks for path, values in look.masks.items()]
    names, faults = told, list[DataError]()
    if not told:
        sane = [(p, v) for p, v in found if set(v) <= {0, 255} or v[-1] < MAX_CLASSES]
        try:
            names = class_names(count_classes(sane) if sane else 2)
        except DataError as fault:
            numbers = [v[-1] for _, v in sane if v[-1] < MAX_CLASSES]
            names = class_names(1 + max(numbers))
            faults.append(fault)
    wrong = []
    for look in looks:
        illegal = [(p, tuple(v)) for p, v in look.masks.items() if not legal(v, len(names))]
        if illegal:  # what cannot be counted is not counted
            wrong += [wrong_values(path, values, len(names)) for path, values in illegal]
            look.values = {}
    return names, wrong or faults


def class_counts(looks: Sequence[CaseInspection], names: Sequence[str]) -> tuple[ClassCount, ...]:
    """How common each class is in each split that there is, and in all of them."""
    splits = [s for s in SPLITS if any(look.case.split == s for look in looks)]
    counts = []
    for split in (*splits, "all"):
        chosen = [k for k in looks if k.values and split in (k.case.split, "all")]
        for index, name in enumerate(names):
            shares = [_share(look, index, len(names)) for look in chosen]
            mean = float(np.mean(shares)) if shares else 0.0
            counts.append(ClassCount(split, name, sum(share > 0 for share in shares), mean))
    return tuple(counts)


def _share(look: CaseInspection, index: int, num_classes: int) -> float:
    """Share of the pixels of a case that belong to a class."""
    if num_classes == 2:  # 0/1 and 0/255 alike
        return look.foreground if index else 1 - look.foreground
    return look.values.get(index, 0) / sum(look.values.values())


def find_duplicates(looks: Sequence[CaseInspection]) -> tuple[Duplicate, ...]:
    """Pairs of equal images, each with the first of its kind, and of images that look alike.

    Those that cross a split come first, then the most alike.
    """
    first: dict[bytes, CaseInspection] = {}
    pairs = []
    for look in looks:
        if look.small is not None and first.setdefault(look.pixels_hash, look) is not look:
            pairs.append(_duplicate(first[look.pixels_hash], look, 1.0))
    unique = list(first.values())
    smalls = [look.small for look in unique if look.small is not None]
    if smalls:
        for one, other, likeness in similar_pairs(np.stack(smalls)):
            pairs.append(_duplicate(unique[one], unique[other], likeness))
    return tuple(sorted(pairs, key=lambda p: (not p.crosses, not p.exact, -p.similarity, p.ids)))


def _duplicate(one: CaseInspection, other: CaseInspection, similarity: float) -> Duplicate:
    exact = one.pixels_hash == other.pixels_hash
    splits = (one.case.split, other.case.split)
    return Duplicate(
        (one.case.id, other.case.id),
        splits,
        round(similarity, 4),
        exact,
        exact and one.labels_hash != other.labels_hash,
        splits[0] != splits[1],
    )
