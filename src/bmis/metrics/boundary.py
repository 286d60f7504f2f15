"""Distances between the outlines of two masks.

The surface of a mask is what an erosion by the 4-neighbourhood takes away; beyond the image there
is background, so a mask that touches the image border has surface there (as in medpy and MONAI).
Distances run between pixel centres. The statistics are taken over the distances of both surfaces
POOLED into one list: a long outline weighs more than a short one.
"""

import numpy as np
from numpy.typing import NDArray

from bmis.metrics.nearest import FloatArray, IntArray, nearest_distances

BoolArray = NDArray[np.bool_]


def surface(mask: BoolArray) -> BoolArray:
    """The pixels of ``mask`` (H, W) with a 4-neighbour outside it or outside the image."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inner


def surface_distances(
    prediction: BoolArray, truth: BoolArray, spacing: tuple[float, float] | None = None
) -> tuple[FloatArray, FloatArray]:
    """How far each surface pixel of one mask is from the nearest surface pixel of the other.

    Args:
        prediction: (H, W), not empty.
        truth: (H, W), not empty.
        spacing: Millimetres per pixel along rows and columns; None counts in pixels.

    Returns:
        The distances from the prediction's surface to the truth's, and the other way.
    """
    return nearest_distances(_points(prediction), _points(truth), spacing or (1.0, 1.0))


def boundary_metrics(
    prediction: BoolArray,
    truth: BoolArray,
    spacing: tuple[float, float] | None,
    tolerance: float,
) -> dict[str, float]:
    """HD95, ASSD and NSD of two masks (H, W) that are both not empty.

    HD95 is the 95th percentile of the pooled distances (linear interpolation), ASSD their mean,
    NSD the share of them that is at most ``tolerance`` (in the unit of ``spacing``).
    """
    pooled = np.concatenate(surface_distances(prediction, truth, spacing))
    return {
        "hd95": float(np.percentile(pooled, 95)),
        "assd": float(pooled.mean()),
        # a distance of exactly the tolerance is inside it, whatever the last bit of the root says
        "nsd": float(np.mean(pooled <= tolerance * (1 + 1e-9))),
    }


def _points(mask: BoolArray) -> IntArray:
    """The surface of a mask as (N, 2) rows and columns."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = rows[0], columns[0]
    # beyond its bounding box a mask is background, so the cut moves no surface
    box = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    points: IntArray = np.argwhere(surface(box)) + np.array([top, left])
    return points
