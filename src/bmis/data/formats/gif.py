"""GIF: how many pictures a file holds, and the greys or colours that it shows.

Programs that write GIF number the colours anew, even those of grey pictures. So the numbers of a
palette mean nothing there, and its colours count.
"""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bmis.errors import DataError

_HEADER = 13  # bytes before the first table of colours
_PICTURE, _EXTENSION, _END = b"\x2c", b"\x21", b"\x3b"
_PLACE = 9  # bytes behind the mark of a picture
_HAS_TABLE, _TABLE_SIZE = 0x80, 7  # bits that speak of a table of colours


def count_frames(path: Path, stream: BinaryIO) -> int:
    """Number of pictures in a GIF, without decoding any; the stream stays where it is.

    Args:
        path: The file, for messages.
        stream: Its content.

    Raises:
        DataError: The file ends before its end mark.

    Example:
        >>> from PIL import Image
        >>> Image.new("L", (8, 6)).save("a.gif")
        >>> with Path("a.gif").open("rb") as stream:
        ...     count_frames(Path("a.gif"), stream)
        1
    """
    place = stream.tell()
    stream.seek(0)
    _skip_table(stream, stream.read(_HEADER)[10:11])
    count = 0
    while (mark := stream.read(1)) != _END:
        if mark == _PICTURE:
            count += 1
            _skip_table(stream, stream.read(_PLACE)[8:9])
            stream.read(1)
        elif mark == _EXTENSION:
            stream.read(1)
        elif mark == b"\0":  # some programs leave one between two blocks
            continue
        else:
            raise DataError(f"{path}: truncated or damaged (no end mark); copy it again")
        while any(length := stream.read(1)):
            stream.seek(length[0], 1)
    stream.seek(place)
    return count


def _skip_table(stream: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & _HAS_TABLE:
        stream.seek(3 * 2 ** ((flags[0] & _TABLE_SIZE) + 1), 1)


def expand_palette(indices: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[Any]:
    """The picture that a palette shows.

    Args:
        indices: (H, W) uint8.
        colours: (256, 3) uint8.

    Returns:
        (H, W) uint8 if only greys occur, else (H, W, 3) uint8.

    Example:
        >>> colours = np.zeros((256, 3), np.uint8)
        >>> colours[1] = 2
        >>> expand_palette(np.array([[0, 1]], np.uint8), colours)
        array([[0, 2]], dtype=uint8)
    """
    used = colours[np.flatnonzero(np.bincount(indices.ravel(), minlength=256))]
    grey = (used == used[:, :1]).all()
    return colours[:, 0][indices] if grey else colours[indices]
