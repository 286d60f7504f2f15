"""Read PNG, JPEG, BMP, TIFF and NPY files into arrays of the values that they store.

A format is recognised by the first bytes of a file, not by its name, and no other format is
opened. The header is checked before a pixel is decoded. ``bmis.data.images`` interprets the values.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from bmis.errors import DataError

MAX_PIXELS = 2**28
"""Images with more pixels than 16,384 x 16,384 (268 million) are refused by their header."""

# The plugins are called directly: PIL.Image.open would warn at a third of our limit, and its
# own limit is a global that other libraries set.
_OPENERS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"\xff\xd8\xff", JpegImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
)
_NPY = b"\x93NUMPY"
_WIDTH, _HEIGHT, _BITS, _ORIENTATION = 256, 257, 258, 274  # tags of TIFF, the last of EXIF too
_QUARTER_TURNS = 5  # orientations from this one on swap height and width
_PLANAR = 2  # value of a TIFF tag: channels are stored one after the other
_COLOUR_MODES = ("RGB", "RGBA", "RGBX")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image as its file stores it, but upright.

    Attributes:
        array: (H, W) or (H, W, C) of any type. Alpha is dropped, palette indices are kept.
        palette: (256, 3) uint8 colours if ``array`` holds indices into them.

    Example:
        >>> DecodedImage(np.zeros((4, 6), np.uint16)).palette is None
        True
    """

    array: NDArray[Any]
    palette: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Header:
    """What is known about an image before it is decoded.

    Attributes:
        size: Height and width of the upright image in pixels.
        grey: Whether the image is stored without colours.

    Example:
        >>> read_header(Path("photo.png"))
        Header(size=(64, 64), grey=False)
    """

    size: tuple[int, int]
    grey: bool


def read_header(path: Path) -> Header:
    """Read size and kind of an image without decoding its pixels.

    Raises:
        DataError: The file is missing, empty, damaged, too large or of another format.

    Example:
        >>> read_header(Path("photo.png")).size
        (64, 64)
    """
    if _magic(path).startswith(_NPY):
        return _array_header(_npy(path), path)
    with _opened(path) as image:
        return _tiff(path)[0] if image is None else _header(image, path)


def decode(path: Path) -> DecodedImage:
    """Read a whole image file.

    Raises:
        DataError: The file is missing, empty, damaged, truncated, too large or of another format.

    Example:
        >>> decode(Path("photo.png")).array.shape
        (64, 64, 3)
    """
    if _magic(path).startswith(_NPY):
        array = _npy(path)
        _array_header(array, path)
        return DecodedImage(_finite(np.array(array[..., :3] if array.ndim == 3 else array), path))
    with _opened(path) as image:
        if image is None:
            return DecodedImage(_finite(_tiff(path)[1], path))
        try:
            _load_upright(image)
            decoded = _pixels(image)
        except Exception as error:  # damaged bytes make decoders raise anything
            raise _damaged(path, error) from error
    return DecodedImage(_finite(decoded.array, path), decoded.palette)


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not start:
        raise DataError(f"{path}: the file is empty (0 bytes); copy it again or remove it")
    return start


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile | None]:
    """An image with a checked header, not decoded; None for TIFF that ``_tiff`` must read."""
    start = _magic(path)
    opener = next((plugin for magic, plugin in _OPENERS if start.startswith(magic)), None)
    if opener is None:
        raise DataError(
            f"{path}: not an image (its first bytes are {start[:4]!r}); "
            "convert it to PNG, JPEG, BMP, TIFF or NPY"
        )
    # a stream, because Pillow maps a named file into memory and then garbles TIFF that it turns
    with path.open("rb") as stream:
        try:
            image = opener(stream)
        except Exception as error:
            if opener is not TiffImageFile:
                raise _damaged(path, error) from error
            yield None
            return
        with image:
            _header(image, path)
            if isinstance(image, TiffImageFile):
                _check_pages(path, _count_pages(image, path))
                if image.mode in _COLOUR_MODES and max(image.tag_v2.get(_BITS, (8,))) > 8:
                    yield None  # Pillow would keep the upper eight bits only
                    return
            yield image


def _header(image: ImageFile, path: Path) -> Header:
    width, height = image.size
    if isinstance(image, TiffImageFile):  # whether Pillow swaps them depends on its version
        width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
    if _orientation(image) >= _QUARTER_TURNS:
        width, height = height, width
    _check_size(path, height, width)
    return Header((height, width), image.mode in _GREY_MODES or image.mode.startswith("I;16"))


def _count_pages(image: TiffImageFile, path: Path) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:  # a damaged page behind the first
        raise _damaged(path, error) from error


def _check_pages(path: Path, pages: int) -> None:
    if pages > 1:
        raise DataError(f"{path}: has {pages} pages; save each as an image of its own")


def _check_size(path: Path, height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise DataError(f"{path}: has no pixels ({height} x {width}); remove it")
    if height * width > MAX_PIXELS:
        raise DataError(
            f"{path}: {height} x {width} pixels are more than the limit of "
            f"{MAX_PIXELS // 10**6} million; cut or shrink it first"
        )


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: truncated or damaged ({reason}); copy it again or remove it")


def _orientation(image: ImageFile) -> int:
    """Orientation by the tag of a TIFF or the EXIF of other formats, 1 to 8."""
    if isinstance(image, TiffImageFile):
        return _valid_orientation(image.tag_v2.get(_ORIENTATION))
    if "exif" not in image.info:
        return 1
    try:
        return _valid_orientation(image.getexif().get(_ORIENTATION))
    except Exception:  # broken EXIF does not spoil the pixels
        return 1


def _valid_orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _load_upright(image: ImageFile) -> None:
    """Decode the pixels and turn them as their orientation says."""
    # asked before decoding, as in read_header: a PNG may bring more EXIF behind its pixels
    turned = _orientation(image) != 1
    image.load()  # newer versions of Pillow turn TIFF here; then nothing is left to be turned
    if turned:
        with suppress(Exception):  # Pillow turns the pixels first, then trips over broken EXIF
            ImageOps.exif_transpose(image, in_place=True)


def _pixels(image: ImageFile) -> DecodedImage:
    if image.mode == "P":
        colours = np.zeros((256, 3), np.uint8)
        table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        colours[: len(table)] = table
        return DecodedImage(np.array(image), colours)
    if image.mode in ("1", "L", "RGB", "I", "F") or image.mode.startswith("I;16"):
        return DecodedImage(np.array(image))
    if image.mode in ("LA", "La"):
        return DecodedImage(np.array(image)[..., 0])
    if image.mode in _COLOUR_MODES:
        return DecodedImage(np.array(image)[..., :3])
    return DecodedImage(np.array(image.convert("RGB")))  # CMYK, YCbCr, LAB, PA


def _tiff(path: Path) -> tuple[Header, NDArray[Any]]:
    """Read TIFF that Pillow cannot read whole: several channels of more than eight bits."""
    import tifffile  # rarely needed, and it takes a tenth of the start of a command

    try:
        with tifffile.TiffFile(path) as file:
            _check_pages(path, len(file.pages))
            page = cast(tifffile.TiffPage, file.pages[0])
            _check_size(path, page.imagelength, page.imagewidth)
            orientation = _valid_orientation(page.tags.valueof(_ORIENTATION))
            array = np.asarray(page.asarray())
            if page.planarconfig == _PLANAR and array.ndim == 3:
                array = np.moveaxis(array, 0, -1)
    except DataError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    array = _upright(array, orientation)
    return _array_header(array, path), array[..., :3] if array.ndim == 3 else array


def _upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """What ``exif_transpose`` does, for arrays that no Pillow image can hold."""
    if orientation >= _QUARTER_TURNS:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


def _finite(array: NDArray[Any], path: Path) -> NDArray[Any]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise DataError(f"{path}: {bad} values are NaN or infinite; replace them before saving")
    return array


def _npy(path: Path) -> NDArray[Any]:
    try:
        return cast(NDArray[Any], np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError as error:
        if "allow_pickle" in str(error) or "object" in str(error).lower():
            raise DataError(
                f"{path}: holds Python objects, which are not read because they can run code; "
                "save a plain array with numpy.save"
            ) from error
        raise _damaged(path, error) from error
    except Exception as error:
        raise _damaged(path, error) from error


def _array_header(array: NDArray[Any], path: Path) -> Header:
    if array.dtype.kind not in "buif":
        raise DataError(f"{path}: holds {array.dtype}; save integers, floats or bool")
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise DataError(
            f"{path}: array of shape {array.shape}; save it as (H, W), (H, W, 1), (H, W, 3) "
            "or (H, W, 4)"
        )
    _check_size(path, array.shape[0], array.shape[1])
    return Header((array.shape[0], array.shape[1]), channels == 1)
