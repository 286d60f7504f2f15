"""What can only be found by reading all files: the numbers of classes and channels."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.raster import read_header
from bmis.data.images import read_image, read_mask
from bmis.data.labels import MAX_CLASSES, count_classes, legal, value_counts, wrong_values
from bmis.data.on_error import OnError, raise_error
from bmis.errors import DataError
from bmis.system.pipeline import each
from bmis.system.progress import track
from bmis.system.reading import once_per_file

_T = TypeVar("_T")
_COLOURED = 24  # difference between channels that is too large for JPEG noise
_MARKS = 0.02  # largest share of the pixels in burnt-in marks


def scan_classes(masks: Sequence[Path], *, on_error: OnError = raise_error) -> int:
    """Find the number of classes from the values in all masks.

    Args:
        masks: Files of the masks.
        on_error: Takes the error of every mask that cannot be read or whose values are no classes.

    Raises:
        DataError: The values of all masks together are no classes.

    Example:
        >>> scan_classes(sorted(Path("polyps/masks").iterdir()))
        2
    """
    read = _read_each(mask_values, masks, on_error)
    found = list(track(read, "reading masks", total=len(masks)))
    count, wrong = agree_on_count(found)
    for error in wrong:
        on_error(error)
    return count


def agree_on_count(
    found: Sequence[tuple[Path, tuple[int, ...]]],
) -> tuple[int, list[DataError]]:
    """Find the number of classes by the masks that can be right, and name all others.

    Args:
        found: File and values, rising, of each mask.

    Returns:
        The number of classes, 2 or more, and an error for each wrong mask or for all together.

    Example:
        >>> count, wrong = agree_on_count([(Path("a.png"), (0, 1)), (Path("b.png"), (0, 90))])
        >>> count, [str(error)[:25] for error in wrong]
        (2, ['b.png: mask values 0 90, '])
    """
    sane = [(path, v) for path, v in found if set(v) <= {0, 255} or v[-1] < MAX_CLASSES]
    together = []
    try:
        count = count_classes(sane)
    except DataError as error:
        together = [error]
        count = 1 + max(values[-1] for _, values in sane if values[-1] < MAX_CLASSES)
    wrong = [wrong_values(path, v, count) for path, v in found if not legal(v, count)]
    return count, wrong or together


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


def scan_channels(images: Sequence[Path], *, on_error: OnError = raise_error) -> int:
    """Find the number of channels of a data set: 1 if all images are grey, else 3.

    An RGB image also counts as grey if its channels are equal up to JPEG noise and up to coloured
    marks on at most 2 % of the pixels. Scanners print calipers and logos in colour on grey images.

    Args:
        images: Files of the images.
        on_error: Takes the error of every image that was looked into and cannot be read.

    Example:
        >>> scan_channels(sorted(Path("polyps/images").iterdir()))
        3
    """
    seen = dict(_read_each(lambda path: read_header(path).grey, images, on_error))
    unsure = [path for path, grey in seen.items() if not grey]
    read = _read_each(lambda path: is_grey(read_image(path).pixels), unsure, on_error)
    # the first truly coloured image ends the search
    return 1 if all(grey for _, grey in read) else 3


def _read_each(
    read: Callable[[Path], _T], files: Sequence[Path], on_error: OnError
) -> Iterator[tuple[Path, _T]]:
    """Each file with what is read of it, in order; errors are handed over."""

    def outcome(path: Path) -> tuple[Path, _T] | DataError:
        try:
            return path, read(path)
        except DataError as error:
            return error

    for one in each(outcome, files):
        if isinstance(one, DataError):
            on_error(one)
        else:
            yield one


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
