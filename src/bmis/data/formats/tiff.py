"""TIFF that Pillow cannot read whole: several channels of more than eight bits, and odd numbers."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from bmis.data.formats.arrays import check_array
from bmis.data.formats.limits import check_pages
from bmis.data.formats.pixels import COLOUR_MODES
from bmis.data.formats.tiff_pages import page_index, read_pages
from bmis.errors import DataError, install_line

if TYPE_CHECKING:
    from tifffile import TiffPage

_BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA = 258, 262, 277, 338  # tags
ORIENTATION = 274  # a tag of TIFF and of EXIF
QUARTER_TURNS = 5  # orientations from this one on swap height and width
_IMAGEJ = re.compile(r"ImageJ=.*?^images=(\d{1,9})$", re.DOTALL | re.MULTILINE)
_PLANAR = 2  # value of a tag: channels are stored one after the other
_GREY_OR_RGB = (0, 1, 2)  # values of a tag; others are CIELAB, YCbCr, palettes and more
_RGB = 2
_ALPHA = (1, 2)  # values of a tag for further channels; 0 is one of any other kind


def valid_orientation(value: object) -> int:
    """An orientation from 1 to 8; 1 for anything else.

    Example:
        >>> valid_orientation(6), valid_orientation("6")
        (6, 1)
    """
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def colour_channels(photometric: int, samples: int, extra: Sequence[int]) -> tuple[int, ...]:
    """Which samples of a TIFF are channels and no transparency.

    Args:
        photometric: Value of the tag for the kind of colours.
        samples: Number of values of a pixel.
        extra: Values of the tag for the samples beyond grey or RGB, where it has one.

    Example:
        >>> colour_channels(2, 4, (2,)), colour_channels(1, 5, (0, 0, 0, 0))
        ((0, 1, 2), (0, 1, 2, 3, 4))
    """
    if photometric not in _GREY_OR_RGB:
        return (0, 1, 2)
    if photometric == _RGB and samples == 4 and not extra:  # careless writers of transparency
        extra = _ALPHA[1:]
    first = samples - len(extra)
    return tuple(at for at in range(samples) if at < first or extra[at - first] not in _ALPHA)


def lost_by_pillow(image: TiffImageFile) -> bool:
    """Whether Pillow would lose bits or channels: it keeps the upper eight bits of three.

    Example:
        >>> import io, tifffile
        >>> stream = io.BytesIO()
        >>> tifffile.imwrite(stream, np.zeros((48, 64, 5), np.uint8), photometric="rgb")
        >>> size = stream.seek(0)
        >>> lost_by_pillow(TiffImageFile(stream))
        True
    """
    tags = image.tag_v2
    deep = image.mode in COLOUR_MODES and max(tags.get(_BITS, (8,))) > 8
    extra = tags.get(_EXTRA, ())
    extra = extra if isinstance(extra, tuple) else (extra,)
    found = colour_channels(tags.get(_PHOTOMETRIC, 0), tags.get(_SAMPLES, 1), extra)
    return deep or len(found) not in (1, 3)


def imagej_pages(description: object) -> int:
    r"""Number of pictures that ImageJ says a TIFF has; of large stacks it lists the first alone.

    Args:
        description: Value of the tag for it.

    Example:
        >>> imagej_pages("ImageJ=1.54f\nimages=30\nslices=30\n"), imagej_pages("notes")
        (30, 1)
    """
    found = _IMAGEJ.match(description) if isinstance(description, str) else None
    return int(found[1]) if found else 1


def check_imagej_pages(path: Path, description: object, listed: int) -> None:
    """Refuse a file of which ImageJ lists fewer pages than it has, as it does beyond 4 GiB.

    Args:
        path: The file.
        description: See ``imagej_pages``.
        listed: Number of pages that are listed.

    Raises:
        DataError: There are more.

    Example:
        >>> check_imagej_pages(Path("a.tif"), "notes", 1)
    """
    claimed = imagej_pages(description)
    if claimed > listed:
        raise DataError(
            f"{path}: has {claimed} pages by what ImageJ notes, and lists {listed}; save it from "
            "ImageJ as OME-TIFF (Bio-Formats), or as parts of less than 4 GiB"
        )


def read_tiff(path: Path, stream: BinaryIO, *, header: bool = False) -> NDArray[Any]:
    """Read a TIFF file, upright and without transparency.

    Args:
        path: The file, or a page of it, see ``tiff_pages``.
        stream: Its content from that page on.
        header: Whether the shape is enough; the values are then all zero and need no memory.

    Returns:
        (H, W) or (H, W, C) of the type that is stored.

    Raises:
        DataError: It has several pages, is too large, has colours that are not read, or needs a
            package that is not installed.

    Example:
        >>> import tifffile
        >>> tifffile.imwrite("a.tif", np.zeros((48, 64), np.float64))
        >>> with Path("a.tif").open("rb") as stream:
        ...     read_tiff(Path("a.tif"), stream).shape
        (48, 64)
    """
    import tifffile  # rarely needed, and it takes a tenth of the start of a command

    with tifffile.TiffFile(stream) as file:
        if page_index(path) is None:
            check_pages(path, len(read_pages(path)))
        found = cast("TiffPage", file.pages[0])
        _check_colours(path, found)
        shape = _shape(found)
        check_array(path, shape, found.dtype or object)
        if header:
            array = np.broadcast_to(np.zeros((), found.dtype), shape)
        else:
            array = _values(path, found).reshape(found.shape)
            array = np.moveaxis(array, 0, -1) if shape != found.shape else array
        array = _upright(array, valid_orientation(found.tags.valueof(ORIENTATION)))
        extra = [int(kind) for kind in found.extrasamples]
        channels = colour_channels(found.photometric, found.samplesperpixel, extra)
    return array if array.ndim == 2 or len(channels) == array.shape[2] else array[..., channels]


def _check_colours(path: Path, page: "TiffPage") -> None:
    if page.photometric not in _GREY_OR_RGB:
        name = str(getattr(page.photometric, "name", page.photometric))
        raise DataError(f"{path}: colours of the kind {name} are not read; save it as RGB or grey")


def _shape(page: "TiffPage") -> tuple[int, ...]:
    """Shape of the array, channels last."""
    shape = tuple(page.shape)
    planar = page.planarconfig == _PLANAR and len(shape) == 3
    return (*shape[1:], shape[0]) if planar else shape


def _values(path: Path, page: "TiffPage") -> NDArray[Any]:
    try:
        return np.asarray(page.asarray())
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        kind = str(getattr(page.compression, "name", page.compression))
        raise DataError(
            f"{path}: {kind} compression of this kind of TIFF needs another package; install it "
            f"with: {install_line('tiff')}, or save the file without compression"
        ) from error


def _upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """What ``exif_transpose`` does, for arrays that no Pillow image can hold."""
    if orientation >= QUARTER_TURNS:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array
