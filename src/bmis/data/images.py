"""Images and masks, read from files and written to them.

Whatever a file stores, an image becomes uint8 with one channel (grey), three (RGB) or others:

- 8-bit pixels are kept. 1-bit and bool pixels become 0 and 255.
- 16-bit, 32-bit and float pixels are stretched for each image: its 0.1th percentile becomes 0, its
  99.9th 255, and values outside are clipped. Red, green and blue share the two percentiles; other
  channels, such as those of a microscope, have two each.
  (PNG files in colour with 16 bits per channel keep their upper eight bits.)
- Alpha is dropped, not blended. Palettes are expanded. CMYK and the like become RGB.
- The EXIF orientation is applied to images and masks.

Resolution tags of PNG, JPEG and TIFF are not read, because most claim 72 dpi whatever the pixels
are. The pixel spacing comes from ``dataset.yaml``.
"""

import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.data.channels import to_channels
from bmis.data.formats.channel_pages import decode_channels, read_header_of_channels
from bmis.data.formats.inside import is_clinical, read_inside, read_inside_labels
from bmis.data.formats.pixels import DecodedImage
from bmis.data.formats.raster import decode
from bmis.data.formats.stretch import to_bytes
from bmis.data.palette import palette
from bmis.errors import DataError
from bmis.system.files import atomic
from bmis.wording import counted

_WRITTEN = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")


@dataclass(frozen=True, eq=False)
class Image:
    """One image.

    Attributes:
        pixels: (H, W, C) uint8, C = 1 (grey), 3 (RGB) or the number of other channels.
        spacing: Millimetres per pixel along rows (downwards) and columns, where known.
        path: File that the image was read from, if any.

    Example:
        >>> image = Image(np.zeros((480, 640, 3), np.uint8), spacing=(0.1, 0.1))
        >>> image.pixels.shape
        (480, 640, 3)
    """

    pixels: NDArray[np.uint8]
    spacing: tuple[float, float] | None = None
    path: Path | None = None


def image_size(path: Path, *, channels: int | None = None) -> tuple[int, int]:
    """Height and width of the upright image in pixels, from the header alone.

    Args:
        path: File of the image.
        channels: See ``read_image``.

    Raises:
        DataError: The file cannot be read as an image.

    Example:
        >>> image_size(Path("photo.png"))
        (64, 64)
    """
    return read_header_of_channels(path, channels).size


def read_image(path: Path | str, *, channels: int | None = None) -> Image:
    """Read an image file as uint8 pixels, by the rules at the top of this module.

    Args:
        path: PNG, JPEG, BMP, TIFF, GIF, WEBP, NPY, DICOM or NIfTI file of one picture, or a
            picture inside such a file, see ``bmis.data.formats.inside``.
        channels: 1 for grey (ITU-R 601 luma of RGB), 3 for RGB, another number for a file that
            has as many, None for what is stored. Three equal channels count as RGB. A file of as
            many grey pictures (pages) as there are channels is read as one image.

    Raises:
        DataError: The file is missing, empty, truncated, damaged, too large, not an image,
            or has other channels.

    Example:
        >>> read_image("photo.png").pixels.shape
        (64, 64, 3)
        >>> read_image("photo.png", channels=1).pixels.shape
        (64, 64, 1)
    """
    path = Path(path)
    pixels = read_inside(path) if is_clinical(path) else _read_pixels(path, channels)
    try:
        return Image(to_channels(pixels, channels or pixels.shape[2]), path=path)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _read_pixels(path: Path, channels: int | None) -> NDArray[np.uint8]:
    """The pixels (H, W, C) of a file of pictures as uint8."""
    decoded = decode_channels(path, channels)
    pixels = to_bytes(decoded.array)
    if decoded.palette is not None:
        pixels = decoded.palette[pixels]
    return pixels[..., None] if pixels.ndim == 2 else pixels


def read_mask(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a label image as the raw values that it stores.

    Palette images give their indices. Only a palette of pure black and white gives 0 and 255,
    because the order of its colours means nothing. RGB gives one channel if all three are equal.

    Returns:
        (H, W) uint8, or uint16 if a value is above 255. Upright like its image.

    Raises:
        DataError: The file cannot be read, is coloured, holds fractions, negative or too large
            values, or is of one colour with a transparency that varies.

    Example:
        >>> np.unique(read_mask(Path("polyps/masks/endoscopy_0001.png")))
        array([  0, 255], dtype=uint8)
    """
    path = Path(path)
    return _small(path, read_inside_labels(path) if is_clinical(path) else _read_labels(path))


def _read_labels(path: Path) -> NDArray[Any]:
    """The values (H, W) that a label image stores."""
    decoded = decode(path)
    alpha = decoded.mask_in_alpha
    if alpha is not None and alpha.min() < 255:
        raise DataError(
            f"{path}: one colour alone, so the mask lies in the transparency (alpha); "
            "`bmis import` reads it from there"
        )
    array = _indices(decoded) if decoded.lossy_grey is None else decoded.lossy_grey
    if array.ndim == 3:
        if (array != array[..., :1]).any():
            raise DataError(
                f"{path}: a mask in colours; save class numbers as a grey or palette PNG, or let "
                "`bmis import` give each colour a class"
            )
        array = array[..., 0]
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise DataError(
            f"{path}: the mask holds fractions from {array.min():.3g} to {array.max():.3g}; "
            "threshold it and save class numbers, or let `bmis import` do it"
        )
    return array


def _small(path: Path, array: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The same values as uint8, or uint16 if there are larger ones."""
    low, high = array.min(), array.max()
    if low < 0 or high > 65535:
        raise DataError(f"{path}: mask values from {low} to {high}; save class numbers 0, 1, 2 ...")
    return array.astype(np.uint8) if high <= 255 else array.astype(np.uint16)


def _indices(decoded: DecodedImage) -> NDArray[Any]:
    if decoded.palette is None:
        return decoded.array
    used = decoded.palette[np.flatnonzero(np.bincount(decoded.array.ravel(), minlength=256))]
    black_and_white = np.isin(used, (0, 255)).all() and (used == used[:, :1]).all()
    return decoded.palette[decoded.array][..., 0] if black_and_white else decoded.array


def write_image(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write (H, W), (H, W, 1) or (H, W, 3) uint8 pixels, whole or not at all.

    The suffix chooses the format: .png, .jpg (quality 95), .bmp, .tif or .npy.

    Raises:
        DataError: The suffix is another one, or the file cannot be written.

    Example:
        >>> write_image(Path("grey.png"), np.full((40, 60), 128, np.uint8))
        >>> read_image("grey.png").pixels.shape
        (40, 60, 1)
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITTEN:
        raise DataError(f"{path}: not a format that is written; use {', '.join(_WRITTEN)}")
    with atomic(path) as temporary:
        if path.suffix.lower() == ".npy":
            np.save(temporary, pixels)
        else:
            flat = pixels[..., 0] if pixels.shape[2:] == (1,) else pixels
            Pillow.fromarray(flat).save(temporary, quality=95)  # only JPEG has a quality


def write_mask(path: Path, labels: NDArray[np.uint8], num_classes: int) -> None:
    """Write labels (H, W) uint8 in 0..num_classes-1 as a PNG, whole or not at all.

    Two classes become grey 0 and 255. More become palette indices with the colours of
    ``bmis.data.palette``, so that every viewer shows them apart and ``read_mask`` returns the class
    numbers.

    Raises:
        DataError: The suffix is not .png, a label is too large, or the file cannot be written.

    Example:
        >>> labels = np.array([[0, 1, 2]], np.uint8)
        >>> write_mask(Path("mask.png"), labels, num_classes=3)
        >>> read_mask(Path("mask.png"))
        array([[0, 1, 2]], dtype=uint8)
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise DataError(f"{path}: masks are written as PNG; name it {path.stem}.png")
    if labels.size and int(labels.max()) >= num_classes:
        raise DataError(
            f"{path}: label {labels.max()} does not fit {counted(num_classes, 'class')}"
        )
    with atomic(path) as temporary:
        temporary.write_bytes(encode_mask(labels, num_classes))


def encode_mask(labels: NDArray[np.uint8], num_classes: int) -> bytes:
    """The bytes that ``write_mask`` writes.

    Example:
        >>> encode_mask(np.array([[0, 1, 2]], np.uint8), num_classes=3)[1:4]
        b'PNG'
    """
    if num_classes == 2:
        image = Pillow.fromarray(labels * np.uint8(255))
    else:
        image = Pillow.fromarray(labels).convert("L")
        image.putpalette(palette(num_classes).tobytes())
    stream = BytesIO()  # masks are runs of equal pixels: smaller, in half the time
    image.save(stream, "PNG", compress_type=zlib.Z_RLE)
    return stream.getvalue()
