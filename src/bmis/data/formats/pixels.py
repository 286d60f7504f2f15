"""Pictures that Pillow has decoded, as arrays of the values that their files store."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile

from bmis.data.formats.gif import without_palette

COLOUR_MODES = ("RGB", "RGBA", "RGBX")
"""Modes of Pillow with three channels of eight bits, and a fourth that is no colour."""
_LOSSY_NOISE = 24  # difference between channels that lossy compression makes of grey


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image as its file stores it, but upright.

    Attributes:
        array: (H, W) or (H, W, C) of any type, without alpha. Palette indices are kept, except
            those of GIF.
        palette: (256, 3) uint8 colours if ``array`` holds indices into them.
        alpha: (H, W) uint8 transparency of an image with eight bits a channel, if it has one.
        lossy: Whether the file is a JPEG or lossy WEBP, so that values are not exact.

    Example:
        >>> DecodedImage(np.zeros((4, 6), np.uint16)).palette is None
        True
    """

    array: NDArray[Any]
    palette: NDArray[np.uint8] | None = None
    alpha: NDArray[np.uint8] | None = None
    lossy: bool = False

    @property
    def mask_in_alpha(self) -> NDArray[np.uint8] | None:
        """The transparency where the colours are one alone, so that only it can show anything."""
        one_colour = self.alpha is not None and (self.array == self.array[:1, :1]).all()
        return self.alpha if one_colour else None

    @property
    def lossy_grey(self) -> NDArray[np.uint8] | None:
        """The greys (H, W) of a lossy image in RGB that shows no colour but noise."""
        array = self.array
        if not self.lossy or array.ndim != 3:
            return None
        noise = int((array.max(axis=2) - array.min(axis=2)).max())
        return np.asarray(array[..., 1], np.uint8) if noise <= _LOSSY_NOISE else None


def pixels_of(image: ImageFile) -> DecodedImage:
    """The values of a picture that Pillow has decoded.

    Example:
        >>> from PIL.PngImagePlugin import PngImageFile
        >>> with PngImageFile("photo.png") as image:
        ...     pixels_of(image).array.shape
        (64, 64, 3)
    """
    if image.mode == "P" and isinstance(image, GifImageFile):
        return DecodedImage(np.array(without_palette(image)))
    if image.mode == "P":
        colours = np.zeros((256, 3), np.uint8)
        table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        colours[: len(table)] = table
        return DecodedImage(np.array(image), colours)
    if image.mode in ("1", "L", "RGB", "I", "F") or image.mode.startswith("I;16"):
        return DecodedImage(np.array(image))
    array = np.array(image)
    if image.mode in ("LA", "La"):
        return DecodedImage(array[..., 0], alpha=array[..., 1])
    if image.mode in COLOUR_MODES:
        alpha = array[..., 3] if image.mode == "RGBA" else None
        return DecodedImage(array[..., :3], alpha=alpha)
    return DecodedImage(np.array(image.convert("RGB")))  # CMYK, YCbCr, LAB, PA
