"""Does an image look like those that a network was trained on?

Nineteen simple statistics of an image (grey levels, colour, symmetry, detail at four scales) are
compared with those of training images: the distance to the nearest of them, in units of their own
scatter (Mahalanobis 1936; nearest neighbours as in Sun et al., ICML 2022, there on a network's
features). It is not asked whether the network is right: an image may look familiar and be judged
wrongly. What it tells apart, and how often it gives false alarm, stands in the model card.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.config import OodReference
from bmis.data.images import to_channels

LEAST = 10  # training images, below which nothing can be said
_EXAMPLES = 512  # training images kept at most; with fewer, more foreign images pass
_QUANTILE = 0.99  # of the training images lie below the limit
_MARGIN = 2.0  # over the root of their number: few images show little of what occurs
_SHRINKAGE = 0.1  # of the correlations towards none
_FLOOR = 0.05  # of a statistic's scatter: what never varied may still vary a little
_COARSE, _FINE = 64, 256  # pixels a side that the statistics are taken at
_LEAST_CHROMA, _LEAST_DETAIL = 0.02, 1e-3  # below, logarithms would tell of noise
_QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R 601


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The statistics of an image (H, W, 1 or 3) uint8, in the colours that it is stored in."""
    image = Pillow.fromarray(to_channels(pixels, 3))
    colours = _shrunk(image, _COARSE)
    luma = colours @ _LUMA
    detail = _shrunk(image.convert("L"), _FINE)
    return np.array(
        [
            *np.quantile(luma, _QUANTILES),
            *_chroma(colours, luma),
            *_symmetry(luma),
            *_octaves(detail),
        ],
        np.float64,
    )


def fit_ood_reference(statistics: Sequence[NDArray[np.float64]]) -> OodReference | None:
    """Learn from the statistics of training images; None from fewer than ``LEAST``."""
    if len(statistics) < LEAST:
        return None
    values = np.stack(statistics)
    number, width = values.shape
    mean, scatter = values.mean(0), np.maximum(values.std(0), _FLOOR)
    whitened = (values - mean) / scatter
    related = (1 - _SHRINKAGE) * np.cov(whitened.T) + _SHRINKAGE * np.eye(width)
    strengths, directions = np.linalg.eigh(related)
    transform = directions / np.sqrt(strengths) / scatter[:, None]
    places = (values - mean) @ transform
    chosen = np.random.default_rng(0).permutation(number)[:_EXAMPLES]
    distances = _distances(places, places[chosen])
    distances[chosen, np.arange(len(chosen))] = np.inf  # an example is not its own neighbour
    limit = np.quantile(distances.min(1), _QUANTILE) * (1 + _MARGIN / np.sqrt(number))
    return OodReference(
        mean=_plain(mean),
        transform=tuple(map(_plain, transform)),
        examples=tuple(map(_plain, places[chosen])),
        limit=_plain(limit[None])[0],
    )


class OodDetector:
    """Tells from the statistics of an image how far it is from the training images.

    Args:
        known: What was learnt of them.
    """

    def __init__(self, known: OodReference) -> None:
        self._limit = known.limit  # arrays are made here once: for each image it would take long
        self._mean, self._transform, self._examples = (
            np.asarray(values) for values in (known.mean, known.transform, known.examples)
        )

    def __call__(self, statistics: NDArray[np.float64]) -> float:
        """The ood_score: above 1 the image looks like none of them."""
        place = (statistics - self._mean) @ self._transform
        return float(_distances(place[None], self._examples).min() / self._limit)


def _shrunk(image: Pillow.Image, side: int) -> NDArray[np.float32]:
    """The image squashed to a square, on the scale 0..1."""
    small = image.resize((side, side), Pillow.Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)


def _chroma(colours: NDArray[np.float32], luma: NDArray[np.float32]) -> tuple[float, ...]:
    """Tint, strength and variety of the colours; logarithms, to tell little from none."""
    red, green, blue = (colours[..., channel] for channel in range(3))
    strength = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    sizes = (strength.mean(), strength.std(), (red - blue).std())
    tint = (red - luma).mean(), (blue - luma).mean()
    return (*map(float, tint), *(float(np.log(size + _LEAST_CHROMA)) for size in sizes))


def _symmetry(luma: NDArray[np.float32]) -> tuple[float, float, float]:
    """Centre against corners, and how alike the halves are across and down (-1..1)."""
    axis = (np.arange(_COARSE) + 0.5) / _COARSE * 2 - 1
    radius = np.hypot(axis[:, None], axis)
    centred = luma - luma.mean()
    power = max(float((centred**2).sum()), 1e-6)
    return (
        float(luma[radius < 0.5].mean() - luma[radius > 1].mean()),
        float((centred * centred[:, ::-1]).sum()) / power,
        float((centred * centred[::-1]).sum()) / power,
    )


def _octaves(grey: NDArray[np.float32]) -> list[float]:
    """Logarithm of the detail's strength at four scales, and its sparseness at the finer two."""
    found = []
    for scale in range(4):
        corners = [grey[row::2, column::2] for row in (0, 1) for column in (0, 1)]
        coarse = sum(corners[1:], corners[0]) / np.float32(4)
        detail = [corner - coarse for corner in corners]
        strength = np.sqrt(np.mean([np.mean(part**2) for part in detail]))
        found.append(float(np.log(strength + _LEAST_DETAIL)))
        if scale < 2:
            size = np.mean([np.mean(np.abs(part)) for part in detail])
            found.append(float(np.log(size + _LEAST_DETAIL)) - found[-1])
        grey = coarse
    return found


def _distances(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean, (N, F) and (M, F) -> (N, M)."""
    squares: NDArray[np.float64] = ((ones[:, None] - others) ** 2).sum(2)
    return np.sqrt(squares)


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Three significant digits: more would only fill the file."""
    return tuple(float(f"{value:.3g}") for value in values)
