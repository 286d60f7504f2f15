"""Round shapes with an irregular outline: lesions, polyps, discs, spots."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bmis.data.phantoms.canvas import Array, Canvas


@dataclass(frozen=True)
class Blob:
    """A closed outline that is star-shaped about its centre.

    Attributes:
        centre: Position (y, x) of the centre.
        reach: (A,) radius at equally spaced angles from -pi to pi.
        stretch: Width over height before the rotation.
        angle: Rotation in radians.

    Example:
        >>> circle = Blob(centre=(0.0, 0.0), reach=np.full(361, 0.25))
        >>> inside = circle.level(Canvas(100, 100)) > 0
        >>> round(float(inside.mean()), 2)  # pi / 16
        0.2
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
        """A random outline that leaves the circle by about ``rough`` of the radius.

        Without ``angle`` the rotation is random too.
        """
        angles = np.linspace(-np.pi, np.pi, 361)
        reach = np.ones_like(angles)
        for k, phase, height in zip(
            range(2, 10), rng.uniform(0, 2 * np.pi, 8), rng.normal(0, 1, 8), strict=True
        ):
            reach += rough * 1.6 * height / k**1.3 * np.cos(k * angles + phase)
        rotation = float(rng.uniform(0, np.pi))
        reach = radius * np.clip(reach, 0.45, 1.6)
        return cls(centre, reach, stretch, rotation if angle is None else angle)

    def measure(self, canvas: Canvas) -> tuple[Array, Array]:
        """Distance of each pixel, and of the outline in its direction, from the centre, (H, W)."""
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
        rotated = np.stack([across * sin + down * cos, across * cos - down * sin], axis=1)
        rotated += np.array(self.centre)
        return rotated

    def level(self, canvas: Canvas) -> Array:
        """Approximate distance to the outline, positive inside, (H, W)."""
        distance, limit = self.measure(canvas)
        return limit - distance
