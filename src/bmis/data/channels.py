"""The channels of pixels: grey (1), RGB (3), or as many as a microscope or scanner gives."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.errors import DataError
from bmis.wording import counted

COLOUR = (1, 3)
"""Numbers of channels that become each other: grey and RGB."""
_COLOURED = 24  # difference between channels that is too large for JPEG noise
_MARKS = 0.02  # largest share of the pixels in burnt-in marks


def to_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Convert pixels (H, W, C) uint8 between grey and RGB; other channels must be as wanted.

    Raises:
        DataError: The pixels have another number of channels.

    Example:
        >>> red = np.array([[[255, 0, 0]]], np.uint8)
        >>> to_channels(red, 1)
        array([[[76]]], dtype=uint8)
        >>> to_channels(red, 5)
        Traceback (most recent call last):
        bmis.errors.DataError: has 3 channels, and 5 are wanted; give images with the channels of...
    """
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if (have, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=2)
    if (have, channels) == (3, 1):
        return np.asarray(Pillow.fromarray(pixels).convert("L"))[..., None]
    raise DataError(
        f"has {counted(have, 'channel')}, and {channels} {'is' if channels == 1 else 'are'} "
        "wanted; give images with the channels of the training"
    )


def to_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a grey picture (H, W, 1) of pixels (H, W, C) uint8, to be compared with others.

    Grey stays, RGB becomes its luma, and other channels their mean.

    Example:
        >>> to_grey(np.array([[[0, 100]]], np.uint8))
        array([[[50]]], dtype=uint8)
    """
    if pixels.shape[2] in (1, 3):
        return to_channels(pixels, 1)
    grey: NDArray[np.uint8] = np.rint(pixels.mean(axis=2, keepdims=True)).astype(np.uint8)
    return grey


def to_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make a picture (H, W, 3) that can be shown of pixels (H, W, C) uint8.

    The first three channels are red, green and blue. Two channels are shown as their mean.

    Example:
        >>> to_rgb(np.array([[[10, 20, 30, 40]]], np.uint8))
        array([[[10, 20, 30]]], dtype=uint8)
    """
    if pixels.shape[2] < 3:
        return to_channels(to_grey(pixels), 3)
    return np.ascontiguousarray(pixels[..., :3])


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether pixels (H, W, C) uint8 show no colour, apart from noise and small marks.

    Example:
        >>> is_grey(np.full((8, 8, 3), 90, np.uint8))
        True
    """
    if pixels.shape[2] != 3:
        return bool(pixels.shape[2] == 1)
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    return bool((spread > _COLOURED).mean() <= _MARKS)
