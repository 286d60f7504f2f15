"""Read PNG, JPEG, BMP, TIFF, GIF, WEBP and NPY files into arrays of the values that they store.

A format is recognised by the first bytes of a file, not by its name, and no other format is
opened. The header is checked before a pixel is decoded. ``bmis.data.images`` interprets the values.
"""

import ctypes
import logging
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, _imaging
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bmis.data.file_kinds import KIND_SHOWS, NotAnImageError, foreign_kind
from bmis.data.formats.arrays import MAGIC, check_finite, map_npy
from bmis.data.formats.gif import count_frames
from bmis.data.formats.limits import MAX_PIXELS, SeveralPagesError, check_pages, check_size
from bmis.data.formats.missing_rows import png_lacks_rows, without_end
from bmis.data.formats.pixels import DecodedImage, pixels_of
from bmis.data.formats.tiff import (
    ORIENTATION,
    QUARTER_TURNS,
    check_imagej_pages,
    lost_by_pillow,
    read_tiff,
    valid_orientation,
)
from bmis.data.formats.tiff_pages import open_page, page_index, read_pages
from bmis.errors import DataError, one_line_about

# The plugins are called directly: PIL.Image.open would warn at a third of our limit, and its
# own limit is a global that other libraries set.
_PLUGINS: tuple[tuple[re.Pattern[bytes], type[ImageFile]], ...] = tuple(
    (re.compile(start, re.DOTALL), plugin)
    for start, plugin in (
        (rb"\x89PNG\r\n\x1a\n", PngImageFile),
        (rb"\xff\xd8\xff", JpegImageFile),
        (rb"BM", BmpImageFile),
        (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
        (rb"GIF8", GifImageFile),
        (rb"RIFF....WEBP", WebPImageFile),  # films and sounds begin with RIFF too
    )
)
_WEBP_PIXELS = 2**26  # its decoder needs 18 bytes a pixel
_WIDTH, _HEIGHT, _DESCRIPTION = 256, 257, 270  # tags of TIFF
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
_LARGE = 2**24  # pixels
_CHUNKS, _LOSSY_WEBP = 2**16, b"VP8 "  # bytes of a WEBP that say how it is compressed
_WIDE_MODES = ("I", "F")  # four bytes a value
_MAY_TURN = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # notes in a file

for _name in ("PIL", "tifffile"):  # whose words about a file are for whoever sets up logging
    logging.getLogger(_name).addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Header:
    """What is known about an image before it is decoded.

    Attributes:
        size: Height and width of the upright image in pixels.
        channels: Number of channels without transparency: 1 is grey, 3 is RGB.
        turned: Whether the file says that the stored pixels must be turned to be upright; not
            known of TIFF in colour with more than eight bits.

    Example:
        >>> read_header(Path("photo.png"))
        Header(size=(64, 64), channels=3, turned=False)
    """

    size: tuple[int, int]
    channels: int
    turned: bool = False


def read_header(path: Path) -> Header:
    """Read size and kind of an image without decoding its pixels.

    Args:
        path: The file of one picture, or a page of a file: ``a.tif#3``.

    Raises:
        DataError: The file is missing, empty, damaged, too large or of another format.

    Example:
        >>> read_header(Path("photo.png")).size
        (64, 64)
    """
    with one_line_about(path), open_page(path) as stream:
        plugin = _plugin(path, stream)
        image = _open(path, plugin, stream) if plugin else None
        if image:
            return _header(path, image)
        array = read_tiff(path, stream, header=True) if plugin else map_npy(path)
        return Header(array.shape[:2], 1 if array.ndim == 2 else array.shape[2])


def count_pages(path: Path) -> int:
    """Number of pictures in a file; 1 if it is damaged, which is said when it is read.

    Example:
        >>> count_pages(Path("photo.png"))
        1
    """
    try:
        read_header(path)
    except SeveralPagesError as error:
        return error.pages
    except DataError:
        pass
    return 1


def decode(path: Path) -> DecodedImage:
    """Read a whole image file.

    Args:
        path: See ``read_header``.

    Raises:
        DataError: The file is missing, empty, damaged, truncated, too large or of another format.

    Example:
        >>> decode(Path("photo.png")).array.shape
        (64, 64, 3)
    """
    with one_line_about(path), open_page(path) as stream:
        plugin = _plugin(path, stream)
        data = BytesIO(without_end(stream.read())) if plugin is JpegImageFile else stream
        image = _open(path, plugin, data) if plugin else None
        if isinstance(image, PngImageFile):
            decoded = _decode_png(path, image, stream)
        elif image:
            decoded = pixels_of(_load_upright(image))
        else:
            array = read_tiff(path, stream) if plugin else map_npy(path)
            decoded = DecodedImage(np.array(array))
        check_finite(path, decoded.array)
        return replace(decoded, lossy=_is_lossy(plugin, stream))


def _is_lossy(plugin: type[ImageFile] | None, stream: BinaryIO) -> bool:
    if plugin is not WebPImageFile:
        return plugin is JpegImageFile
    stream.seek(0)
    return _LOSSY_WEBP in stream.read(_CHUNKS)


def _plugin(path: Path, stream: BinaryIO) -> type[ImageFile] | None:
    """What of Pillow reads a file; None for NPY."""
    start = stream.read(KIND_SHOWS)
    stream.seek(0)
    if not start:
        raise DataError(f"{path}: the file is empty (0 bytes); copy it again or remove it")
    plugin = next((plugin for magic, plugin in _PLUGINS if magic.match(start)), None)
    if plugin is None and not start.startswith(MAGIC):
        if kind := foreign_kind(path, start):
            raise NotAnImageError(f"{path}: {kind.title}, which is not read; {kind.fix}")
        raise NotAnImageError(
            f"{path}: not an image (its first bytes are {start[:4]!r}); "
            "convert it to PNG, JPEG, BMP, TIFF or NPY"
        )
    return plugin


def _open(path: Path, plugin: type[ImageFile], stream: BinaryIO) -> ImageFile | None:
    """An image with a checked header, not decoded; None for TIFF that ``read_tiff`` must read.

    Pillow gets a stream, because it maps a named file into memory and then garbles TIFF that it
    turns.
    """
    silence_libtiff()
    try:
        image = plugin(stream)
        _header(path, image)
    except DataError:
        raise
    except Pillow.DecompressionBombError as error:
        raise DataError(f"{path}: has too many pixels; cut or shrink it first") from error
    except Exception:
        if plugin is not TiffImageFile:
            raise
        stream.seek(0)
        return None
    page = page_index(path)
    if page is None:
        check_pages(path, _pages(path, image, stream))
    elif page and plugin is not TiffImageFile:
        image.seek(page)
        _header(path, image)
    if isinstance(image, TiffImageFile) and lost_by_pillow(image):
        stream.seek(0)
        return None
    return image


def _pages(path: Path, image: ImageFile, stream: BinaryIO) -> int:
    if isinstance(image, GifImageFile):  # of a cut film Pillow shows what is left
        return count_frames(path, stream)
    if isinstance(image, TiffImageFile):
        listed = len(read_pages(path))
        check_imagej_pages(path, image.tag_v2.get(_DESCRIPTION), listed)
        return listed
    return int(getattr(image, "n_frames", 1))


@cache
def silence_libtiff() -> None:
    """Keep libtiff from writing to stderr; what is wrong comes as an error of Pillow anyway.

    Example:
        >>> silence_libtiff()
    """
    nobody = ctypes.c_void_p(None)
    with suppress(OSError, AttributeError):  # a Pillow with libtiff inside, or without
        library = ctypes.CDLL(_imaging.__file__)
        library.TIFFSetWarningHandler(nobody)
        library.TIFFSetErrorHandler(nobody)


def _header(path: Path, image: ImageFile) -> Header:
    width, height = image.size
    if isinstance(image, TiffImageFile):  # whether Pillow swaps them depends on its version
        width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
    orientation = _orientation(image)
    if orientation >= QUARTER_TURNS:
        width, height = height, width
    deep = image.mode.startswith("I;16")
    value_bytes = 4 if image.mode in _WIDE_MODES else 2 if deep else 1
    most = _WEBP_PIXELS if isinstance(image, WebPImageFile) else MAX_PIXELS
    check_size(path, height, width, len(image.getbands()) * value_bytes, most=most)
    grey = image.mode in _GREY_MODES or deep
    return Header((height, width), 1 if grey else 3, orientation != 1)


def _orientation(image: ImageFile) -> int:
    """Orientation by the tag of a TIFF, or by the EXIF or XMP of other formats, 1 to 8."""
    if isinstance(image, TiffImageFile):
        return valid_orientation(image.tag_v2.get(ORIENTATION))
    if image.info.keys().isdisjoint(_MAY_TURN):
        return 1
    try:
        # not the method of PNG, which would decode the pixels to look for EXIF behind them
        return valid_orientation(Pillow.Image.getexif(image).get(ORIENTATION))
    except Exception:  # broken EXIF does not spoil the pixels
        return 1


def _load_upright(image: ImageFile) -> ImageFile:
    """Decode the pixels and turn them as their orientation says."""
    # asked before decoding, as in read_header: a PNG may bring more EXIF behind its pixels
    turned = _orientation(image) != 1
    image.load()  # newer versions of Pillow turn TIFF here; then nothing is left to be turned
    if turned:
        with suppress(Exception):  # Pillow turns the pixels first, then trips over broken EXIF
            ImageOps.exif_transpose(image, in_place=True)
    return image


def _decode_png(path: Path, image: PngImageFile, stream: BinaryIO) -> DecodedImage:
    """Decode a PNG if it holds all of its rows; Pillow leaves missing rows at 0."""
    large = image.width * image.height > _LARGE
    if large:  # asked first, so that nobody gets memory in vain
        _check_rows(path, stream)
    decoded = pixels_of(_load_upright(image))
    array = decoded.array
    edges = (array[0], array[-1], array[:, 0], array[:, -1])  # one is the last row, if turned too
    if not large and (image.info.get("interlace") or not all(edge.any() for edge in edges)):
        _check_rows(path, stream)
    return decoded


def _check_rows(path: Path, stream: BinaryIO) -> None:
    place = stream.tell()
    stream.seek(0)
    lacking = png_lacks_rows(stream.read())
    stream.seek(place)
    if lacking:
        raise DataError(f"{path}: truncated or damaged (rows are missing); copy it again")
