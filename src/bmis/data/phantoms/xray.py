"""Chest X-ray phantoms: a frontal view, the sum of what the tissues absorb."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bmis.data.phantoms.canvas import (
    Array,
    Canvas,
    Labels,
    Streams,
    Stroke,
    between,
    ridge,
    soft_step,
)
from bmis.data.phantoms.lines import Twigs, curve, grow

Outline = NDArray[np.float64]

# Outlines as (down, across) from 0 to 1 of the frame; the left of the image is the patient's right
RIGHT_LUNG = (
    (0.115, 0.375), (0.125, 0.305), (0.19, 0.235), (0.32, 0.185), (0.48, 0.155), (0.62, 0.142),
    (0.735, 0.14), (0.78, 0.15), (0.735, 0.19), (0.685, 0.25), (0.665, 0.315), (0.685, 0.385),
    (0.70, 0.43), (0.60, 0.43), (0.48, 0.42), (0.36, 0.425), (0.24, 0.435), (0.155, 0.425),
)  # fmt: skip
LEFT_LUNG = (
    (0.115, 0.625), (0.155, 0.575), (0.24, 0.565), (0.36, 0.57), (0.48, 0.575), (0.60, 0.575),
    (0.70, 0.575), (0.715, 0.62), (0.70, 0.69), (0.72, 0.76), (0.775, 0.82), (0.82, 0.85),
    (0.775, 0.862), (0.62, 0.858), (0.48, 0.845), (0.32, 0.815), (0.19, 0.765), (0.125, 0.695),
)  # fmt: skip
HEART = (
    (0.36, 0.46), (0.37, 0.55), (0.42, 0.59), (0.48, 0.63), (0.57, 0.695), (0.66, 0.735),
    (0.715, 0.72), (0.74, 0.62), (0.74, 0.5), (0.715, 0.41), (0.63, 0.385), (0.53, 0.395),
    (0.44, 0.43),
)  # fmt: skip
BODY = (
    (-0.1, 0.41), (0.03, 0.41), (0.07, 0.36), (0.1, 0.2), (0.15, 0.05), (0.28, -0.1), (0.6, -0.1),
    (0.62, 0.04), (0.48, 0.075), (0.62, 0.075), (0.85, 0.07), (1.1, 0.07), (1.1, 0.93),
    (0.85, 0.93), (0.62, 0.925), (0.48, 0.925), (0.62, 0.96), (0.6, 1.1), (0.28, 1.1),
    (0.15, 0.95), (0.1, 0.8), (0.07, 0.64), (0.03, 0.59), (-0.1, 0.59),
)  # fmt: skip


class _Chest:
    """One patient, who moves the drawn outlines onto the canvas slightly differently."""

    def __init__(self, canvas: Canvas, rng: Generator) -> None:
        self.frame = np.array(canvas.half) * 2
        self.zoom = np.array((rng.uniform(0.92, 1.08), rng.uniform(0.88, 1.06)))
        self.shift = np.array((rng.uniform(-0.02, 0.05), rng.normal(0, 0.015)))
        self.lean = rng.normal(0, 0.03)

    def place(self, points: Outline) -> Outline:
        """(down, across) from 0 to 1 of the frame -> canvas units."""
        moved = (points - 0.5) * self.zoom + self.shift
        leaning = moved[:, 1] + self.lean * moved[:, 0]
        placed: Outline = np.stack([moved[:, 0], leaning], axis=1) * self.frame
        return placed

    def outline(
        self, knots: tuple[tuple[float, float], ...], rng: Generator, jitter: float
    ) -> Outline:
        """A closed smooth outline through the knots, each moved at random by about ``jitter``."""
        moved = np.array(knots) + rng.normal(0, jitter, (len(knots), 2))
        return self.place(curve([(float(y), float(x)) for y, x in moved], closed=True))

    def stroke(self, points: Outline, width: float) -> Stroke:
        """A line through frame coordinates with a width in short sides."""
        line = self.place(curve([(float(y), float(x)) for y, x in points]))
        return Stroke(line, np.full(len(line), width))


def draw(canvas: Canvas, streams: Streams, difficulty: float, classes: int) -> tuple[Array, Labels]:
    """Draw one chest.

    Args:
        canvas: Size of the picture.
        streams: Random generators.
        difficulty: 0 (clear) to 1 (faint and cluttered).
        classes: 2 for the lungs without what the heart covers, 3 for lungs and heart.

    Returns:
        Grey values (H, W) from 0 to 1, and labels (H, W).

    Example:
        >>> picture, labels = draw(Canvas(64, 96), Streams.from_seed([0]), 0.5, classes=3)
        >>> picture.shape, labels.max()
        ((64, 96), np.uint8(2))
    """
    scene, rng = streams.scene, streams.texture
    chest = _Chest(canvas, scene)
    sides = [chest.outline(knots, scene, 0.008) for knots in (RIGHT_LUNG, LEFT_LUNG)]
    lungs = canvas.polygons(sides)
    heart = canvas.polygons([chest.outline(HEART, scene, 0.008)])
    air = lungs * (1 - heart)
    absorbed = _soft_tissue(canvas, chest, scene, rng)
    soften = between(0.003, 0.016, difficulty)
    absorbed += 0.26 * canvas.blur(heart, soften + 0.004)
    absorbed -= np.float32(between(0.64, 0.26, difficulty)) * canvas.blur(air, soften)
    absorbed += _markings(canvas, chest, scene, air)
    absorbed += _bones(canvas, chest, scene, lungs)
    absorbed += _clutter(canvas, chest, streams.clutter, air, difficulty)
    # film responds to the rays that are left, so thick parts differ less than thin ones
    grey = 1 - np.exp(-np.float32(scene.uniform(1.25, 1.6)) * np.clip(absorbed + 0.03, 0, None))
    grey = grey + canvas.grain(streams.noise, between(0.008, 0.045, difficulty))
    labels = (air >= 0.5).astype(np.uint8)
    if classes == 3:
        labels[heart >= 0.5] = 2
    return grey, labels


def _soft_tissue(canvas: Canvas, chest: _Chest, scene: Generator, rng: Generator) -> Array:
    """Body, mediastinum, abdomen; 0 outside the body."""
    body = canvas.blur(canvas.polygons([chest.outline(BODY, scene, 0.006)]), 0.012)
    down = canvas.y / np.float32(canvas.half[0])  # -1..1
    across = canvas.x / np.float32(canvas.half[1])
    thick = 0.84 + 0.06 * down - 0.30 * across**2 + 0.03 * canvas.noise(rng, 4, octaves=2)
    middle = np.exp(-np.square(across / np.float32(0.17))) * 0.22
    belly = soft_step(down - 0.5, 0.25) * 0.16
    windpipe = ridge(across - np.float32(chest.shift[1] * 2), 0.035) * soft_step(-0.3 - down, 0.3)
    tissue: Array = body * (thick + middle + belly - 0.14 * windpipe)
    return tissue


def _markings(canvas: Canvas, chest: _Chest, rng: Generator, air: Array) -> Array:
    """Vessels of the lung, from the two hila outwards."""
    strokes: list[Stroke] = []
    twigs = Twigs(step=0.016, steps=22, wander=0.12, branching=0.22, thinnest=0.003)
    for across, ahead in ((0.40, np.pi), (0.60, 0.0)):
        hilum = chest.place(np.array([(0.42, across)]))[0]
        for _ in range(6):
            strokes += grow(rng, hilum, ahead + rng.uniform(-1.3, 1.3), 0.014, twigs)
        strokes.append(Stroke(hilum + np.array([(-0.04, 0.0), (0.06, 0.0)]), np.full(2, 0.03)))
    cover = canvas.blur(canvas.strokes(strokes), 0.004)
    return cover * air * np.float32(rng.uniform(0.08, 0.16))


def _bones(canvas: Canvas, chest: _Chest, rng: Generator, lungs: Array) -> Array:
    """Ribs, collar bones, shoulder blades, spine."""
    back, front = [], []
    for k in range(10):
        high, reach = 0.10 + 0.072 * k, 0.17 + 0.20 * min(1.0, (k + 0.6) / 4.5)
        for side in (-1, 1):
            run = np.array((0.035, 0.3, 0.65, 0.92, 1.0)) * reach
            rise = np.array((0.0, -0.018, 0.015, 0.075, 0.13)) * (0.75 + 0.05 * k)
            back.append(chest.stroke(np.stack([high + rise, 0.5 + side * run], 1), 0.022))
            if 1 < k < 8:
                run = np.array((1.0, 0.9, 0.65, 0.4)) * reach
                rise = np.array((0.13, 0.17, 0.225, 0.25)) * 1.05
                front.append(chest.stroke(np.stack([high + rise, 0.5 + side * run], 1), 0.02))
    seen = 0.3 + 0.7 * canvas.blur(lungs, 0.02)  # the abdomen hides them
    absorbed: Array = (0.16 * _tube(canvas, back) + 0.07 * _tube(canvas, front)) * seen
    return absorbed + 0.22 * _tube(canvas, _shoulders(chest, rng)) + _spine(canvas, chest)


def _shoulders(chest: _Chest, rng: Generator) -> list[Stroke]:
    """Collar bones, edges of the shoulder blades, upper arms."""
    bones = []
    for side in (-1, 1):
        tilt = rng.normal(0, 0.006)
        for rise, run, width in (
            ((0.175, 0.15, 0.145, 0.13), (0.04, 0.14, 0.26, 0.375), 0.028),
            ((0.205, 0.165, 0.145, 0.16), (0.30, 0.345, 0.38, 0.40), 0.03),
            ((0.16, 0.25, 0.36, 0.42), (0.42, 0.385, 0.36, 0.335), 0.018),
            ((0.205, 0.26, 0.38, 0.56), (0.425, 0.445, 0.47, 0.50), 0.055),
        ):
            line = np.stack([np.array(rise) + tilt, 0.5 + side * np.array(run)], axis=1)
            bones.append(chest.stroke(line, width))
    return bones


def _tube(canvas: Canvas, bones: list[Stroke]) -> Array:
    """Bones are tubes: their edges absorb more than their middle."""
    cores = [Stroke(bone.points, bone.widths * 0.62) for bone in bones]
    levels = [1.0] * len(bones) + [0.62] * len(cores)
    return canvas.blur(canvas.strokes(bones + cores, levels), 0.003)


def _spine(canvas: Canvas, chest: _Chest) -> Array:
    """A column of vertebrae with darker gaps."""
    column = chest.stroke(np.array([(-0.1, 0.5), (0.3, 0.5), (0.7, 0.5), (1.1, 0.5)]), 0.078)
    down = canvas.y / np.float32(canvas.half[0])
    joints = ridge(np.sin(down * np.float32(24)), 0.25)
    return canvas.blur(canvas.strokes([column]), 0.006) * (0.16 - 0.05 * joints)


def _clutter(canvas: Canvas, chest: _Chest, rng: Generator, air: Array, difficulty: float) -> Array:
    """Air in the stomach, the side marker, and for harder phantoms haze and cables."""
    bubble = canvas.distance(
        (0.30 * canvas.half[0] * 2, 0.16 * canvas.half[1] * 2), stretch=1.6
    ) - np.float32(rng.uniform(0.025, 0.05))
    absorbed = -0.16 * soft_step(-bubble, 0.03)
    marker = np.array([(0.05, 0.88), (0.09, 0.88), (0.09, 0.905)])
    line = Stroke((marker - 0.5) * chest.frame, np.full(3, 0.007))
    absorbed = absorbed + 0.8 * canvas.strokes([line])
    haze = soft_step(canvas.noise(rng, 4, octaves=2) - 0.35, 1.2) * air
    absorbed = absorbed + haze * np.float32(between(0.0, 0.22, difficulty))
    cables = []
    for start, end in rng.uniform(0.05, 0.95, (3, 2))[: round(between(0, 3, difficulty))]:
        knots = np.stack([np.linspace(0.15, 1.05, 5), np.linspace(start, end, 5)], 1)
        cables.append(chest.stroke(knots + rng.normal(0, 0.04, (5, 2)), 0.005))
    return absorbed + 0.2 * canvas.strokes(cables)
