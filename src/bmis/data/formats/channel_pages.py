"""Files whose pictures (pages) are the channels of one image, as microscopes write them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from bmis.data.formats.inside import inside_size, is_clinical
from bmis.data.formats.limits import SeveralPagesError, check_size
from bmis.data.formats.pixels import DecodedImage
from bmis.data.formats.raster import Header, decode, read_header
from bmis.errors import DataError
from bmis.system.reading import inside

_ORDINARY = (1, 3)  # channels that a file of one picture has


def read_header_of_channels(path: Path, channels: int | None) -> Header:
    """What ``read_header`` gives, where pages may be channels; see ``decode_channels``.

    Raises:
        DataError: See ``read_header``.

    Example:
        >>> read_header_of_channels(Path("photo.png"), 3).channels
        3
    """
    if is_clinical(path):
        height, width, stored = inside_size(path)
        return Header((height, width), stored)
    try:
        return read_header(path)
    except SeveralPagesError as error:
        if not are_channels(error.pages, channels):
            raise
        return replace(read_header(inside(path, 1)), channels=error.pages)


def decode_channels(path: Path, channels: int | None) -> DecodedImage:
    """Read an image, from one picture or from as many grey ones as it has channels.

    Args:
        path: The file.
        channels: Number of channels that are wanted. One and three are those of one picture, so
            that a short film is never taken for a photograph.

    Raises:
        DataError: The file cannot be read, its number of pictures is another one, or they are
            coloured or of several sizes.

    Example:
        >>> decode_channels(Path("photo.png"), 3).array.shape
        (64, 64, 3)
    """
    try:
        return decode(path)
    except SeveralPagesError as error:
        if not are_channels(error.pages, channels):
            raise
        count = error.pages
    first = read_header(inside(path, 1))
    check_size(path, *first.size, count * 8)  # the largest numbers have eight bytes
    pages = [decode(inside(path, page + 1)) for page in range(count)]
    shape = pages[0].array.shape
    if any(page.palette is not None or page.array.shape != shape for page in pages) or shape[2:]:
        raise DataError(
            f"{path}: its {count} pictures are no channels of one image, which are grey and of one "
            "size; save the image with one sample for each channel"
        )
    return DecodedImage(np.stack([page.array for page in pages], axis=2))


def are_channels(pages: int, channels: int | None) -> bool:
    """Whether the pages of a file are the channels of one image.

    Args:
        pages: Number of pages.
        channels: Number of channels that is wanted or declared, if any.

    Example:
        >>> are_channels(5, 5), are_channels(3, 3), are_channels(5, None)
        (True, False, False)
    """
    return pages == channels and channels not in _ORDINARY
