"""What only a look at all files tells: the number of classes and of channels of a data set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.raster import read_header
from bmis.data.images import read_image, read_mask
from bmis.data.labels import count_classes, value_counts
from bmis.system.pipeline import each
from bmis.system.progress import track

_COLOURED = 24  # difference between channels that JPEG noise does not reach
_MARKS = 0.02  # share of the pixels that burnt-in marks may colour


def scan_classes(masks: Sequence[Path]) -> int:
    """Number of classes, from the values in all masks.

    Raises:
        DataError: A mask cannot be read, or its values are no classes.
    """

    def values(path: Path) -> tuple[Path, tuple[int, ...]]:
        return path, tuple(value_counts(read_mask(path)))

    return count_classes(track(each(values, masks), "looking at masks", total=len(masks)))


def scan_channels(images: Sequence[Path]) -> int:
    """1 if all images are grey, else 3.

    Grey is also an RGB image of equal channels, up to JPEG noise and to coloured marks on at most
    2 % of the pixels: scanners print calipers and logos in colour on grey pictures.

    Raises:
        DataError: An image cannot be read.
    """

    def header_is_grey(path: Path) -> bool:
        return read_header(path).grey

    grey = each(header_is_grey, images)
    doubtful = [path for path, sure in zip(images, grey, strict=True) if not sure]
    # the first truly coloured image ends the search
    return 1 if all(each(lambda path: is_grey(read_image(path).pixels), doubtful)) else 3


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether (H, W, C) uint8 shows no colour, apart from noise and marks."""
    if pixels.shape[2] == 1:
        return True
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    return bool((spread > _COLOURED).mean() <= _MARKS)
