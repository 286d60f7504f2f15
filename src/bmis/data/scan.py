"""What can only be found by reading all files: the numbers of classes and channels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.raster import read_header
from bmis.data.images import read_image, read_mask
from bmis.data.labels import count_classes, value_counts
from bmis.errors import DataError
from bmis.system.pipeline import each
from bmis.system.progress import track
from bmis.system.reading import once_per_file

_COLOURED = 24  # difference between channels that is too large for JPEG noise
_MARKS = 0.02  # largest share of the pixels in burnt-in marks


def scan_classes(masks: Sequence[Path]) -> int:
    """Find the number of classes from the values in all masks.

    Raises:
        DataError: A mask cannot be read, or its values are no classes.

    Example:
        >>> scan_classes(sorted(Path("polyps/masks").iterdir()))
        2
    """

    def values(path: Path) -> tuple[Path, tuple[int, ...]]:
        return path, mask_values(path)

    return count_classes(track(each(values, masks), "reading masks", total=len(masks)))


@once_per_file
def mask_values(path: Path) -> tuple[int, ...]:
    """The values of a mask, rising; a file that did not change since is not read again.

    Raises:
        DataError: It cannot be read.

    Example:
        >>> mask_values(Path("polyps/masks/endoscopy_0001.png"))
        (0, 255)
    """
    return tuple(value_counts(read_mask(path)))


def foreground_values(masks: Sequence[Path]) -> frozenset[int]:
    """The values above 0 of the masks of one image; 255 is 1. Empty where a mask is unreadable.

    Example:
        >>> sorted(foreground_values([Path("polyps/masks/endoscopy_0001.png")]))
        [1]
    """
    try:
        values = [value for path in masks for value in mask_values(path)]
    except DataError:  # named by whoever needs the mask itself
        return frozenset()
    return frozenset(1 if value == 255 else value for value in values if value)


def scan_channels(images: Sequence[Path]) -> int:
    """Find the number of channels of a data set: 1 if all images are grey, else 3.

    An RGB image also counts as grey if its channels are equal up to JPEG noise and up to coloured
    marks on at most 2 % of the pixels. Scanners print calipers and logos in colour on grey images.

    Raises:
        DataError: An image cannot be read.

    Example:
        >>> scan_channels(sorted(Path("polyps/images").iterdir()))
        3
    """

    def header_is_grey(path: Path) -> bool:
        return read_header(path).grey

    grey = each(header_is_grey, images)
    unsure = [path for path, sure in zip(images, grey, strict=True) if not sure]
    # the first truly coloured image ends the search
    return 1 if all(each(lambda path: is_grey(read_image(path).pixels), unsure)) else 3


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether pixels (H, W, C) uint8 show no colour, apart from noise and small marks.

    Example:
        >>> is_grey(np.full((8, 8, 3), 90, np.uint8))
        True
    """
    if pixels.shape[2] == 1:
        return True
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    return bool((spread > _COLOURED).mean() <= _MARKS)
