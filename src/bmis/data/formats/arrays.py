"""Arrays as images: which shapes and numbers are one, and NPY files of them."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bmis.config import MAX_CHANNELS
from bmis.data.formats.limits import check_size
from bmis.errors import DataError
from bmis.wording import counted

MAGIC = b"\x93NUMPY"
_FEW = 4  # channels that an image of a few rows may have
_LARGEST = 1e100  # beyond it the difference of two values may not be a number


def check_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> tuple[int, int, int]:
    """Check that an array of this shape and type is an image, before it is read.

    Returns:
        Height, width and number of channels.

    Raises:
        DataError: It is no image, or too large for one.

    Example:
        >>> check_array(Path("a.npy"), (48, 64), np.uint8)
        (48, 64, 1)
    """
    kind = np.dtype(dtype)
    if kind.kind not in "buif":
        raise DataError(f"{path}: holds {kind}; save integers, floats or bool")
    channels = shape[2] if len(shape) == 3 else 1
    turned = channels > _FEW and shape[0] < channels  # channels first, not last
    if len(shape) not in (2, 3) or not 1 <= channels <= MAX_CHANNELS or turned:
        raise DataError(
            f"{path}: array of shape {shape}; save it as (H, W) or (H, W, C) with 1 to "
            f"{MAX_CHANNELS} channels"
        )
    check_size(path, shape[0], shape[1], channels * kind.itemsize)
    return shape[0], shape[1], channels


def map_npy(path: Path) -> NDArray[Any]:
    """Open an NPY file without reading its values.

    Raises:
        DataError: It is damaged, holds Python objects, or is no image.

    Example:
        >>> np.save("a.npy", np.zeros((48, 64), np.uint8))
        >>> map_npy(Path("a.npy")).shape
        (48, 64)
    """
    try:
        array = cast(NDArray[Any], np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError as error:
        if "allow_pickle" in str(error) or "object" in str(error).lower():
            raise DataError(
                f"{path}: holds Python objects, which are not read because they can run code; "
                "save a plain array with numpy.save"
            ) from error
        raise
    check_array(path, array.shape, array.dtype)
    return array


def check_finite(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    """The same array, if all its values are numbers that can be scaled.

    Raises:
        DataError: Values are NaN, infinite, or beyond 1e100.

    Example:
        >>> check_finite(Path("a.npy"), np.array([[0.5, np.inf]]))
        Traceback (most recent call last):
        bmis.errors.DataError: a.npy: holds NaN or infinity (1 value); replace them before saving
    """
    if array.dtype.kind != "f":
        return array
    largest = min(_LARGEST, float(np.finfo(array.dtype).max))
    good = np.abs(array) <= largest  # never true of NaN
    if not good.all():
        raise DataError(
            f"{path}: holds NaN or infinity ({counted(int(array.size - good.sum()), 'value')}); "
            "replace them before saving"
        )
    return array
