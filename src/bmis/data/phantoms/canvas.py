"""What all phantoms are drawn with: scale-free coordinates, noise, blobs, strokes, blur.

Lengths are in units of the image's short side, positions are (y, x) from the image's centre with
y down. So one scene comes out alike at every size, and textures are averaged, not dropped, when
the image is small.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.floating[Any]]
Labels = NDArray[np.uint8]


class Stroke(NamedTuple):
    """A line of changing width: ``points`` (N, 2) as (y, x) and ``widths`` (N,)."""

    points: NDArray[np.float64]
    widths: NDArray[np.float64]


class Streams(NamedTuple):
    """Independent random numbers, so that a harder phantom of one seed keeps its geometry."""

    scene: Generator  # where things are and what they look like
    texture: Generator  # tissue
    clutter: Generator  # what lies over or beside it: hair, bubbles, lesions that do not count
    noise: Generator  # the sensor; the only one whose numbers depend on the image's size


@dataclass(frozen=True)
class Canvas:
    """The frame of one phantom, ``height`` x ``width`` pixels."""

    height: int
    width: int

    @property
    def unit(self) -> int:
        """Pixels of the short side."""
        return min(self.height, self.width)

    @property
    def half(self) -> tuple[float, float]:
        """Half height and half width: 0.5 for the short side."""
        return self.height / self.unit / 2, self.width / self.unit / 2

    @cached_property
    def y(self) -> Array:
        """Row centres, (H, 1)."""
        rows = (np.arange(self.height) + 0.5 - self.height / 2) / self.unit
        return rows[:, None].astype(np.float32)

    @cached_property
    def x(self) -> Array:
        """Column centres, (1, W)."""
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
        """Smooth noise about 0 with spread near 0.7, (H, W).

        Args:
            rng: Where the numbers come from; their count does not depend on the image's size.
            rows: Lattice cells along a short side's height.
            columns: The same along its width; as many as ``rows`` unless given.
            octaves: Layers, each of twice the cells and half the height of the one before.
        """
        columns = columns or rows
        total: Array = np.zeros((self.height, self.width), np.float32)
        for octave in range(octaves):
            shape = (rows << octave, columns << octave)
            total += self.lay(rng.standard_normal(shape, np.float32)) * 0.5**octave
        return total / np.float32(sum(0.25**k for k in range(octaves)) ** 0.5)

    def grain(self, rng: Generator, strength: float) -> Array:
        """Sensor noise: independent pixels at strength (0..1 scale), (H, W)."""
        return rng.standard_normal((self.height, self.width), np.float32) * np.float32(strength)

    def distance(self, centre: tuple[float, float], *, stretch: float = 1.0) -> Array:
        """Distance from a point, with widths divided by ``stretch``, (H, W)."""
        across = (self.x - np.float32(centre[1])) / np.float32(stretch)
        distance: Array = np.hypot(self.y - np.float32(centre[0]), across)
        return distance

    def blur(self, picture: Array, sigma: float) -> Array:
        """Gaussian blur of (H, W); edges are repeated."""
        return _blur(picture, sigma * self.unit)

    def strokes(self, strokes: Iterable[Stroke], levels: Iterable[float] = ()) -> Array:
        """How much of each pixel the lines cover, 0..1, (H, W); at least a pixel wide each.

        With ``levels`` (0..1, one a line) a line counts that much and hides those before it.
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
        """How much of each pixel lies in the outlines (N, 2), 0..1, (H, W); levels as above."""
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
        return fine[:, ::-1].ravel().tolist()  # type: ignore[no-any-return]

    def _coarse(self, fine: Image.Image) -> Array:
        return np.asarray(fine.reduce(self._factor), np.float32) / np.float32(255)


def _blur(picture: Array, sigma: float) -> Array:
    """Gaussian blur; sigma in pixels."""
    if sigma < 0.3:
        return picture
    height, width = picture.shape
    coarser = int(sigma // 4)
    if coarser > 1:  # a wide blur loses nothing on a coarser grid and costs far less there
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


@dataclass(frozen=True)
class Blob:
    """A closed outline that is star-shaped about its centre.

    Attributes:
        centre: (y, x).
        reach: Radius at equally spaced angles from -pi, (A,).
        stretch: Width over height, before turning.
        angle: Turn in radians.
    """

    centre: tuple[float, float]
    reach: NDArray[np.float64]
    stretch: float = 1.0
    angle: float = 0.0

    @classmethod
    def random(
        cls,
        rng: Generator,
        centre: tuple[float, float],
        radius: float,
        *,
        rough: float,
        stretch: float = 1.0,
        angle: float | None = None,
    ) -> "Blob":
        """An outline that leaves the circle by about ``rough`` of the radius."""
        angles = np.linspace(-np.pi, np.pi, 361)
        reach = np.ones_like(angles)
        for k, phase, height in zip(
            range(2, 10), rng.uniform(0, 2 * np.pi, 8), rng.normal(0, 1, 8), strict=True
        ):
            reach += rough * 1.6 * height / k**1.3 * np.cos(k * angles + phase)
        turn = float(rng.uniform(0, np.pi))
        reach = radius * np.clip(reach, 0.45, 1.6)
        return cls(centre, reach, stretch, turn if angle is None else angle)

    def measure(self, canvas: Canvas) -> tuple[Array, Array]:
        """Distance from the centre and the outline's distance in that direction, (H, W) each."""
        dy, dx = canvas.y - np.float32(self.centre[0]), canvas.x - np.float32(self.centre[1])
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        wide = np.float32(self.stretch**0.5)
        across, down = (dx * cos + dy * sin) / wide, (dy * cos - dx * sin) * wide
        theta = np.arctan2(down, across)
        angles = np.linspace(-np.pi, np.pi, len(self.reach))
        limit = np.interp(theta, angles, self.reach).astype(np.float32)
        return np.hypot(across, down), limit

    def outline(self) -> NDArray[np.float64]:
        """The outline as points (A, 2), for ``Canvas.polygons``."""
        angles = np.linspace(-np.pi, np.pi, len(self.reach))
        across = self.reach * np.cos(angles) * self.stretch**0.5
        down = self.reach * np.sin(angles) / self.stretch**0.5
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = np.stack([across * sin + down * cos, across * cos - down * sin], axis=1)
        turned += np.array(self.centre)
        return turned

    def level(self, canvas: Canvas) -> Array:
        """About the distance to the outline, above 0 inside, (H, W)."""
        distance, limit = self.measure(canvas)
        return limit - distance


def soft_step(value: Array, width: float) -> Array:
    """0 below -width/2, 1 above width/2, a smooth rise between; a plain step at 0 for width 0."""
    t = np.clip(value / np.float32(max(width, 1e-6)) + np.float32(0.5), 0, 1)
    step: Array = t * t * (3 - 2 * t)
    return step


def ridge(value: Array, width: float) -> Array:
    """1 where the value crosses 0, falling to 0 beside: turns noise into winding lines."""
    line: Array = np.exp(-np.square(value / np.float32(width)))
    return line


def between(easy: float, hard: float, difficulty: float) -> float:
    """A quantity that goes from ``easy`` at difficulty 0 to ``hard`` at 1."""
    return easy + (hard - easy) * difficulty


def tint(grey: Array, colour: Sequence[float] | Array) -> Array:
    """A grey picture (H, W) times a colour -> (H, W, 3)."""
    return grey[..., None] * np.array(colour, np.float32)


def mix(below: Array, above: Array | Sequence[float], cover: Array) -> Array:
    """Lay a colour or a picture (H, W, 3) over another where ``cover`` (H, W) is 1."""
    return below + cover[..., None] * (np.asarray(above, np.float32) - below)
