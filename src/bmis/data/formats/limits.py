"""What is checked before a pixel is decoded, so that a small file cannot ask for all memory."""

from pathlib import Path
from shlex import quote

from bmis.config import MAX_CHANNELS
from bmis.errors import DataError
from bmis.wording import counted

MAX_PIXELS = 2**28
"""Images with more pixels than 16,384 x 16,384 (268 million) are refused by their header."""

MAX_BYTES = 2**30
"""So are images of more than 1 GiB, which RGBA of that many pixels has with 8 bits a channel."""

MAX_PAGES = 10_000
"""Pages of one file."""

_MAX_STACK = 2**35  # pixels of all pictures of a file: masks lie in a file while they are made


def check_size(
    path: Path, height: int, width: int, pixel_bytes: int = 1, *, most: int = MAX_PIXELS
) -> None:
    """Refuse an image without pixels, or with more than fit into memory.

    Args:
        path: File of the image, for the message.
        height: Height in pixels.
        width: Width in pixels.
        pixel_bytes: Bytes of one pixel, all channels together.
        most: Number of pixels that the format may have.

    Raises:
        DataError: The image has no pixels or too many.

    Example:
        >>> check_size(Path("a.png"), 480, 640)
        >>> check_size(Path("a.tif"), 16000, 16000, pixel_bytes=6)
        Traceback (most recent call last):
        bmis.errors.DataError: a.tif: 16000 x 16000 pixels of 6 bytes are more than 1 GiB; ...
    """
    if height < 1 or width < 1:
        raise DataError(f"{path}: has no pixels ({height} x {width}); remove it")
    if height * width > most:
        raise DataError(
            f"{path}: {height} x {width} pixels are more than the limit of "
            f"{most // 10**6} million; cut or shrink it first"
        )
    if height * width * pixel_bytes > MAX_BYTES:
        raise DataError(
            f"{path}: {height} x {width} pixels of {pixel_bytes} bytes are more than "
            f"{MAX_BYTES // 2**30} GiB; cut or shrink it, or save it with 8 bits"
        )


def check_stack(path: Path, pictures: int, size: tuple[int, int]) -> None:
    """Refuse a file without pictures, or with more pixels in all of them than fit onto a disk.

    Args:
        path: The file, for the message.
        pictures: Number of its frames or pages.
        size: Height and width of each in pixels.

    Raises:
        DataError: It has none or too many.

    Example:
        >>> check_stack(Path("clip.dcm"), 300, (480, 640))
    """
    if pictures < 1 or pictures * size[0] * size[1] > _MAX_STACK:
        raise DataError(
            f"{path}: {counted(pictures, 'picture')} of {size[0]} x {size[1]} pixels; a file needs "
            f"at least one, and {_MAX_STACK // 10**9} thousand million pixels at most; cut it into "
            "parts"
        )


def too_many_pages(path: Path) -> DataError:
    """The error of a file of more pages than are read.

    Example:
        >>> print(too_many_pages(Path("a.tif")))
        a.tif: has more than 10000 pages; save parts of it as files of their own
    """
    return DataError(
        f"{path}: has more than {MAX_PAGES} pages; save parts of it as files of their own"
    )


class SeveralPagesError(DataError):
    """A file holds several pictures, and one is read of a file.

    Attributes:
        pages: Number of pictures.

    Example:
        >>> SeveralPagesError(Path("a.gif"), 3).pages
        3
    """

    def __init__(self, path: Path, pages: int) -> None:
        self.pages = pages
        channels = f"; if they are the channels of one image, write `channels: {pages}` into "
        channels = f"{channels}dataset.yaml" if pages <= MAX_CHANNELS else ""
        super().__init__(
            f"{path}: holds {pages} pictures (pages or frames), and one is read here; `bmis "
            "predict` and data sets take a TIFF of several as a stack, whose mask has as many; "
            "`bmis import` splits GIF and WEBP like that; or split it yourself: "
            f"magick {quote(path.name)} {quote(path.stem)}-%03d.png{channels}"
        )


def check_pages(path: Path, pages: int) -> None:
    """Refuse a file that holds several images.

    Raises:
        SeveralPagesError: There is more than one.

    Example:
        >>> check_pages(Path("a.tif"), 1)
    """
    if pages > 1:
        raise SeveralPagesError(path, pages)
