"""Large images in overlapping windows, and the windows' scores merged without seams.

The merge gives the answer in strips from top to bottom, so that scores are held for one row of
windows only, however high the image is.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from bmis.config import InputSpec
from bmis.errors import ConfigError

OVERLAP = 0.5  # of neighbouring windows; then two squared sines add up to 1
_LARGEST = 16384  # pixels along a side of a tile


def tile_size(spec: InputSpec, stride: int, side: int | None) -> tuple[int, int] | None:
    """The largest tile that a network is given; None where it takes whole images.

    Args:
        spec: Input of the network; only "native" images come in tiles.
        stride: Stride of the network.
        side: Side of the tiles in pixels, rounded up to the stride; None for the size in ``spec``.

    Raises:
        ConfigError: ``side`` is out of range or the network takes whole images, or the size in
            ``spec`` is no multiple of the stride.

    Example:
        >>> from bmis.config import InputSpec
        >>> tile_size(InputSpec((224, 224), resize="native"), 8, 300)
        (304, 304)
        >>> tile_size(InputSpec((224, 224), resize="squash"), 8, None) is None
        True
    """
    if spec.resize == "native":
        if side is not None and not 1 <= side <= _LARGEST:
            raise ConfigError(f"tile must be a side from 1 to {_LARGEST} pixels, got {side}")
        height, width = spec.size if side is None else (side, side)
        return round_up(height, stride), round_up(width, stride)
    if side is not None:
        raise ConfigError(
            f"this model takes whole images ({spec.resize} to {spec.size[0]}x{spec.size[1]}); "
            "leave tile out, or train with --resize native"
        )
    if any(side % stride for side in spec.size):
        fits = "x".join(str(round_up(side, stride)) for side in spec.size)
        raise ConfigError(
            f"the model's input of {spec.size[0]}x{spec.size[1]} is no multiple of its stride "
            f"{stride}; train it at {fits}"
        )
    return None


def round_up(side: int, stride: int) -> int:
    """The next multiple of the stride that is not below ``side``.

    Example:
        >>> round_up(300, 8), round_up(304, 8)
        (304, 304)
    """
    return -(-side // stride) * stride


def starts(length: int, window: int, overlap: float = OVERLAP, *, stride: int = 1) -> list[int]:
    """Where windows begin along one axis: evenly spread, the last one ends with the image.

    Args:
        length: Pixels of the image along this axis, at least 1.
        window: Pixels of a window; one that is longer than the image begins at 0, alone.
        overlap: Least part of a window that the next one covers too, from 0 up to 0.9.
        stride: All windows begin at multiples of it; it divides ``length`` and ``window``. A
            network that halves the image thrice sees another image where it is moved by anything
            but multiples of 8.

    Raises:
        ConfigError: A number is out of range, or a side is no multiple of the stride.

    Example:
        >>> starts(100, 40, overlap=0.5)
        [0, 20, 40, 60]
    """
    if length < 1 or window < 1 or not 0 <= overlap <= 0.9:
        raise ConfigError(
            f"windows need a length and a size of at least 1 and an overlap from 0 to 0.9, "
            f"got {length}, {window} and {overlap}"
        )
    if length <= window:
        return [0]
    if length % stride or window % stride:
        raise ConfigError(
            f"windows of {window} along {length} pixels are no multiples of the stride {stride}; "
            "pad both"
        )
    step = max(1, math.floor(window * (1 - overlap)) // stride)
    left = (length - window) // stride
    count = math.ceil(left / step) + 1
    return [left * i // (count - 1) * stride for i in range(count)]


def taper(window: tuple[int, int]) -> NDArray[np.float32]:
    """Weights (h, w) of a window's scores: squared sines, 1 in the middle, above 0 at the edge.

    Example:
        >>> taper((1, 3)).round(2).tolist()
        [[0.25, 1.0, 0.25]]
    """
    down, across = (np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in window)
    return np.outer(down, across).astype(np.float32)


def tiled(
    pixels: NDArray[np.uint8],
    window: tuple[int, int],
    infer: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    *,
    batch: int = 1,
    overlap: float = OVERLAP,
    stride: int = 1,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run a function over an image window by window, and merge what it answers.

    Args:
        pixels: (H, W, C), in both directions at least as large as the window.
        window: Height and width of a window.
        infer: Pixels (n, h, w, C) -> scores (n, K, h, w) float32.
        batch: The most windows that ``infer`` gets at once.
        overlap: See ``starts``.
        stride: See ``starts``.

    Yields:
        (top, scores (K, rows, W)): strips from top to bottom that cover every row once. Scores
        are the windows' means weighted by ``taper``.

    Raises:
        ConfigError: The image is smaller than the window, or see ``starts``.

    Example:
        >>> image = np.zeros((64, 96, 3), np.uint8)
        >>> strips = tiled(image, (32, 32), lambda windows: np.ones((len(windows), 2, 32, 32)))
        >>> [(top, scores.shape) for top, scores in strips]
        [(0, (2, 16, 96)), (16, (2, 16, 96)), (32, (2, 32, 96))]
    """
    height, width = pixels.shape[:2]
    if height < window[0] or width < window[1]:
        raise ConfigError(
            f"windows of {window[0]}x{window[1]} do not fit an image of {height}x{width}; pad it"
        )
    tops, lefts = (
        starts(*sides, overlap, stride=stride)
        for sides in zip((height, width), window, strict=True)
    )
    weights = taper(window)
    total = np.zeros((window[0], width), np.float32)
    sums: NDArray[np.float32] | None = None
    for top, following in zip(tops, [*tops[1:], height], strict=True):
        for left, scores in _row(pixels[top : top + window[0]], lefts, window[1], infer, batch):
            if sums is None:
                sums = np.zeros((len(scores), *total.shape), np.float32)
            columns = slice(left, left + window[1])
            sums[..., columns] += scores * weights
            total[:, columns] += weights
        done = following - top  # rows that no later window touches
        if sums is None:  # for the type checker: a row has at least one window
            return
        yield top, sums[:, :done] / total[:done]
        for band in (sums, total):
            _move_up(band, done)


def _row(
    band: NDArray[np.uint8],
    lefts: list[int],
    width: int,
    infer: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    batch: int,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The scores (K, h, w) of every window in one row of windows, with its first column."""
    for first in range(0, len(lefts), batch):
        group = lefts[first : first + batch]
        yield from zip(
            group, infer(np.stack([band[:, left : left + width] for left in group])), strict=True
        )


def _move_up(band: NDArray[np.float32], rows: int) -> None:
    """Drop the first rows of (..., H, W) and put empty ones below, in place."""
    kept = band.shape[-2] - rows
    for row in range(kept):  # one by one: moving overlapping memory at once would copy it all
        band[..., row, :] = band[..., row + rows, :]
    band[..., kept:, :] = 0
