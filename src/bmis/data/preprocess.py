"""From an image to the input of a network, and from its scores back to the image's own size.

Training and prediction share this code. Pixel centres lie at half-integers throughout, so image,
labels and restored scores stay aligned.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.config import InputSpec
from bmis.errors import DataError

_BLOCK = 2**19  # scores that restore() interpolates at a time, so that they stay in the cache


@dataclass(frozen=True)
class Placement:
    """Where an image lies inside the network's frame.

    Attributes:
        size: Height and width of the original image in pixels.
        box: (top, left, height, width) of the image inside the frame, in frame pixels.

    Example:
        >>> place((480, 640), InputSpec((256, 256), resize="letterbox"))
        Placement(size=(480, 640), box=(32, 0, 192, 256))
    """

    size: tuple[int, int]
    box: tuple[int, int, int, int]


def fit(pixels: NDArray[np.uint8], spec: InputSpec) -> tuple[NDArray[np.uint8], Placement]:
    """Bring an image to the network's frame.

    "squash" scales to ``spec.size`` and ignores the aspect. "letterbox" keeps the aspect and
    centres the image on black. "native" keeps the pixels and pads smaller images with black at the
    bottom and right up to ``spec.size``. Scaling is bilinear and antialiased.

    Args:
        pixels: (H, W, C) uint8 with C = ``spec.channels``.
        spec: Size and resize rule.

    Returns:
        Pixels of the frame, (h, w, C) uint8, and the place of the image in it.

    Raises:
        DataError: The image has another number of channels.

    Example:
        >>> pixels = np.full((480, 640, 3), 255, np.uint8)
        >>> fitted, placement = fit(pixels, InputSpec((256, 256), resize="letterbox"))
        >>> fitted.shape, placement.box
        ((256, 256, 3), (32, 0, 192, 256))
    """
    if pixels.ndim != 3 or pixels.shape[2] != spec.channels:
        raise DataError(
            f"expected pixels of shape (H, W, {spec.channels}), got {pixels.shape}; "
            f"read the image with channels={spec.channels}"
        )
    placement = place((pixels.shape[0], pixels.shape[1]), spec)
    return _put(pixels, placement, spec, Pillow.Resampling.BILINEAR), placement


def fit_labels(labels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """Bring labels (H, W) uint8 to the frame of ``fit`` by nearest neighbour, padded with 0.

    Example:
        >>> fit_labels(np.ones((480, 640), np.uint8), InputSpec((256, 256))).shape
        (256, 256)
    """
    placement = place((labels.shape[0], labels.shape[1]), spec)
    return _put(labels[..., None], placement, spec, Pillow.Resampling.NEAREST)[..., 0]


def place(size: tuple[int, int], spec: InputSpec) -> Placement:
    """Where ``fit`` puts an image of this height and width.

    Example:
        >>> place((480, 640), InputSpec((256, 256), resize="squash")).box
        (0, 0, 256, 256)
    """
    if spec.resize == "native":
        return Placement(size, (0, 0, *size))
    if spec.resize == "squash":
        return Placement(size, (0, 0, *spec.size))
    scale = min(frame / side for frame, side in zip(spec.size, size, strict=True))
    height, width = (
        min(frame, max(1, round(side * scale))) for frame, side in zip(spec.size, size, strict=True)
    )
    top, left = (spec.size[0] - height) // 2, (spec.size[1] - width) // 2
    return Placement(size, (top, left, height, width))


def _put(
    pixels: NDArray[np.uint8],
    placement: Placement,
    spec: InputSpec,
    resampling: Pillow.Resampling,
) -> NDArray[np.uint8]:
    top, left, height, width = placement.box
    if (height, width) != placement.size:
        # three at once; Pillow takes two or four for transparency, and knows no other numbers
        planes = [pixels] if pixels.shape[2] == 3 else np.moveaxis(pixels, 2, 0)
        scaled = [_scale(plane, (width, height), resampling) for plane in planes]
        pixels = scaled[0] if pixels.shape[2] == 3 else np.stack(scaled, axis=2)
    frame = (max(spec.size[0], top + height), max(spec.size[1], left + width))
    if frame == (height, width):
        return np.ascontiguousarray(pixels)
    padded = np.zeros((*frame, pixels.shape[2]), np.uint8)
    padded[top : top + height, left : left + width] = pixels
    return padded


def _scale(
    plane: NDArray[np.uint8], size: tuple[int, int], resampling: Pillow.Resampling
) -> NDArray[np.uint8]:
    return np.asarray(Pillow.fromarray(np.ascontiguousarray(plane)).resize(size, resampling))


def normalise(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Convert pixels (h, w, C) uint8 to (C, h, w) float32, (x / 255 - mean) / std per channel.

    Example:
        >>> spec = InputSpec((8, 8), channels=1, mean=(0.5,), std=(0.5,))
        >>> normalise(np.full((8, 8, 1), 255, np.uint8), spec)[0, 0, 0].round(4)
        np.float32(1.0)
    """
    mean, std = (np.array(part, np.float64)[:, None, None] for part in (spec.mean, spec.std))
    planes = pixels.transpose(2, 0, 1).astype(np.float32)
    planes *= (1 / (255 * std)).astype(np.float32)
    planes -= (mean / std).astype(np.float32)
    return planes


def restore(scores: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Bring scores from the network's frame back to the image's own size.

    Padding is cut off. The rest is interpolated bilinearly between pixel centres without
    antialiasing, like torch's ``interpolate(..., align_corners=False)``. This needs little memory
    beyond the result.

    Args:
        scores: (K, h, w) float32 scores of the frame.
        placement: Place of the image in the frame, as ``fit`` returns it.

    Returns:
        (K, H, W) float32 scores of the image.

    Raises:
        DataError: The scores are smaller than the image's box in the frame.

    Example:
        >>> placement = place((480, 640), InputSpec((256, 256), resize="letterbox"))
        >>> restore(np.zeros((2, 256, 256), np.float32), placement).shape
        (2, 480, 640)
    """
    top, left, height, width = placement.box
    if scores.ndim != 3 or scores.shape[1] < top + height or scores.shape[2] < left + width:
        raise DataError(
            f"scores of shape {scores.shape} do not cover the image's box {placement.box}"
        )
    inside = scores[:, top : top + height, left : left + width]
    if (height, width) == placement.size:
        return np.ascontiguousarray(inside, dtype=np.float32)
    above, below, down = _neighbours(height, placement.size[0])
    before, after, right = _neighbours(width, placement.size[1])
    restored = np.empty((len(scores), *placement.size), np.float32)
    step = max(1, _BLOCK // placement.size[1])
    for plane, target in zip(inside, restored, strict=True):
        nearer = plane[:, before]  # columns first, while there are few rows
        wide = nearer + (plane[:, after] - nearer) * right
        for start in range(0, len(above), step):
            rows = slice(start, start + step)
            upper = wide[above[rows]]
            lines = np.subtract(wide[below[rows]], upper, out=target[rows])
            lines *= down[rows, None]
            lines += upper
    return restored


def _neighbours(
    have: int, want: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of ``want`` positions: the two source indices and the weight of the second."""
    centres = np.clip((np.arange(want) + 0.5) * (have / want) - 0.5, 0, have - 1)
    first = centres.astype(np.intp)
    return first, np.minimum(first + 1, have - 1), (centres - first).astype(np.float32)
