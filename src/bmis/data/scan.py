"""What can only be found by reading all files: the numbers of classes and channels."""

import logging
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.raster import read_header
from bmis.data.images import read_image, read_mask
from bmis.data.labels import Coding, find_coding, value_counts
from bmis.errors import DataError
from bmis.system.pipeline import each
from bmis.system.progress import track
from bmis.system.reading import once_per_file

_log = logging.getLogger("bmis")
_COLOURED = 24  # difference between channels that is too large for JPEG noise
_MARKS = 0.02  # largest share of the pixels in burnt-in marks


def scan_coding(
    root: Path,
    masks: Sequence[Path],
    declared: int = 0,
    ignore: int | None = None,
    *,
    otherwise: int | None = None,
) -> Coding:
    """Find what the values in the masks mean, and say once where that is not plain.

    Args:
        root: Folder of the data set, for the messages.
        masks: Files of all masks; read only as far as needed.
        declared: The number of classes if it is declared, else 0.
        ignore: The value to ignore if one is declared.
        otherwise: The number of classes where no mask can be read. If given, or if the number is
            declared, masks that cannot be read are left out.

    Raises:
        DataError: A mask cannot be read, or its values are no classes.

    Example:
        >>> scan_coding(Path("polyps"), sorted(Path("polyps/masks").iterdir())).num_classes
        2
    """
    strict = not declared and otherwise is None

    def values(path: Path) -> tuple[Path, tuple[int, ...]] | None:
        try:
            return path, mask_values(path)
        except DataError:
            if strict:
                raise
            return None

    read = track(each(values, masks), "reading masks", total=len(masks))
    found = (mask for mask in read if mask is not None)
    first = next(found, None)
    if first is None:
        return Coding(declared or otherwise or 2, ignore=ignore)
    coding = find_coding(chain([first], found), declared, ignore)
    for note in coding.notes:
        _say(f"{root}: {note}")
    return coding


@cache
def _say(note: str) -> None:
    _log.warning("%s", note)


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


def foreground_values(masks: Sequence[Path], ignore: int | None = None) -> frozenset[int]:
    """The values above 0 of the masks of one image; 255 is 1. Empty where a mask is unreadable.

    Args:
        masks: Files of the masks.
        ignore: The value of pixels that do not count, where there is one.

    Example:
        >>> sorted(foreground_values([Path("polyps/masks/endoscopy_0001.png")]))
        [1]
    """
    try:
        values = [value for path in masks for value in mask_values(path)]
    except DataError:  # named by whoever needs the mask itself
        return frozenset()
    return frozenset(1 if value == 255 else value for value in values if value not in (0, ignore))


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
