"""What all phantoms are drawn with: scale-free coordinates, noise, strokes, blur.

Lengths are in units of the image's short side. Positions are (y, x) from the image's centre, y
down. So a scene looks the same at every size, and in a small image textures are averaged and not
dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.uint8]


class Stroke(NamedTuple):
    """A line of changing width.

    Attributes:
        points: (N, 2) positions (y, x) along the line.
        widths: (N,) width at each of them.

    Example:
        >>> line = Stroke(np.array([(0.0, -0.3), (0.0, 0.3)]), np.array([0.1, 0.05]))
        >>> Canvas(64, 64).strokes([line]).shape
        (64, 64)
    """

    points: NDArray[np.float64]
    widths: NDArray[np.float64]


class Streams(NamedTuple):
    """Independent random generators, so that a harder phantom of one seed keeps its geometry.

    Attributes:
        scene: Decides where things are and what they look like.
        texture: Draws the tissue.
        clutter: Draws what lies over or beside it: hair, bubbles, shapes that are no lesion.
        noise: Draws the noise of the sensor, the only numbers that depend on the image's size.

    Example:
        >>> one, again = Streams.from_seed([0, 1]), Streams.from_seed([0, 1])
        >>> one.scene.random() == again.scene.random() != one.texture.random()
        True
    """

    scene: Generator
    texture: Generator
    clutter: Generator
    noise: Generator

    @classmethod
    def from_seed(cls, seed: Sequence[int]) -> "Streams":
        """Four generators that follow from one seed of one or more numbers."""
        children = SeedSequence(seed).spawn(len(cls._fields))
        return cls(*(default_rng(child) for child in children))


@dataclass(frozen=True)
class Canvas:
    """The frame of one phantom.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.

    Example:
        >>> canvas = Canvas(height=100, width=200)
        >>> canvas.unit, canvas.half
        (100, (0.5, 1.0))
    """

    height: int
    width: int

    @property
    def unit(self) -> int:
        """Length of the short side in pixels."""
        return min(self.height, self.width)

    @property
    def half(self) -> tuple[float, float]:
        """Half height and half width: 0.5 for the short side."""
        return self.height / self.unit / 2, self.width / self.unit / 2

    @cached_property
    def y(self) -> Array:
        """Positions of the rows' centres, (H, 1)."""
        rows = (np.arange(self.height) + 0.5 - self.height / 2) / self.unit
        return rows[:, None].astype(np.float32)

    @cached_property
    def x(self) -> Array:
        """Positions of the columns' centres, (1, W)."""
        columns = (np.arange(self.width) + 0.5 - self.width / 2) / self.unit
        return columns[None, :].astype(np.float32)

    def lay(self, table: Array) -> Array:
        """Spread a periodic pattern that covers one short side (h, w) over the frame, (H, W)."""
        rows, columns = table.shape
        # odd numbers of tiles keep the pattern's middle in the middle at every aspect
        tiles = [2 * ceil(half - 0.5) + 1 for half in self.half]
        whole = np.tile(table, tiles)
        high, wide = 2 * rows * self.half[0], 2 * columns * self.half[1]
        top, left = (whole.shape[0] - high) / 2, (whole.shape[1] - wide) / 2
        laid = Image.fromarray(whole).resize(
            (self.width, self.height),
            Image.Resampling.BICUBIC,
            box=(left, top, left + wide, top + high),
        )
        return np.asarray(laid, np.float32)

    def noise(
        self, rng: Generator, rows: int, columns: int | None = None, *, octaves: int = 1
    ) -> Array:
        """Smooth noise with mean 0 and a standard deviation of about 0.7, (H, W).

        Args:
            rng: Source of the numbers. How many are drawn does not depend on the image's size.
            rows: Number of lattice points down a short side.
            columns: Number of lattice points across a short side; ``rows`` unless given.
            octaves: Number of layers. Each has twice the points and half the amplitude of the last.
        """
        columns = columns or rows
        total: Array = np.zeros((self.height, self.width), np.float32)
        for octave in range(octaves):
            shape = (rows << octave, columns << octave)
            total += self.lay(rng.standard_normal(shape, np.float32)) * 0.5**octave
        return total / np.float32(sum(0.25**k for k in range(octaves)) ** 0.5)

    def grain(self, rng: Generator, strength: float) -> Array:
        """Sensor noise, independent in each pixel; the strength is on a scale of 0 to 1, (H, W)."""
        return rng.standard_normal((self.height, self.width), np.float32) * np.float32(strength)

    def distance(self, centre: tuple[float, float], *, stretch: float = 1.0) -> Array:
        """Distance of each pixel from a point, its part across divided by ``stretch``, (H, W)."""
        across = (self.x - np.float32(centre[1])) / np.float32(stretch)
        distance: Array = np.hypot(self.y - np.float32(centre[0]), across)
        return distance

    def blur(self, picture: Array, sigma: float) -> Array:
        """Blur a picture (H, W) by a Gaussian; beyond the edges it is repeated."""
        return _blur(picture, sigma * self.unit)

    def strokes(self, strokes: Iterable[Stroke], levels: Iterable[float] = ()) -> Array:
        """How much of each pixel the lines cover, 0 to 1, (H, W). Each is at least a pixel wide.

        ``levels`` (0 to 1, one for each line) is how much a line counts. It hides earlier lines.
        """
        draw, fine = self._fine()
        thin = 1 / self.unit
        for (points, widths), level in zip(strokes, chain(levels, repeat(1.0)), strict=False):
            fill = round(255 * level)
            draw.polygon(self._place(_ribbon(points, np.maximum(widths, thin) / 2)), fill=fill)
            for end in (0, -1):
                radius = max(widths[end], thin) / 2
                corners = points[end] + radius * np.array([[-1, -1], [1, 1]])
                draw.ellipse(self._place(corners), fill=fill)
        return self._coarse(fine)

    def polygons(
        self, outlines: Iterable[NDArray[np.float64]], levels: Iterable[float] = ()
    ) -> Array:
        """How much of each pixel lies in the outlines (N, 2), 0 to 1, (H, W).

        ``levels`` is the same as for ``strokes``.
        """
        draw, fine = self._fine()
        for outline, level in zip(outlines, chain(levels, repeat(1.0)), strict=False):
            draw.polygon(self._place(outline), fill=round(255 * level))
        return self._coarse(fine)

    @property
    def _factor(self) -> int:
        return 4 if self.unit <= 640 else 2

    def _fine(self) -> tuple[ImageDraw.ImageDraw, Image.Image]:
        fine = Image.new("L", (self.width * self._factor, self.height * self._factor))
        return ImageDraw.Draw(fine), fine

    def _place(self, points: NDArray[np.float64]) -> list[float]:
        """Units from the centre -> x, y, x, y... on the fine grid."""
        fine = (points + np.array(self.half)) * (self.unit * self._factor) - 0.5
        flat: list[float] = fine[:, ::-1].ravel().tolist()
        return flat

    def _coarse(self, fine: Image.Image) -> Array:
        return np.asarray(fine.reduce(self._factor), np.float32) / np.float32(255)


def _blur(picture: Array, sigma: float) -> Array:
    """Gaussian blur; sigma in pixels."""
    if sigma < 0.3:
        return picture
    height, width = picture.shape
    coarser = int(sigma // 4)
    if coarser > 1:  # a wide blur loses nothing on a coarser grid and is much faster there
        image = Image.fromarray(picture)
        size = -(-width // coarser), -(-height // coarser)
        small = image.resize(size, Image.Resampling.BILINEAR)
        soft = Image.fromarray(_blur(np.asarray(small, np.float32), sigma / coarser))
        return np.asarray(soft.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    reach = int(np.ceil(2.5 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (weights / weights.sum()).astype(np.float32)
    padded = np.pad(picture, reach, "edge")
    rows = sum(tap * padded[k : k + height] for k, tap in enumerate(taps))
    total = np.zeros_like(picture)
    for k, tap in enumerate(taps):
        total += tap * np.asarray(rows)[:, k : k + width]
    return total


def _ribbon(points: NDArray[np.float64], halves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outline (2N, 2) of a line that has a half width at each of its points."""
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    side = along[:, ::-1] * np.array((1.0, -1.0)) * (halves / length)[:, None]
    return np.concatenate([points + side, (points - side)[::-1]])


def soft_step(value: Array, width: float) -> Array:
    """0 below -width/2, 1 above width/2 and a smooth rise between. Width 0 is a plain step.

    Example:
        >>> soft_step(np.array([-1.0, 0.0, 1.0]), width=1.0).tolist()
        [0.0, 0.5, 1.0]
    """
    t = np.clip(value / np.float32(max(width, 1e-6)) + np.float32(0.5), 0, 1)
    step: Array = t * t * (3 - 2 * t)
    return step


def ridge(value: Array, width: float) -> Array:
    """1 where the value crosses 0 and less beside it. It makes winding lines of noise.

    Example:
        >>> ridge(np.array([-1.0, 0.0, 1.0]), width=0.2).round(3).tolist()
        [0.0, 1.0, 0.0]
    """
    line: Array = np.exp(-np.square(value / np.float32(width)))
    return line


def between(easy: float, hard: float, difficulty: float) -> float:
    """A quantity that goes from ``easy`` at difficulty 0 to ``hard`` at 1.

    Example:
        >>> between(easy=10, hard=20, difficulty=0.5)
        15.0
    """
    return easy + (hard - easy) * difficulty


def tint(grey: Array, colour: Sequence[float] | Array) -> Array:
    """Multiply a grey picture (H, W) by a colour to get (H, W, 3).

    Example:
        >>> tint(np.ones((2, 2)), (1.0, 0.5, 0.25))[0, 0].tolist()
        [1.0, 0.5, 0.25]
    """
    return grey[..., None] * np.array(colour, np.float32)


def mix(below: Array, above: Array | Sequence[float], cover: Array) -> Array:
    """Lay a colour or a picture (H, W, 3) over another where ``cover`` (H, W) is 1.

    Example:
        >>> mix(np.zeros((1, 2, 3)), (1.0, 0.5, 0.5), np.array([[1.0, 0.0]]))[0].tolist()
        [[1.0, 0.5, 0.5], [0.0, 0.0, 0.0]]
    """
    return below + cover[..., None] * (np.asarray(above, np.float32) - below)
