"""Lines to draw: branching trees (vessels) and smooth curves through given points."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bmis.data.phantoms.canvas import Stroke


class Twigs(NamedTuple):
    """How a branching tree grows.

    Attributes:
        step: Length of one step.
        steps: Number of steps of the first branch.
        wander: Standard deviation of the change of direction at each step, in radians.
        branching: Probability of a side branch at each step.
        thinnest: Smallest width of a branch that still grows.

    Example:
        >>> Twigs(step=0.02, steps=20, wander=0.1, branching=0.2, thinnest=0.002).steps
        20
    """

    step: float
    steps: int
    wander: float
    branching: float
    thinnest: float


def grow(
    rng: Generator,
    start: Sequence[float] | NDArray[np.float64],
    heading: float,
    width: float,
    twigs: Twigs,
) -> list[Stroke]:
    """Grow a tapering tree.

    A side branch has 0.7 of the width of its parent and leaves it at 23 to 52 degrees.

    Args:
        rng: Source of the random numbers.
        start: Position (y, x) of the root.
        heading: First direction in radians: 0 is to the right, pi / 2 is down.
        width: Width at the root.
        twigs: How the tree grows.

    Example:
        >>> twigs = Twigs(step=0.02, steps=20, wander=0.1, branching=0.0, thinnest=0.002)
        >>> (branch,) = grow(np.random.default_rng(0), (0.0, 0.0), 0.0, 0.01, twigs)
        >>> branch.points.shape
        (21, 2)
    """
    strokes: list[Stroke] = []
    waiting = [(np.array(start, np.float64), heading, width, twigs.steps)]
    while waiting and len(strokes) < 200:
        root, direction, wide, steps = waiting.pop()
        drift = rng.normal(0, twigs.wander * 0.4)
        angles = direction + np.cumsum(drift + rng.normal(0, twigs.wander, steps))
        moves = twigs.step * np.stack([np.sin(angles), np.cos(angles)], axis=1)
        points = np.concatenate([root[None], root + np.cumsum(moves, axis=0)])
        forks = rng.random(steps) < twigs.branching
        widths = wide * 0.985 ** np.arange(steps) * 0.92 ** np.cumsum(forks)
        strokes.append(Stroke(points, np.concatenate([[wide], widths])))
        for k in np.flatnonzero(forks & (widths * 0.7 >= twigs.thinnest)):
            fork = angles[k] + rng.choice((-1, 1)) * rng.uniform(0.4, 0.9)
            left = max(3, int((steps - k) * rng.uniform(0.5, 0.9)))
            waiting.append((points[k + 1], fork, widths[k] * 0.7, left))
    return strokes


def ring(centre: Sequence[float] | NDArray[np.float64], radius: float, width: float) -> Stroke:
    """Draw a circle as a stroke.

    Example:
        >>> ring((0.0, 0.0), radius=0.2, width=0.01).points[0].round(3).tolist()
        [0.0, 0.2]
    """
    angles = np.linspace(0, 2 * np.pi, 25)
    points = np.stack([np.sin(angles), np.cos(angles)], axis=1) * radius + np.array(centre)
    return Stroke(points, np.full(25, width))


def curve(points: Sequence[tuple[float, float]], *, closed: bool = False) -> NDArray[np.float64]:
    """A smooth line (M, 2) through points (y, x): Catmull-Rom, twelve steps from each to the next.

    Example:
        >>> line = curve([(0.0, 0.0), (0.1, 0.5), (0.0, 1.0)])
        >>> len(line), line[12].tolist()
        (25, [0.1, 0.5])
    """
    knots = np.array(points, np.float64)
    if closed:
        before, after, last = np.roll(knots, 1, 0), np.roll(knots, -1, 0), np.roll(knots, -2, 0)
    else:
        padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
        before, knots, after, last = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, 12, endpoint=False)[None, :, None]
    a, b, c, d = (part[:, None, :] for part in (before, knots, after, last))
    line = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    flat = line.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, np.array(points[-1:], np.float64)])
