"""Colonoscopy phantoms: a polyp on folded pink mucosa, lit from the tip of the endoscope."""

import numpy as np
from numpy.random import Generator

from bmis.data.phantoms.blob import Blob
from bmis.data.phantoms.canvas import (
    Array,
    Canvas,
    Labels,
    Streams,
    between,
    mix,
    ridge,
    soft_step,
    tint,
)
from bmis.data.phantoms.lines import Twigs, grow, ring

MUCOSA = ((0.84, 0.47, 0.38), (0.80, 0.40, 0.36), (0.86, 0.55, 0.42), (0.78, 0.42, 0.30))
POLYP = ((0.88, 0.36, 0.28), (0.96, 0.66, 0.52), (0.86, 0.42, 0.36))
# less light makes tissue redder: exponents of red, green and blue
DEEPEN = np.array((0.85, 1.1, 1.15), np.float32)


def draw(canvas: Canvas, streams: Streams, difficulty: float, classes: int) -> tuple[Array, Labels]:
    """Draw one or two polyps.

    Args:
        canvas: Size of the picture.
        streams: Random generators.
        difficulty: 0 (clear) to 1 (faint and cluttered).
        classes: Always 2.

    Returns:
        Colours (H, W, 3) from 0 to 1, and labels (H, W).

    Example:
        >>> picture, labels = draw(Canvas(64, 96), Streams.from_seed([0]), 0.5, classes=2)
        >>> picture.shape, labels.max()
        ((64, 96, 3), np.uint8(1))
    """
    scene = streams.scene
    window = _window(canvas, scene)
    lumen = _lumen(canvas, scene)
    wall, shine = _wall(canvas, streams, lumen)
    labels = np.zeros((canvas.height, canvas.width), bool)
    for blob in _polyps(canvas, scene, lumen):
        wall, shine, level = _lay_polyp(canvas, streams, (wall, shine), blob, difficulty)
        labels |= level > 0
    wall = _lay_residue(canvas, streams.clutter, wall, difficulty)
    wall = _lay_glints(canvas, streams.clutter, wall, shine, difficulty)
    wall += canvas.grain(streams.noise, between(0.008, 0.03, difficulty))[..., None]
    picture = mix(np.full_like(wall, 0.01), wall, window)
    return picture, (labels & (window > 0.5)).astype(np.uint8)


def _window(canvas: Canvas, rng: Generator) -> Array:
    """1 where the camera shows tissue, 0 in the corners of the frame, (H, W)."""
    y, x = np.abs(canvas.y), np.abs(canvas.x)
    high, wide = canvas.half
    if rng.random() < 0.6:
        cut = np.float32(high + wide - rng.uniform(0.2, 0.34))
        corners = soft_step(cut - y - x, 0.006)
    else:
        radius = np.float32(rng.uniform(0.16, 0.34))
        beyond = np.hypot(
            np.clip(y - np.float32(high) + radius, 0, None),
            np.clip(x - np.float32(wide) + radius, 0, None),
        )
        corners = soft_step(radius - beyond, 0.006)
    edge = soft_step(np.float32(high - 0.008) - y, 0.004) * soft_step(
        np.float32(wide - 0.008) - x, 0.004
    )
    return corners * edge


def _lumen(canvas: Canvas, rng: Generator) -> tuple[float, float]:
    """Where the bowel goes on into the dark, somewhere towards the edge of the frame."""
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.05)
    return canvas.half[0] * far * np.sin(angle), canvas.half[1] * far * np.cos(angle)


def _wall(canvas: Canvas, streams: Streams, lumen: tuple[float, float]) -> tuple[Array, Array]:
    """The lit bowel wall (H, W, 3) and how much it faces the lamp (H, W)."""
    scene, rng = streams.scene, streams.texture
    warp = 1 + 0.22 * canvas.noise(rng, 2, octaves=2)
    away = canvas.distance(lumen, stretch=scene.uniform(0.75, 1.35)) * warp
    # folds are rings around the lumen, closer together in the distance; the bright crest of each
    # hides the foot of the next
    rings = np.log(np.clip(away, 0.03, None)) * np.float32(scene.uniform(1.3, 2.2))
    phase = (rings + 0.28 * canvas.noise(rng, 3, octaves=2) + scene.uniform(0, 1)) % 1
    fold = (1 - phase) ** 1.5 * (1 - soft_step(np.float32(0.06) - phase, 0.2))
    strong = soft_step(canvas.noise(rng, 3), 1.6) * np.clip(
        2.5 * away, 0, 1
    )  # a fold does not run all the way round
    relief = canvas.noise(rng, 8, octaves=3)
    light = 0.9 + 0.42 * strong * (fold - 0.35) + 0.05 * relief
    deep = soft_step(away - np.float32(scene.uniform(0.06, 0.16)), 0.26)
    far = np.clip(away / np.float32(scene.uniform(0.45, 0.75)), 0, 1) ** 0.7
    light = light * (0.1 + 0.9 * deep * far)
    middle = canvas.distance((0.0, 0.0)) / np.float32(np.hypot(*canvas.half))
    light = light * (1.12 - 0.3 * middle**2)
    base = np.array(MUCOSA[scene.integers(len(MUCOSA))]) * scene.uniform(0.92, 1.06)
    colour = tint(light, base) ** DEEPEN
    colour = _lay_vessels(canvas, scene, rng, colour)
    return colour, light * (0.5 + 0.5 * strong * fold)


def _lay_vessels(canvas: Canvas, scene: Generator, rng: Generator, colour: Array) -> Array:
    """Draw fine red branches under the surface."""
    strokes = []
    twigs = Twigs(step=0.018, steps=24, wander=0.22, branching=0.28, thinnest=0.0022)
    for _ in range(6):
        start = scene.uniform(-1, 1, 2) * canvas.half
        strokes += grow(scene, start, scene.uniform(0, 2 * np.pi), 0.006, twigs)
    cover = canvas.blur(canvas.strokes(strokes), 0.003)
    blush = np.clip(canvas.noise(rng, 6, octaves=3), 0, None) * 0.06
    loss = cover * np.float32(scene.uniform(0.1, 0.4)) + blush
    return colour * np.exp(-tint(loss, (0.25, 1.0, 0.9)))


def _polyps(canvas: Canvas, rng: Generator, lumen: tuple[float, float]) -> list[Blob]:
    """One polyp, or two, on the wall and not in the lumen."""
    blobs = []
    for _ in range(2 if rng.random() < 0.2 else 1):
        radius = float(np.exp(rng.uniform(np.log(0.085), np.log(0.25))))
        # across the frame from the lumen, within the window
        angle = np.arctan2(-lumen[0], -lumen[1]) + rng.normal(0, 0.9)
        far = rng.uniform(0.05, 0.5)
        centre = (canvas.half[0] * far * np.sin(angle), canvas.half[1] * far * np.cos(angle))
        rough, stretch = rng.uniform(0.04, 0.12), rng.uniform(1.0, 1.5)
        blobs.append(Blob.random(rng, centre, radius, rough=rough, stretch=stretch))
    return blobs


def _lay_polyp(
    canvas: Canvas, streams: Streams, wall: tuple[Array, Array], blob: Blob, difficulty: float
) -> tuple[Array, Array, Array]:
    """Put a dome on the wall and return the wall, its shine, and the level of the polyp."""
    scene, rng = streams.scene, streams.texture
    colour, shine = wall
    distance, limit = blob.measure(canvas)
    level = limit - distance
    share = np.clip(distance / limit, 0, 1)
    dome = np.sqrt(np.clip(1 - share**2, 0, 1)) + 0.05 * canvas.noise(rng, 14, octaves=3)
    angle = scene.uniform(0, 2 * np.pi)
    tilt = (np.sin(angle) * (canvas.y - np.float32(blob.centre[0]))
            + np.cos(angle) * (canvas.x - np.float32(blob.centre[1]))) / limit  # fmt: skip
    relief = between(1.0, 0.3, difficulty)
    light = 1 + np.float32(relief) * (0.45 * (dome - 0.75) + 0.28 * np.clip(tilt, -1, 1))
    radius = float(limit.mean())
    shade = soft_step(level + np.float32(0.25 * radius), 0.5 * radius) * soft_step(-tilt, 1.2)
    rim = ridge(level, 0.1 * radius)
    colour = colour * (1 - np.float32(relief) * (0.42 * shade + 0.2 * rim))[..., None]
    own = np.array(POLYP[scene.integers(len(POLYP))]) * scene.uniform(0.9, 1.05)
    lit = float(np.clip(shine[level > 0].mean() * 1.5, 0.7, 1.0))
    pits = 1 + 0.05 * canvas.noise(rng, 44) + 0.06 * canvas.noise(rng, 12, octaves=2)
    body = tint(light * pits * np.float32(lit), own) ** DEEPEN
    around = colour[level > 0].mean(axis=0)
    same = tint(light * pits, around)
    body = body + np.float32(between(0.0, 0.75, difficulty)) * (same - body)
    cover = soft_step(level, between(0.012, 0.05, difficulty))
    colour = mix(colour, body, cover)
    shine = shine + cover * (1.1 * dome * np.clip(0.7 + tilt, 0.1, 1.3) - shine)
    return colour, shine, level


def _lay_residue(canvas: Canvas, rng: Generator, wall: Array, difficulty: float) -> Array:
    """Draw yellow-brown residue and round bubbles, which are not polyps."""
    residue = canvas.noise(rng, 3, octaves=4)
    patch = soft_step(residue - np.float32(between(2.4, 1.2, difficulty)), 0.5)
    mud = 0.85 + 0.12 * canvas.noise(rng, 24, octaves=3)
    wall = mix(wall, tint(mud, (0.66, 0.48, 0.2)), 0.75 * patch)
    bubbles = [
        ring((y * canvas.half[0], x * canvas.half[1]), 0.013 + 0.008 * size, 0.004)
        for y, x, size in rng.uniform(-1, 1, (8, 3))[: round(between(0, 8, difficulty))]
    ]
    return wall * (1 + 0.4 * canvas.blur(canvas.strokes(bubbles), 0.002))[..., None]


def _lay_glints(
    canvas: Canvas, rng: Generator, wall: Array, shine: Array, difficulty: float
) -> Array:
    """Draw white reflections of the lamp where the surface faces it."""
    wet = canvas.noise(rng, 58, 44) + 0.5 * canvas.noise(rng, 20) + 0.9 * canvas.noise(rng, 5)
    limit = between(2.75, 2.25, difficulty)
    glint = soft_step(wet + 1.2 * (np.clip(shine, 0, 1.2) - 0.6) - np.float32(limit), 0.25)
    halo = canvas.blur(glint, 0.008)
    wall = wall * (1 + 0.25 * halo)[..., None]
    return mix(wall, (1.0, 0.98, 0.96), glint)
