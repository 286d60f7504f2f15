"""GIF: how many pictures a file holds, and the greys or colours that it shows.

Programs that write GIF number the colours anew, even those of grey pictures. So the numbers of a
palette mean nothing there, and its colours count.
"""

from pathlib import Path
from typing import BinaryIO

from PIL.Image import Image

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


def without_palette(image: Image) -> Image:
    """A picture with a palette as the greys or colours that it shows.

    Args:
        image: Picture of the mode P.

    Returns:
        A picture of the mode L if only greys occur, else RGB.

    Example:
        >>> from PIL import Image
        >>> image = Image.new("P", (2, 1), 1)
        >>> image.putpalette([0, 0, 0, 2, 2, 2])
        >>> without_palette(image).getpixel((0, 0))
        2
    """
    table = image.getpalette("RGB") or []
    used = (table[3 * n : 3 * n + 3] for n, count in enumerate(image.histogram()) if count)
    return image.convert("L" if all(len(set(colour)) <= 1 for colour in used) else "RGB")
