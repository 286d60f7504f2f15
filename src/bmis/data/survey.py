"""One look at every file of a data set, damaged ones included; nothing stops it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.duplicates import thumbnail
from bmis.data.folder import Case
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
from bmis.data.scan import each, is_grey
from bmis.errors import DataError
from bmis.progress import track


@dataclass(eq=False)
class Look:
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


def survey(cases: Sequence[Case]) -> list[Look]:
    """Look at all cases, a few at a time, in order."""
    return list(track(each(look_at, cases), "looking at images", total=len(cases)))


def look_at(case: Case) -> Look:
    """Read the image and the masks of a case and note what is wrong with them."""
    look = Look(case)
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
        look.labels_hash = blake2b(merged, digest_size=16).digest()
    return look


def _note_image(look: Look, image: Image) -> None:
    height, width, _ = image.pixels.shape
    look.size, look.grey = (height, width), is_grey(image.pixels)
    look.small = thumbnail(image.pixels)
    shape = f"{image.pixels.shape}".encode()
    look.pixels_hash = blake2b(np.ascontiguousarray(image.pixels), digest_size=16, key=shape).digest()


def agree_on_classes(
    looks: Sequence[Look], told: tuple[str, ...]
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
    wrong = [wrong_values(p, v, len(names)) for p, v in found if not legal(v, len(names))]
    return names, wrong or faults
