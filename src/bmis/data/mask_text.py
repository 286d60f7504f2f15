"""A small label image as text, as records and run folders keep predicted masks for their pages."""

import base64
import binascii
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.errors import DataError

_LONGEST = 256  # pixels along the longer side of what is written
_LARGEST = 2 * _LONGEST  # pixels a side of what is read
_LARGEST_TEXT = 2**20  # letters of base64


def encode_mask(labels: NDArray[np.uint8]) -> str:
    """A label image as PNG in base64, with 256 pixels along the longer side at most.

    Args:
        labels: (H, W), values 0..K-1, which stay as they are.

    Example:
        >>> text = encode_mask(np.ones((600, 300), np.uint8))
        >>> read_mask_text(text).shape
        (256, 128)
    """
    picture = Pillow.fromarray(labels)
    picture.thumbnail((_LONGEST, _LONGEST), Pillow.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "PNG")  # optimised, noise takes ten times as long
    return base64.b64encode(stream.getvalue()).decode("ascii")


def read_mask_text(text: str) -> NDArray[np.uint8]:
    """Labels (H, W) uint8 from a PNG in base64, as ``encode_mask`` makes it.

    Raises:
        DataError: It is no PNG of labels, or larger than 512 pixels a side.

    Example:
        >>> read_mask_text(encode_mask(np.zeros((24, 32), np.uint8))).shape
        (24, 32)
    """
    if not isinstance(text, str) or len(text) > _LARGEST_TEXT:
        raise DataError("a mask in a record is no text, or too long for one")
    try:
        data = base64.b64decode(text, validate=True)
        with Pillow.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if max(picture.size) > _LARGEST:
                raise DataError(f"a mask of {picture.width} x {picture.height} pixels in a record")
            if picture.mode not in ("L", "P", "1"):
                raise DataError(f"a mask of mode {picture.mode} in a record; labels are grey")
            return np.asarray(picture).astype(np.uint8)
    except (binascii.Error, OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as e:
        raise DataError(f"a mask in a record is no PNG ({' '.join(str(e).split())})") from e
