"""TIFF files of several pages as stacks of pictures, and the millimetres that ImageJ and OME note.

Each page is a picture, named ``a.tif#1``, ``a.tif#2`` ... Its pixels are read as those of a file of
one page.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.channel_pages import are_channels
from bmis.data.formats.limits import check_stack
from bmis.data.formats.raster import read_header
from bmis.data.formats.tiff import check_imagej_pages
from bmis.data.formats.tiff_pages import has_several_pages, is_tiff_name, read_pages
from bmis.errors import DataError, one_line_about
from bmis.system.reading import inside, open_file
from bmis.wording import counted

_DESCRIPTION, _ACROSS, _DOWN = 270, 282, 283  # tags
_IMAGEJ = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
_OME = re.compile(r"<Pixels\s[^>]*>")
_ATTRIBUTE = re.compile(r"\b(\w+)=[\"']([^\"']*)[\"']")
_MILLIMETRES = {
    **{"nm": 1e-6, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "microns": 1e-3, "mm": 1.0, "cm": 10.0},
    **{"m": 1000.0, "inch": 25.4, "in": 25.4},
}
_LEAST, _MOST = 1e-9, 1e4  # mm
_CENTIMETRE = 10.0  # mm


@dataclass(frozen=True)
class TiffStack:
    """A TIFF of several pages of one size.

    Attributes:
        path: The file.
        pages: Number of pages.
        size: Height and width of each in pixels, upright.
        spacing: Millimetres per pixel (down, across), where the file says it.
        step: Millimetres from page to page, where the file says it.
        notes: What one should know of how it is read.

    Example:
        >>> TiffStack(Path("a.tif"), 3, (48, 64)).page(2).name
        'a.tif#3'
    """

    path: Path
    pages: int
    size: tuple[int, int]
    spacing: tuple[float, float] | None = None
    step: float | None = None
    notes: tuple[str, ...] = ()

    def page(self, index: int) -> Path:
        """The path of a page, by its number from 0."""
        return inside(self.path, index + 1)


def is_tiff_stack(path: Path, channels: int | None = None) -> bool:
    """Whether a file is called a TIFF and holds several pages.

    Args:
        path: The file.
        channels: Number of channels that are wanted: as many pages may be those of one image, see
            ``are_channels``.

    Example:
        >>> is_tiff_stack(Path("photo.png"))
        False
    """
    if not is_tiff_name(path) or not has_several_pages(path):
        return False
    try:
        return channels is None or not are_channels(len(read_pages(path)), channels)
    except DataError:  # said by whoever reads the file
        return True


def read_tiff_stack(path: Path) -> TiffStack:
    """Read what is known of a stack without decoding a pixel.

    Raises:
        DataError: The file is damaged or too large, or its pages are of several sizes.

    Example:
        >>> import numpy as np, tifffile
        >>> pages = np.zeros((3, 48, 64), np.uint8)
        >>> notes = {"unit": "mm", "spacing": 2.0}
        >>> tifffile.imwrite("a.tif", pages, imagej=True, resolution=(10, 5), metadata=notes)
        >>> stack = read_tiff_stack(Path("a.tif"))
        >>> stack.pages, stack.size, stack.spacing, stack.step
        (3, (48, 64), (0.2, 0.1), 2.0)
    """
    with one_line_about(path):
        sizes = [page.size for page in read_pages(path)]
        other = next((at for at, size in enumerate(sizes) if size != sizes[0]), None)
        if other is not None:
            first, second = (" x ".join(map(str, sizes[at])) for at in (0, other))
            raise DataError(
                f"{path}: page 1 is of {first} pixels, page {other + 1} of {second}; the pages of "
                "a stack are of one size, so save these as files of their own"
            )
        size = read_header(inside(path, 1)).size
        check_stack(path, len(sizes), size)
        description, across, down = _tags(path)
        check_imagej_pages(path, description, len(sizes))
        spacing, step, channels = _scale(description, across, down)
        notes = (f"each page is a picture, also those of {counted(channels, 'channel')}",)
        return TiffStack(path, len(sizes), size, spacing, step, notes if channels > 1 else ())


def write_tiff_stack(
    path: Path,
    pages: Iterable[NDArray[np.uint8]],
    *,
    colours: NDArray[np.uint8] | None = None,
    spacing: tuple[float, float] | None = None,
) -> None:
    """Write pages (H, W) uint8 as a TIFF with lossless compression.

    Args:
        path: The file.
        pages: The pages, one at a time.
        colours: RGB (K, 3) of the values 0 to K-1, where these are no greys.
        spacing: Millimetres per pixel (down, across), noted as pixels per centimetre.

    Example:
        >>> import numpy as np
        >>> write_tiff_stack(Path("a.tif"), [np.zeros((48, 64), np.uint8)] * 3)
        >>> read_tiff_stack(Path("a.tif")).pages
        3
    """
    import tifffile  # as above

    options: dict[str, Any] = {"photometric": "minisblack"}
    if colours is not None:
        table = np.zeros((3, 256), np.uint16)
        table[:, : len(colours)] = colours.T.astype(np.uint16) * 257
        options = {"photometric": "palette", "colormap": table}
    if spacing is not None:
        options["resolution"] = (_CENTIMETRE / spacing[1], _CENTIMETRE / spacing[0])
        options["resolutionunit"] = "CENTIMETER"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for page in pages:
            file.write(page, compression="zlib", contiguous=False, metadata=None, **options)


def _tags(path: Path) -> tuple[str, Any, Any]:
    """Description and resolution (pixels per unit across and down) of the first page."""
    import tifffile  # rarely needed, and it takes a tenth of the start of a command

    with open_file(path) as stream, tifffile.TiffFile(stream) as file:
        tags = file.pages.first.tags
        description = tags.valueof(_DESCRIPTION)
        known = description if isinstance(description, str) else ""
        return known, tags.valueof(_ACROSS), tags.valueof(_DOWN)


def _scale(
    description: str, across: Any, down: Any
) -> tuple[tuple[float, float] | None, float | None, int]:
    """Millimetres of a pixel (down, across) and from page to page, and the number of channels."""
    if description.startswith("ImageJ="):
        noted = dict(_IMAGEJ.findall(description))
        unit = noted.get("unit")
        sides = [_length(_pixel(one), unit) for one in (down, across)]
        step, channels = _length(noted.get("spacing"), unit), noted.get("channels")
    elif found := _OME.search(description):
        noted = dict(_ATTRIBUTE.findall(found[0]))
        lengths = [
            _length(noted.get(f"PhysicalSize{axis}"), noted.get(f"PhysicalSize{axis}Unit", "um"))
            for axis in "YXZ"
        ]
        sides, step, channels = lengths[:2], lengths[2], noted.get("SizeC")
    else:
        return None, None, 1
    spacing = None if sides[0] is None or sides[1] is None else (sides[0], sides[1])
    return spacing, step, int(channels) if channels and channels.isdecimal() else 1


def _pixel(resolution: Any) -> float | None:
    """Length of a pixel by a resolution, which is a fraction of pixels by units."""
    try:
        pixels, units = resolution
        return float(units) / float(pixels)
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _length(value: Any, unit: str | None) -> float | None:
    """Millimetres, where number and unit make sense."""
    name = (unit or "").strip().replace("\\u00B5", "µ").replace("\u03bc", "µ")
    try:
        length = float(value) * _MILLIMETRES[name.lower()]
    except (TypeError, ValueError, KeyError):
        return None
    known = math.isfinite(length) and _LEAST < length < _MOST
    return round(length, 9) if known else None
