"""Every case of a data set read once. Damaged files are noted and stop nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.cases import Case, load_field_of_view
from bmis.data.channels import is_grey
from bmis.data.images import Image, read_image, read_mask
from bmis.data.labels import value_counts, wrong_size
from bmis.errors import DataError, one_line_about
from bmis.inspect.similarity import thumbnail
from bmis.system.pipeline import each
from bmis.system.progress import track

_MOST_CLASSES = 12  # values of a mask whose places are looked at


@dataclass(eq=False)
class CaseInspection:
    """What reading one case has shown.

    Attributes:
        case: The case that was read.
        size: Height and width in pixels; None if the image cannot be read.
        channels: Number of channels of the image; 1 if it shows no colour.
        thumbnail: (SIDE, SIDE) float32 thumbnail; None if the image cannot be read.
        pixels_hash: Hash of the pixels; equal for equal images.
        mask_values: For each mask that can be read, its values and how often they occur.
        merged_values: The same for all masks of the case merged; empty unless all of them fit.
        columns: Mean column of the pixels of each raw value above 0, 0 (left) to 1 (right).
        labels_hash: Hash of the merged masks; equal for equal masks.
        errors: Everything that is wrong with the files of the case.

    Example:
        >>> found = CaseInspection(Case("a", Path("a.png"), ()), merged_values={0: 60, 255: 20})
        >>> found.foreground
        0.25
    """

    case: Case
    size: tuple[int, int] | None = None
    channels: int = 1
    thumbnail: NDArray[np.float32] | None = None
    pixels_hash: bytes = b""
    mask_values: dict[Path, dict[int, int]] = field(default_factory=dict)
    merged_values: dict[int, int] = field(default_factory=dict)
    columns: dict[int, float] = field(default_factory=dict)
    labels_hash: bytes = b""
    errors: list[DataError] = field(default_factory=list)

    @property
    def foreground(self) -> float:
        """Share of the pixels with another value than 0."""
        total = sum(self.merged_values.values())
        return 1 - self.merged_values.get(0, 0) / total if total else 0.0


def survey(cases: Sequence[Case], *, channels: int | None = None) -> list[CaseInspection]:
    """Inspect all cases in order, a few at a time.

    Args:
        cases: The cases.
        channels: Number of channels of the images if it is declared.

    Example:
        >>> from bmis import open_dataset
        >>> inspections = survey(open_dataset("polyps").cases)
        >>> len(inspections), any(found.errors for found in inspections)
        (12, False)
    """
    inspect = partial(inspect_case, channels=channels)
    return list(track(each(inspect, cases), "reading cases", total=len(cases)))


def inspect_case(case: Case, *, channels: int | None = None) -> CaseInspection:
    """Read the image, masks and field of view of a case and note what is wrong with them.

    Example:
        >>> found = inspect_case(Case("lost", Path("lost.png"), ()))
        >>> print(found.errors[0])
        lost.png: cannot be read (No such file or directory); check the path
    """
    found = CaseInspection(case)
    try:
        with one_line_about(case.image):
            _note_image(found, read_image(case.image, channels=channels))
    except DataError as error:
        found.errors.append(error)
    _note_masks(found)
    try:
        if found.size:
            load_field_of_view(case, found.size)
    except DataError as error:
        found.errors.append(error)
    return found


def _note_image(found: CaseInspection, image: Image) -> None:
    height, width, channels = image.pixels.shape
    found.size = height, width
    found.channels = 1 if is_grey(image.pixels) else channels
    found.thumbnail = thumbnail(image.pixels)
    shape = f"{image.pixels.shape}".encode()
    found.pixels_hash = blake2b(
        np.ascontiguousarray(image.pixels).data, digest_size=16, key=shape
    ).digest()


def _note_masks(found: CaseInspection) -> None:
    merged: NDArray[np.uint16] | None = None
    for path in found.case.masks:
        try:
            with one_line_about(path):
                raw = read_mask(path)
        except DataError as error:
            found.errors.append(error)
            continue
        found.mask_values[path] = value_counts(raw)
        size = found.size or (raw.shape if merged is None else merged.shape)
        if raw.shape != size:
            found.errors.append(wrong_size(path, raw.shape, size))
        else:
            merged = raw.astype(np.uint16) if merged is None else np.maximum(merged, raw)
    if merged is not None and not found.errors:
        found.merged_values = value_counts(merged)
        found.columns = _mean_columns(merged, list(found.merged_values))
        found.labels_hash = blake2b(merged.data, digest_size=16).digest()


def _mean_columns(merged: NDArray[np.uint16], values: Sequence[int]) -> dict[int, float]:
    """Where the pixels of each value above 0 lie; nothing for objects with numbers."""
    if len(values) > _MOST_CLASSES:
        return {}
    places = (np.arange(merged.shape[1]) + 0.5) / merged.shape[1]
    counts = {value: (merged == value).sum(0) for value in values if value}
    return {value: float(count @ places / count.sum()) for value, count in counts.items()}
