"""Images from whatever a user may give: paths, NumPy arrays, tensors."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.channels import COLOUR
from bmis.data.images import Image, read_image
from bmis.errors import DataError

_WANTED = (
    "pixels (H, W), (H, W, C) or (C, H, W) with the channels of the network, 1 or 3, RGB where in "
    "colour, uint8 or floats in 0..1"
)


def to_image(image: Any, channels: int | None = None) -> Image:
    """Read an image from whatever a user may give.

    Args:
        image: An ``Image``, the path of a file, or an array of ``image_from_array``.
        channels: Number of channels that are wanted. Grey and RGB stay as they are, whatever is
            wanted.

    Raises:
        DataError: The file or the array is not an image.

    Example:
        >>> to_image("photo.png").pixels.shape, to_image(np.zeros((8, 9))).pixels.shape
        ((64, 64, 3), (8, 9, 1))
    """
    if isinstance(image, Image):
        return image
    if isinstance(image, Path | str):
        return read_image(Path(image), channels=None if channels in COLOUR else channels)
    return image_from_array(image, channels)


def image_from_array(array: Any, channels: int | None = None) -> Image:
    """Make an image of an array or tensor.

    The rule: an array of two axes is grey. Of three axes the last holds the channels where it has
    length 1 or 3 or the one that is wanted, otherwise the first. Values are uint8, or floats in
    0..1 (0 is black), or bool.

    Args:
        array: (H, W), (H, W, C) or (C, H, W), C = 1 or 3 or ``channels``. A tensor must lie on the
            CPU.
        channels: Number of channels that are wanted.

    Raises:
        DataError: The array has another shape, type or range, or no pixels.

    Example:
        >>> image_from_array(np.full((3, 48, 64), 0.5)).pixels.shape
        (48, 64, 3)
    """
    try:
        values = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{type(array).__name__} is no array ({reason}); give {_WANTED}; a tensor as "
            "tensor.detach().cpu()"
        ) from error
    pixels = np.ascontiguousarray(_as_bytes(_channels_last(values, {*COLOUR, channels})))
    if not pixels.size:
        raise DataError(f"expected an image, got {values.shape} without a pixel")
    return Image(pixels)


def _channels_last(values: NDArray[Any], known: Collection[int | None]) -> NDArray[Any]:
    if values.ndim == 2:
        return values[..., None]
    if values.ndim == 3 and values.shape[2] in known:
        return values
    if values.ndim == 3 and values.shape[0] in known:
        return np.moveaxis(values, 0, 2)
    raise DataError(
        f"expected {_WANTED}, got shape {values.shape}; give one image at a time, without alpha"
    )


def _as_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(values.dtype, np.floating):
        raise DataError(
            f"expected {_WANTED}, got {values.dtype}; read the file with bmis.read_image, which "
            "converts"
        )
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # not-a-numbers fail too
        raise DataError(
            f"expected floats in 0..1, got {values.min():g} to {values.max():g}; divide by the "
            "largest value that a pixel can have"
        )
    scaled: NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
    return scaled
