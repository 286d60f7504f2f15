"""Distances between the outlines of two masks.

The surface of a mask is what an erosion by the 4-neighbourhood removes. Beyond the image there is
background, so a mask that touches the image border has surface there (as in medpy and MONAI).
Distances run between pixel centres. The statistics are taken over the distances of both surfaces
POOLED into one list, so a long outline has more weight than a short one.
"""

import numpy as np
from numpy.typing import NDArray

from bmis.metrics.nearest import FloatArray, IntArray, nearest_distances

BoolArray = NDArray[np.bool_]


def surface(mask: BoolArray) -> BoolArray:
    """Find the pixels of ``mask`` (H, W) with a 4-neighbour outside it or outside the image.

    Example:
        >>> surface(np.ones((3, 4), bool)).astype(int)
        array([[1, 1, 1, 1],
               [1, 0, 0, 1],
               [1, 1, 1, 1]])
    """
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inner


def surface_distances(
    prediction: BoolArray, truth: BoolArray, spacing: tuple[float, float] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Measure how far each surface pixel of one mask is from the surface of the other.

    Args:
        prediction: (H, W) mask, not empty.
        truth: (H, W) mask, not empty.
        spacing: Millimetres per pixel along rows and columns. None measures in pixels.

    Returns:
        Distances from the prediction's surface to the truth's, and from the truth's to the
        prediction's.

    Example:
        >>> one, other = np.zeros((2, 5, 5), bool)
        >>> one[0, 0] = other[3, 4] = True
        >>> surface_distances(one, other)
        (array([5.]), array([5.]))
    """
    return nearest_distances(_points(prediction), _points(truth), spacing or (1.0, 1.0))


def boundary_metrics(
    prediction: BoolArray,
    truth: BoolArray,
    spacing: tuple[float, float] | None,
    tolerance: float,
) -> dict[str, float]:
    """HD95, ASSD and NSD of two masks (H, W) that are both not empty.

    HD95 is the 95th percentile of the pooled distances (linear interpolation), ASSD is their mean,
    and NSD is the share of them that is at most ``tolerance``, in the unit of ``spacing``.

    Example:
        >>> one, other = np.zeros((2, 5, 5), bool)
        >>> one[0, 0] = other[3, 4] = True
        >>> boundary_metrics(one, other, spacing=(0.5, 0.5), tolerance=2.0)
        {'hd95': 2.5, 'assd': 2.5, 'nsd': 0.0}
    """
    pooled = np.concatenate(surface_distances(prediction, truth, spacing))
    return {
        "hd95": float(np.percentile(pooled, 95)),
        "assd": float(pooled.mean()),
        # a distance equal to the tolerance counts as inside, whatever the last bit of the root is
        "nsd": float(np.mean(pooled <= tolerance * (1 + 1e-9))),
    }


def _points(mask: BoolArray) -> IntArray:
    """The surface of a mask as (N, 2) rows and columns."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = rows[0], columns[0]
    # outside its bounding box a mask is background, so the crop changes no surface
    box = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    points: IntArray = np.argwhere(surface(box)) + np.array([top, left])
    return points
