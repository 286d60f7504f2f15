"""Images that look the same: neighbouring frames, rescaled or recompressed copies.

Frames of one patient in two splits make scores too good. Small thumbnails are compared by their
correlation, after two steps without which all images of one kind look alike. First the mean of its
surroundings is subtracted from each pixel (slow shading). Then most of what is common to all
thumbnails is subtracted (the round frame of a fundus picture, the lungs of every chest X-ray).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.data.channels import to_grey

SIDE = 32
"""Height and width of a thumbnail in pixels."""
THRESHOLD = 0.85
"""Correlation from which two thumbnails count as similar.

On breast ultrasound with 139 known near-duplicate pairs it finds 127; on 566 chest X-rays of
different people none. Between 0.75 and 0.9 the counts hardly change.
"""
_REACH = 2  # radius of a pixel's surroundings, in pixels
_COMMON = 10  # number of images from which most of their mean is subtracted
_FLAT = 1.0  # local contrast in grey levels below which there is nothing to compare
_BLOCK = 1024  # rows of the correlation matrix held at a time


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrink an image (H, W, C) uint8 to (SIDE, SIDE) float32, 0 to 255, grey, aspect squashed.

    Example:
        >>> thumbnail(np.full((480, 640, 3), 90, np.uint8)).mean()
        np.float32(90.0)
    """
    grey = Pillow.fromarray(to_grey(pixels)[..., 0])
    return np.asarray(grey.resize((SIDE, SIDE), Pillow.Resampling.BOX), np.float32)


def similar_pairs(thumbnails: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Find the pairs of thumbnails whose details correlate by ``THRESHOLD`` or more.

    Args:
        thumbnails: (N, SIDE, SIDE) float32. One without any contrast is similar to no other.

    Returns:
        For each pair two positions, the first below the second, and their correlation.

    Example:
        >>> first, second = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE))
        >>> thumbnails = np.stack([first, second, 0.9 * first]).astype(np.float32)
        >>> [(i, j) for i, j, _ in similar_pairs(thumbnails)]
        [(0, 2)]
    """
    details = _details(thumbnails)
    pairs = []
    for start in range(0, len(details), _BLOCK):
        correlation = details[start : start + _BLOCK] @ details[start:].T
        for row, column in np.argwhere(np.triu(correlation, 1) >= THRESHOLD):
            pairs.append((start + int(row), start + int(column), float(correlation[row, column])))
    return pairs


def _details(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, SIDE * SIDE) float32 vectors of length 1, or 0 for flat images, for dot products."""
    size = 2 * _REACH + 1
    padded = np.pad(thumbnails, ((0, 0), (_REACH, _REACH), (_REACH, _REACH)), mode="edge")
    mean = np.zeros_like(thumbnails)
    for row in range(size):
        for column in range(size):
            mean += padded[:, row : row + SIDE, column : column + SIDE]
    mean /= np.float32(size**2)
    details = (thumbnails - mean).reshape(len(thumbnails), -1)
    details[details.std(axis=1) < _FLAT] = 0
    flat = ~details.any(axis=1)
    details = _unit(details)
    details = details - details.mean(axis=0) * np.float32(len(details) / (len(details) + _COMMON))
    details[flat] = 0
    return _unit(details)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
