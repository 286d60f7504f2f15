"""Images and masks, read from files and written to them.

Whatever is stored, an image becomes uint8 with one channel (grey) or three (RGB):

- 8-bit pixels are kept; one-bit and bool pixels become 0 and 255;
- 16-bit, 32-bit and float pixels are stretched for each image by itself: its 0.1th percentile
  goes to 0, its 99.9th to 255, what lies outside is cut off. All channels share the two numbers.
  (PNG files in colour with 16 bits per channel keep their upper eight bits.)
- alpha is dropped, not blended; palettes are expanded; CMYK and the like become RGB;
- the EXIF orientation is applied, to images and masks alike.

Resolution tags of PNG, JPEG and TIFF are not read: most say 72 dpi, which is true of nothing.
The pixel spacing is what ``dataset.yaml`` says.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.data.formats.raster import DecodedImage, decode, read_header
from bmis.data.palette import palette
from bmis.errors import DataError
from bmis.system.files import atomic

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")
_PERCENTILES = (0.1, 99.9)
_SAMPLE = 2**22  # pixels that the percentiles are taken from; more change them by nothing


@dataclass(frozen=True, eq=False)
class Image:
    """One image.

    Attributes:
        pixels: (H, W, C) uint8, C = 1 (grey) or 3 (RGB).
        spacing: Millimetres per pixel along rows (downwards) and columns, where known.
        path: The file it came from, if any.
    """

    pixels: NDArray[np.uint8]
    spacing: tuple[float, float] | None = None
    path: Path | None = None


def image_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels, upright, from the header alone.

    Raises:
        DataError: The file cannot be read as an image.
    """
    return read_header(path).size


def read_image(path: Path | str, *, channels: int | None = None) -> Image:
    """Read an image file as uint8 pixels, by the rules at the head of this module.

    Args:
        path: PNG, JPEG, BMP, TIFF or NPY.
        channels: 1 for grey (ITU-R 601 luma of RGB), 3 for RGB, None for what is stored. Three
            equal channels count as RGB.

    Raises:
        DataError: The file is missing, empty, truncated, damaged, too large, or not an image.
    """
    path = Path(path)
    stored = decode(path)
    pixels = _to_bytes(stored.array)
    if stored.palette is not None:
        pixels = stored.palette[pixels]
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return Image(to_channels(pixels, channels or pixels.shape[2]), path=path)


def to_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """(H, W, 1 or 3) uint8 -> (H, W, channels) uint8; RGB becomes grey by its ITU-R 601 luma."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return np.asarray(Pillow.fromarray(pixels).convert("L"))[..., None]


def _to_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Any finite array -> uint8: bytes kept, bits spread, the rest stretched."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    step = max(1, int(np.sqrt(array.size / _SAMPLE)))
    low, high = np.percentile(array[::step, ::step].astype(np.float64), _PERCENTILES)
    if high <= low:  # nearly one value: fall back on the extremes
        low, high = float(array.min()), float(array.max())
    scale = 255.0 / (high - low) if high > low else 0.0
    bytes_ = np.empty(array.shape, np.uint8)
    for row, line in enumerate(array):  # row by row: no float copy of a large image
        bytes_[row] = np.rint(np.clip((line.astype(np.float64) - low) * scale, 0.0, 255.0))
    return bytes_


def read_mask(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a label image as the raw values it stores.

    Palette images give their indices (except a palette of pure black and white, whose order means
    nothing: it gives 0 and 255); RGB gives one channel if all three are equal.

    Returns:
        (H, W), uint8 or, where a value is above 255, uint16. Upright like its image.

    Raises:
        DataError: As ``read_image``; or the mask is coloured, or holds fractions, negative or
            too large values.
    """
    path = Path(path)
    array = _indices(decode(path))
    if array.ndim == 3:
        if (array != array[..., :1]).any():
            raise DataError(
                f"{path}: a mask in colours; save class numbers as a grey or palette PNG"
            )
        array = array[..., 0]
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise DataError(
            f"{path}: the mask holds fractions from {array.min():.3g} to {array.max():.3g}; "
            "threshold it and save class numbers"
        )
    low, high = array.min(), array.max()
    if low < 0 or high > 65535:
        raise DataError(f"{path}: mask values from {low} to {high}; wanted are class numbers")
    return array.astype(np.uint8) if high <= 255 else array.astype(np.uint16)


def _indices(stored: DecodedImage) -> NDArray[Any]:
    if stored.palette is None:
        return stored.array
    used = stored.palette[np.flatnonzero(np.bincount(stored.array.ravel(), minlength=256))]
    black_and_white = np.isin(used, (0, 255)).all() and (used == used[:, :1]).all()
    return stored.palette[stored.array][..., 0] if black_and_white else stored.array


def write_image(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (H, W), (H, W, 1) or (H, W, 3) uint8 pixels, whole or not at all.

    The suffix chooses the format: .png, .jpg (quality 95), .bmp, .tif or .npy.

    Raises:
        DataError: Another suffix, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise DataError(f"{path}: unknown image format; use {', '.join(IMAGE_SUFFIXES)}")
    with atomic(path) as temporary:
        if path.suffix.lower() == ".npy":
            np.save(temporary, pixels)
        else:
            flat = pixels[..., 0] if pixels.shape[2:] == (1,) else pixels
            Pillow.fromarray(flat).save(temporary, quality=95)  # only JPEG looks at it


def write_mask(path: Path, labels: NDArray[np.uint8], num_classes: int) -> None:
    """Write labels (H, W) uint8 in 0..num_classes-1 as a PNG, whole or not at all.

    Two classes become grey 0 and 255; more become palette indices, coloured by
    ``bmis.data.palette``, so that any viewer shows them apart and ``read_mask`` gives the class
    numbers back.

    Raises:
        DataError: The suffix is not .png, a label is too large, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise DataError(f"{path}: masks are written as PNG; name it {path.stem}.png")
    if labels.size and int(labels.max()) >= num_classes:
        raise DataError(f"{path}: label {labels.max()} does not fit {num_classes} classes")
    if num_classes == 2:
        image = Pillow.fromarray(labels * np.uint8(255))
    else:
        image = Pillow.fromarray(labels).convert("L")
        image.putpalette(palette(num_classes).tobytes())
    with atomic(path) as temporary:
        image.save(temporary)
