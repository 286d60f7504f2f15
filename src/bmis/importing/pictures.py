"""Pictures as a source stores them, in more formats than ``bmis.data`` reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.Image import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bmis.data.formats.limits import MAX_PIXELS
from bmis.data.formats.raster import DecodedImage, decode
from bmis.data.images import IMAGE_SUFFIXES, read_image
from bmis.errors import DataError
from bmis.system.reading import first_bytes, open_file

PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, ".gif", ".webp")
_MAGIC = 8  # bytes by which a format shows
_JPEG = b"\xff\xd8\xff"
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # a tag of TIFF, and a value of it
_JPEG_NOISE = 24  # difference between channels that JPEG makes of grey
_OPENERS: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"GIF8", GifImageFile),
    (b"RIFF", WebPImageFile),
    (_JPEG, JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
)
_WITH_ALPHA = (b"RIFF", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")
_OURS_ALONE, _FILMS = (b"GIF8", b"RIFF"), ("GIF", "WEBP")


@dataclass(frozen=True, eq=False)
class Stored:
    """What the file of a mask stores, upright.

    Attributes:
        values: (H, W) whole numbers: greys, indices of a palette, or colours as 0xRRGGBB.
        coloured: Whether the values are colours.
        lossy: Whether the file is a JPEG, so that values are not exact.
        note: What is particular about the file, if anything.

    Example:
        >>> read_stored(Path("polyps/masks/endoscopy_0001.png")).lossy
        False
    """

    values: NDArray[Any]
    coloured: bool = False
    lossy: bool = False
    note: str | None = None


def read_stored(path: Path, *, alpha: bool = False, colours: bool = False) -> Stored:
    """Read a mask as the numbers that its file stores.

    Where white is zero (TIFF of ImageJ) the stored numbers count and not what a viewer shows.
    Fractions from 0 to 1 become 0 to 65535.

    Args:
        path: File of the mask.
        alpha: Take the transparency in place of the colours.
        colours: Take the colours of a palette in place of its indices.

    Raises:
        DataError: The file cannot be read, or holds negative numbers.

    Example:
        >>> np.unique(read_stored(Path("polyps/masks/endoscopy_0001.png")).values)
        array([  0, 255], dtype=uint8)
    """
    if alpha:
        found = read_alpha(path)
        if found is None:
            raise DataError(f"{path}: has no transparency, but the other masks lie in theirs")
        return Stored(found)
    decoded = _decode(path)
    start = first_bytes(path, _MAGIC)
    lossy = start.startswith(_JPEG)
    array, coloured = _flat(decoded, lossy=lossy, colours=colours)
    if not coloured and array.dtype.kind == "f":
        return Stored(_whole(array, path))
    if array.dtype.kind == "i" and array.min() < 0:
        raise DataError(
            f"{path}: mask values from {array.min()} to {array.max()}; save 0, 1, 2 ..."
        )
    if array.dtype in (np.bool_, np.uint8) and start[:2] in (b"II", b"MM") and _white_is_zero(path):
        return Stored(_bytes(~array), note="white is zero: the stored numbers count")
    return Stored(_bytes(array), coloured, lossy)


def read_alpha(path: Path) -> NDArray[np.uint8] | None:
    """The transparency of a picture (H, W) uint8, if it has one and shows one colour alone.

    Example:
        >>> read_alpha(Path("photo.png")) is None
        True
    """
    if not first_bytes(path, _MAGIC).startswith(_WITH_ALPHA):
        return None
    try:
        with _opened(path, decoded=False) as image:
            if image.mode not in ("RGBA", "LA"):
                return None
            array = np.asarray(ImageOps.exif_transpose(image))
    except (DataError, OSError, SyntaxError, ValueError):  # damaged: said when it is read
        return None
    colour = array[..., :-1]
    return None if (colour != colour[:1, :1]).any() else np.ascontiguousarray(array[..., -1])


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Read an image as (H, W, 1 or 3) uint8 pixels.

    Raises:
        DataError: The file cannot be read.

    Example:
        >>> read_pixels(Path("photo.png")).shape
        (64, 64, 3)
    """
    if not _is_ours_alone(path):
        return read_image(path).pixels
    with _opened(path) as image:
        pixels = np.asarray(_plain(image))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def decode_png(data: bytes) -> NDArray[Any]:
    """A PNG that lies inside another file.

    Raises:
        DataError: It is no PNG, damaged or too large.

    Example:
        >>> decode_png(Path("photo.png").read_bytes()).shape
        (64, 64, 3)
    """
    try:
        with PngImageFile(BytesIO(data)) as image:
            _check_size(image)
            return np.asarray(image)
    except Exception as error:
        raise DataError("its picture is no whole PNG; save the file again") from error


def _is_ours_alone(path: Path) -> bool:
    """Whether a file is of a format that ``bmis.data`` does not read."""
    return first_bytes(path, _MAGIC).startswith(_OURS_ALONE)


def _decode(path: Path) -> DecodedImage:
    if not _is_ours_alone(path):
        return decode(path)
    with _opened(path) as image:
        if image.mode != "P":
            return DecodedImage(np.asarray(_plain(image)))
        table = np.zeros((256, 3), np.uint8)
        colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        table[: len(colours)] = colours
        return DecodedImage(np.asarray(image), table)


def _plain(image: ImageFile) -> Image:
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


@contextmanager
def _opened(path: Path, *, decoded: bool = True) -> Iterator[ImageFile]:
    """A picture of a known format, with a checked size.

    Raises:
        DataError: The file is of another format, damaged, too large, or a film.
    """
    start = first_bytes(path, _MAGIC)
    opener = next((plugin for magic, plugin in _OPENERS if start.startswith(magic)), None)
    if opener is None:
        raise DataError(f"{path}: not a picture that is known; convert it to PNG")
    with open_file(path) as stream:
        try:
            image = opener(stream)
            _check_size(image)
            if decoded:
                image.load()
        except Exception as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{path}: truncated or damaged ({reason}); copy it again or remove it"
            ) from error
        with image:
            yield image


def _check_size(image: ImageFile) -> None:
    if not 0 < image.width * image.height <= MAX_PIXELS:
        raise DataError(f"{image.height} x {image.width} pixels are too many")
    if image.format in _FILMS and getattr(image, "n_frames", 1) > 1:
        raise DataError("it has several pictures; save each as an image of its own")


def _white_is_zero(path: Path) -> bool:
    try:
        with open_file(path) as stream, TiffImageFile(stream) as image:
            return image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    except (OSError, SyntaxError, ValueError):  # tifffile reads kinds that Pillow does not know
        return False


def _flat(decoded: DecodedImage, *, lossy: bool, colours: bool) -> tuple[NDArray[Any], bool]:
    """The values in one plane, and whether they are colours."""
    array = decoded.array
    if decoded.palette is not None:
        used = decoded.palette[np.unique(array)]
        grey = np.isin(used, (0, 255)).all() and (used == used[:, :1]).all()
        if not (grey or colours):
            return array, False
        array = decoded.palette[array]
    if array.ndim == 2:
        return array, False
    if array.shape[2] == 1 or (not colours and (array == array[..., :1]).all()):
        return array[..., 0], False
    if lossy and int((array.max(axis=2) - array.min(axis=2)).max()) <= _JPEG_NOISE:
        return array[..., 1], False
    wide = array.astype(np.uint32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], True


def _whole(array: NDArray[Any], path: Path) -> NDArray[Any]:
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 65535:
        raise DataError(f"{path}: mask values from {low:.3g} to {high:.3g}; save 0, 1, 2 ...")
    if (array == np.rint(array)).all():
        return array.astype(np.uint16)
    return np.rint(array * (65535.0 if high <= 1 else 65535.0 / 255)).astype(np.uint16)


def _bytes(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.uint8) if array.dtype == np.bool_ else array
