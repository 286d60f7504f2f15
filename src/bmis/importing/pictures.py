"""Pictures of masks as a source stores them, whatever their values mean."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from bmis.data.formats.limits import MAX_PIXELS
from bmis.data.formats.pixels import DecodedImage
from bmis.data.formats.raster import decode
from bmis.errors import DataError
from bmis.system.reading import first_bytes, open_file

_TIFF = (b"II", b"MM")
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # a tag of TIFF, and a value of it


@dataclass(frozen=True, eq=False)
class Stored:
    """What the file of a mask stores, upright.

    Attributes:
        values: (H, W) whole numbers: greys, indices of a palette, or colours as 0xRRGGBB.
        coloured: Whether the values are colours.
        lossy: Whether the file is a JPEG or lossy WEBP, so that values are not exact.
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
    decoded = decode(path)
    array, coloured = _flat(decoded, path, colours=colours)
    if not coloured and array.dtype.kind == "f":
        return Stored(_whole(array, path))
    if array.dtype.kind == "i" and array.min() < 0:
        raise DataError(
            f"{path}: mask values from {array.min()} to {array.max()}; save 0, 1, 2 ..."
        )
    if array.dtype in (np.bool_, np.uint8) and white_is_zero(path):
        return Stored(_bytes(~array), note="white is zero: the stored numbers count")
    return Stored(_bytes(array), coloured, decoded.lossy)


def read_alpha(path: Path) -> NDArray[np.uint8] | None:
    """The transparency of a picture (H, W) uint8, if it has one and shows one colour alone.

    Example:
        >>> read_alpha(Path("photo.png")) is None
        True
    """
    try:
        return decode(path).mask_in_alpha
    except DataError:  # damaged: said when it is read
        return None


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
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{image.height} x {image.width} pixels are too many")
            return np.asarray(image)
    except Exception as error:
        raise DataError("its picture is no whole PNG; save the file again") from error


def white_is_zero(path: Path) -> bool:
    """Whether a file is a TIFF in which white is stored as 0, as ImageJ writes masks.

    Example:
        >>> white_is_zero(Path("photo.png"))
        False
    """
    if not first_bytes(path, 2).startswith(_TIFF):
        return False
    try:
        with open_file(path) as stream, TiffImageFile(stream) as image:
            return image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    except (OSError, SyntaxError, ValueError):  # tifffile reads kinds that Pillow does not know
        return False


def _flat(decoded: DecodedImage, path: Path, *, colours: bool) -> tuple[NDArray[Any], bool]:
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
    if decoded.lossy_grey is not None:
        return decoded.lossy_grey, False
    if array.shape[2] != 3:
        raise DataError(f"{path}: a mask of {array.shape[2]} channels; save it as grey or RGB")
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
