"""One image with its masks, many of them as a data set, and how they are read from disk."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.coding import IGNORE, TWO_CLASSES, Coding
from bmis.data.images import Image, read_image, read_mask
from bmis.data.labels import to_labels, wrong_size
from bmis.data.splits import SPLITS
from bmis.errors import DataError


@dataclass(frozen=True)
class Case:
    """One image with its masks.

    Attributes:
        id: File name of the image without its suffix.
        image: File of the image.
        masks: Files of the masks. Several are merged.
        split: "train", "val" or "test".
        group: Name of the group (a patient). A group is never divided between splits.
        stratum: Name of the stratum (a diagnosis). Each is divided evenly over the splits.
        field_of_view: File of the field of view. Scores count inside it, or everywhere without.

    Example:
        >>> import bmis
        >>> case = bmis.open_dataset("polyps").cases[0]
        >>> case.id, case.split, case.image.name
        ('endoscopy_0001', 'val', 'endoscopy_0001.png')
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
        root: Folder of the data set.
        name: Name of the data set.
        cases: All cases, sorted by id.
        classes: Names of the classes, background first.
        channels: Channels of the images: 1 is grey, 3 is RGB.
        spacing: Millimetres per pixel along rows and columns, where known.
        modality: Kind of images, such as "ultrasound", where declared.
        licence: Licence of the images, where declared.
        order: The class of each value 0 to K-1 in the masks; () where they are the same.
        coding: What the values in the masks mean.

    Example:
        >>> import bmis
        >>> dataset = bmis.open_dataset("polyps")
        >>> dataset.classes, dataset.channels, len(dataset.split("train"))
        (('background', 'polyp'), 3, 9)
    """

    root: Path
    name: str
    cases: tuple[Case, ...]
    classes: tuple[str, ...]
    channels: int
    spacing: tuple[float, float] | None = None
    modality: str | None = None
    licence: str | None = None
    order: tuple[int, ...] = ()
    coding: Coding = TWO_CLASSES

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.classes)

    def split(self, name: str) -> tuple[Case, ...]:
        """The cases of one split.

        Raises:
            DataError: The split is empty or unknown.
        """
        chosen = tuple(case for case in self.cases if case.split == name)
        if not chosen:
            counts = {s: sum(case.split == s for case in self.cases) for s in SPLITS}
            there = ", ".join(f"{s} ({count})" for s, count in counts.items() if count) or "none"
            raise DataError(f"{self.root}: no images in split {name!r}; there are: {there}")
        return chosen


def load_case(case: Case, dataset: Dataset) -> tuple[Image, NDArray[np.uint8]]:
    """Read an image and its labels.

    Args:
        case: Files of the image and its masks.
        dataset: Data set of the case, for its channels, classes and spacing.

    Returns:
        The image with ``dataset.channels`` channels, and its labels (H, W) uint8, 0 to K-1,
        or ``IGNORE`` where a pixel does not count. Several masks are merged. Where they overlap,
        ``IGNORE`` wins, then the higher class.

    Raises:
        DataError: A file cannot be read, or a mask does not fit the image or the classes.

    Example:
        >>> import bmis
        >>> dataset = bmis.open_dataset("polyps")
        >>> image, labels = load_case(dataset.cases[0], dataset)
        >>> image.pixels.shape, labels.shape, labels.max()
        ((64, 64, 3), (64, 64), np.uint8(1))
    """
    image = read_image(case.image, channels=dataset.channels)
    size = image.pixels.shape[:2]
    labels = np.zeros(size, np.uint8)
    for path in case.masks:
        raw = read_mask(path)
        if raw.shape != size:
            raise wrong_size(path, raw.shape, size)
        np.maximum(labels, to_labels(raw, dataset.coding, path), out=labels)
    if dataset.order:
        table = np.full(256, IGNORE, np.uint8)
        table[: len(dataset.order)] = dataset.order
        labels = table[labels]
    return replace(image, spacing=dataset.spacing), labels


def load_counted(
    case: Case, labels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Find the pixels of an image that count in scores: in the field of view and not ignored.

    Args:
        case: Files of the image.
        labels: (H, W) labels as ``load_case`` returns them.

    Returns:
        The labels with background where they were ``IGNORE``, and (H, W), true where a pixel
        counts; None if all do.

    Raises:
        DataError: See ``load_field_of_view``, or no pixel counts.

    Example:
        >>> import bmis
        >>> labels = np.array([[0, 1, 255]], np.uint8)
        >>> labels, counted = load_counted(bmis.open_dataset("polyps").cases[0], labels)
        >>> labels.tolist(), counted.tolist()
        ([[0, 1, 0]], [[True, True, False]])
    """
    counted = load_field_of_view(case, labels.shape)
    known = labels != IGNORE
    if known.all():
        return labels, counted
    counted = known if counted is None else known & counted
    if not counted.any():
        raise DataError(
            f"{case.masks[0]}: all pixels are ignored, so there is nothing to score; remove the "
            "image, or list it in splits.csv with an empty split"
        )
    return np.where(known, labels, np.uint8(0)), counted


def load_field_of_view(case: Case, size: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Read the field of view of an image, the pixels that its file stores as more than 0.

    Args:
        case: Files of the image.
        size: Height and width of the image in pixels.

    Returns:
        (H, W), true inside. None if the image has no field of view.

    Raises:
        DataError: The file cannot be read, has another size than the image, or is 0 everywhere.

    Example:
        >>> import bmis
        >>> load_field_of_view(bmis.open_dataset("polyps").cases[0], (64, 64)) is None
        True
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
