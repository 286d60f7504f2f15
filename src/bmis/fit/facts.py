"""What the images of a data set ask of a network: at which sizes, scaled or in tiles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmis.config import InputSize, Resize, Settings
from bmis.data.cases import Case, Dataset, load_case
from bmis.data.coding import IGNORE
from bmis.errors import DataError, require
from bmis.system.progress import track
from bmis.wording import counted, image_kind

SIDES = (96, 128, 160, 192, 224, 256, 320, 384, 448, 512)  # of the network's input in pixels
_MOST = 200  # images that are looked at
_LEAST_WIDTH = 4.0  # pixels of a structure that a network can still mark well
_SCALED_UP = 1.15  # times its own size that an image may be scaled to


@dataclass(frozen=True)
class DataFacts(Settings):
    """What is known of a data set.

    Attributes:
        name: Name of the data set.
        images: Number of images by split.
        channels: Channels of the images.
        classes: Names of the classes, background first.
        size: Height and width of the median image in pixels.
        width: Width of the thinnest class in the median image, as a share of its longer side.
        thinnest: The class that is.
        foreground: Mean share of the pixels that are not background.
        resize: How images get the network's size.
        sides: Sides of the network's input that make sense, smallest first.

    Example:
        >>> from bmis import open_dataset
        >>> facts = read_facts(open_dataset("polyps"))
        >>> facts.resize, facts.sides
        ('squash', (96,))
    """

    name: str
    images: dict[str, int]
    channels: int
    classes: tuple[str, ...]
    size: InputSize
    width: float
    thinnest: str
    foreground: float
    resize: Resize
    sides: tuple[int, ...]

    def in_words(self) -> list[str]:
        """What was found and what follows from it, in whole sentences."""
        height, width = self.size
        splits = ", ".join(f"{count} {name}" for name, count in self.images.items())
        pixels = self.width * max(self.size)
        first, last = self.sides[0], self.sides[-1]
        kind = image_kind(self.channels)
        return [
            f"{self.name}: images {splits}, {kind}, {height}x{width} pixels in the median.",
            f"{counted(len(self.classes), 'class')}; {100 * self.foreground:.2g} % of the pixels "
            "are foreground.",
            f"The class {self.thinnest} is {pixels:.3g} pixels wide in the median image"
            f"{', less than the other classes.' if len(self.classes) > 2 else '.'}",
            _rule(self, pixels),
            f"Inputs of {first}x{first} to {last}x{last} pixels are tried."
            if last > first
            else f"Inputs of {first}x{first} pixels are tried.",
        ]


def _rule(facts: DataFacts, pixels: float) -> str:
    largest = facts.sides[-1]
    if facts.resize == "native":
        scaled = facts.width * SIDES[-1]
        return (
            f"Scaled to {SIDES[-1]} pixels it would be {scaled:.2g} wide, less than the "
            f"{_LEAST_WIDTH:g} that a network needs, so images keep their pixels and come in tiles "
            "(native)."
        )
    first = facts.sides[0]
    if facts.width * largest < _LEAST_WIDTH:
        return (
            f"That is less than the {_LEAST_WIDTH:g} that a network needs, but the images are "
            f"small: whole ones are scaled to about their own size, {largest} pixels (squash)."
        )
    more = f", to {largest} pixels {facts.width * largest:.3g}" if largest > first else ""
    return (
        f"Scaled to {first} pixels it is {facts.width * first:.3g} wide{more}, so whole images are "
        "scaled (squash)."
    )


def read_facts(dataset: Dataset) -> DataFacts:
    """Look at the training and validation images of a data set, at most two hundred.

    Raises:
        DataError: There are no training or no validation images, an image cannot be read, or no
            class is marked in any of them.
        MissingExtraError: scipy is not installed.

    Example:
        >>> from bmis import open_dataset
        >>> read_facts(open_dataset("polyps")).thinnest
        'polyp'
    """
    seen = (*dataset.split("train"), *dataset.split("val"))
    count = min(len(seen), _MOST)
    chosen = [seen[number * len(seen) // count] for number in range(count)]
    looked = [_look(case, dataset) for case in track(chosen, "reading images and masks")]
    sizes = sorted((size for size, _, _ in looked), key=lambda size: size[0] * size[1])
    size = sizes[len(sizes) // 2]
    if not any(widths for _, widths, _ in looked):
        raise DataError(
            f"{dataset.root}: none of {counted(count, 'mask')} marks anything, so there is nothing "
            "to learn; see `bmis inspect`"
        )
    thinnest, width = _thinnest([widths for _, widths, _ in looked], dataset.classes)
    resize, sides = choose_sides(size, width)
    counts = {
        name: sum(c.split == name for c in dataset.cases) for name in ("train", "val", "test")
    }
    return DataFacts(
        name=dataset.name,
        images=counts,
        channels=dataset.channels,
        classes=dataset.classes,
        size=size,
        width=width,
        thinnest=thinnest,
        foreground=float(np.mean([share for _, _, share in looked])),
        resize=resize,
        sides=sides,
    )


def choose_sides(size: tuple[int, int], width: float) -> tuple[str, tuple[int, ...]]:
    """How images get the network's size, and which sides make sense.

    Args:
        size: Height and width of the median image.
        width: Width of the thinnest structure, as a share of the longer side.

    Example:
        >>> choose_sides((280, 352), 0.2)
        ('squash', (96, 128, 160, 192, 224, 256, 320, 384))
        >>> choose_sides((584, 565), 0.006)
        ('native', (96, 128, 160, 192, 224, 256, 320, 384, 448, 512))
    """
    longest = max(size)
    usable = tuple(side for side in SIDES if side <= max(_SCALED_UP * longest, SIDES[0]))
    fits = tuple(side for side in usable if width * side >= _LEAST_WIDTH)
    if fits:
        return "squash", fits
    if longest <= SIDES[-1]:  # at about its own size nothing of the image is lost
        return "squash", usable[-1:]
    return "native", usable


def _look(case: Case, dataset: Dataset) -> tuple[tuple[int, int], dict[int, float], float]:
    """Size of an image, the width of each class as a share of the longer side, its foreground."""
    _, labels = load_case(case, dataset)
    size = labels.shape[0], labels.shape[1]
    shown = [int(c) for c in np.unique(labels) if 0 < c < IGNORE]
    widths = {c: mean_width(labels == c) / max(size) for c in shown}
    return size, widths, float(np.isin(labels, shown).mean())


def mean_width(inside: NDArray[np.bool_]) -> float:
    """How wide what is marked is, in pixels: four times the mean distance to its edge.

    For a strip that is its width, for a disc two thirds of its diameter.

    Args:
        inside: (H, W), true somewhere.

    Raises:
        MissingExtraError: scipy is not installed.

    Example:
        >>> strip = np.zeros((40, 40), bool)
        >>> strip[:, 10:16] = True
        >>> round(mean_width(strip))
        6
    """
    ndimage = require("scipy.ndimage", extra="train")
    framed = np.pad(inside, 1, mode="edge")  # what goes on beyond the image is not thin there
    distances = ndimage.distance_transform_edt(framed)[1:-1, 1:-1]
    return max(1.0, 4 * float(distances[inside].mean()) - 2)


def _thinnest(widths: Sequence[dict[int, float]], classes: Sequence[str]) -> tuple[str, float]:
    """The class with the smallest median width over the images that show it."""
    medians = {
        number: float(np.median(found))
        for number in range(1, len(classes))
        if (found := _of_class(widths, number))
    }
    number = min(medians, key=lambda one: medians[one])
    return classes[number], medians[number]


def _of_class(widths: Iterable[dict[int, float]], number: int) -> list[float]:
    return [each[number] for each in widths if number in each]
