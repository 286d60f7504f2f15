"""Out-of-distribution scores: is an image like those that a network was trained on?

Nineteen simple statistics of an image (grey levels, colour, symmetry, detail at four scales) are
compared with those of training images. The score is the distance to the nearest training image in
units of the training images' own scatter (Mahalanobis 1936), over a limit that nearly all training
images keep. Nearest neighbours serve as in Sun et al., ICML 2022, who use a network's features.

The score says nothing about whether the network is right: an image can be in distribution and its
mask wrong. The model card says what the score detects and how often it raises a false alarm.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.config import OodReference
from bmis.data.channels import to_rgb

LEAST = 10  # training images; fewer do not show what is usual
_EXAMPLES = 1024  # most training images kept; with fewer, more images out of distribution pass
_QUANTILE = 0.99  # share of the training images that lie below the limit
_MARGIN = 2.0  # over the root of their number, as few images show little of what occurs
_SHRINKAGE = 0.1  # of the correlations towards none
_FLOOR = 0.05  # least scatter of a statistic: one that never varied may still vary a little
_COARSE, _FINE = 64, 256  # pixels a side that the statistics are taken at
_LEAST_CHROMA, _LEAST_DETAIL = 0.02, 1e-3  # below these, logarithms would measure noise
_QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R 601


def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The statistics of an image.

    Args:
        pixels: (H, W, C) uint8, in the colours that the image is stored in; of more than three
            channels the first three count.

    Returns:
        (F,), where F is ``bmis.config.STATISTICS``.

    Example:
        >>> describe(np.zeros((48, 64, 3), np.uint8)).shape
        (19,)
    """
    is_grey = pixels.shape[2] == 1  # three equal colours say the same in three times the time
    image = Pillow.fromarray(pixels[..., 0] if is_grey else to_rgb(pixels))
    colours = _shrunk(image, _COARSE)
    if is_grey:
        colours = np.repeat(colours[..., None], 3, axis=2)
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


def fit_ood_reference(
    statistics: Sequence[NDArray[np.float64]], kinds: Sequence[str] = ()
) -> OodReference | None:
    """Learn from the statistics of training images what is in distribution.

    Args:
        statistics: What ``describe`` gives for each training image.
        kinds: What was done to each. Distances are in units of the scatter within a kind:
            how far a border moves an image says nothing about how alike images are. One kind if
            not given.

    Returns:
        None where there are fewer than ``LEAST`` images.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> images = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(12)]
        >>> reference = fit_ood_reference([describe(image) for image in images])
        >>> len(reference.examples)
        12
        >>> fit_ood_reference([]) is None
        True
    """
    if len(statistics) < LEAST:
        return None
    values = np.stack(statistics)
    number, width = values.shape
    mean, within = values.mean(0), _within(values, kinds)
    scatter = np.maximum(within.std(0), _FLOOR)
    covariance = (1 - _SHRINKAGE) * np.cov((within / scatter).T) + _SHRINKAGE * np.eye(width)
    variances, directions = np.linalg.eigh(covariance)
    transform = directions / np.sqrt(variances) / scatter[:, None]
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
    """Scores how far the statistics of an image are from those of the training images.

    Args:
        reference: What was learnt from the training images.

    Example:
        >>> from bmis import draw_phantom
        >>> drawn = [draw_phantom("xray", size=(48, 48), seed=seed)[0] for seed in range(12)]
        >>> detector = OodDetector(fit_ood_reference([describe(image) for image in drawn]))
        >>> detector(describe(drawn[0])) < 1 < detector(describe(255 - drawn[0]))
        True
    """

    def __init__(self, reference: OodReference) -> None:
        self._limit = reference.limit
        self._mean, self._transform, self._examples = (  # made once, because it takes long
            np.asarray(values)
            for values in (reference.mean, reference.transform, reference.examples)
        )

    def __call__(self, statistics: NDArray[np.float64]) -> float:
        """The score of an image; above 1 it is out of distribution."""
        place = (statistics - self._mean) @ self._transform
        return float(_distances(place[None], self._examples).min() / self._limit)


def _within(values: NDArray[np.float64], kinds: Sequence[str]) -> NDArray[np.float64]:
    """Rows less the mean of their kind."""
    labels = np.array(kinds or [""] * len(values))
    found = np.empty_like(values)
    for kind in set(labels):
        rows = labels == kind
        found[rows] = values[rows] - values[rows].mean(0)
    return found


def _shrunk(image: Pillow.Image, side: int) -> NDArray[np.float32]:
    """The image squashed to a square, with values in 0..1."""
    small = image.resize((side, side), Pillow.Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)


def _chroma(colours: NDArray[np.float32], luma: NDArray[np.float32]) -> tuple[float, ...]:
    """Tint, strength and variety of the colours; logarithms, so that a little is not none."""
    red, green, blue = (colours[..., channel] for channel in range(3))
    strength = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    sizes = (strength.mean(), strength.std(), (red - blue).std())
    tint = (red - luma).mean(), (blue - luma).mean()
    return (*map(float, tint), *(float(np.log(size + _LEAST_CHROMA)) for size in sizes))


def _symmetry(luma: NDArray[np.float32]) -> tuple[float, float, float]:
    """Centre less corners, and the correlation of the halves across and down (-1..1)."""
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
    """Euclidean distances between (N, F) and (M, F) -> (N, M)."""
    squares: NDArray[np.float64] = ((ones[:, None] - others) ** 2).sum(2)
    return np.sqrt(squares)


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Plain numbers of three significant digits; more would only fill the file."""
    return tuple(float(f"{value:.3g}") for value in values)
