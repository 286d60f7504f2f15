"""Breast ultrasound phantoms: layered tissue in speckle with one darker lesion."""

import numpy as np
from numpy.random import Generator

from bmis.data.phantoms.blob import Blob
from bmis.data.phantoms.canvas import (
    Array,
    Canvas,
    Labels,
    Streams,
    between,
    ridge,
    soft_step,
)

# weights across the beam: the grain is about twice as wide as it is deep
ACROSS = (0.12, 0.45, 0.85, 1.0, 0.85, 0.45, 0.12)


def draw(canvas: Canvas, streams: Streams, difficulty: float, classes: int) -> tuple[Array, Labels]:
    """Draw one lesion in tissue.

    Args:
        canvas: Size of the picture.
        streams: Random generators.
        difficulty: 0 (clear) to 1 (faint and cluttered).
        classes: Always 2.

    Returns:
        Grey values (H, W) from 0 to 1, and labels (H, W).

    Example:
        >>> picture, labels = draw(Canvas(64, 96), Streams.from_seed([0]), 0.5, classes=2)
        >>> picture.shape, labels.max()
        ((64, 96), np.uint8(1))
    """
    scene = streams.scene
    blob, cystic = _lesion(canvas, scene)
    level = blob.level(canvas) + canvas.noise(scene, 20, octaves=2) * np.float32(
        0.004 if cystic else 0.012
    )
    cover = soft_step(level, between(0.008, 0.05, difficulty))
    echo = _tissue(canvas, streams)
    echo = _lay_lesion(canvas, streams, echo, (cover, level), cystic, difficulty)
    echo = echo * _behind(canvas, scene, cover, cystic, difficulty)
    echo = _lay_clutter(canvas, streams.clutter, echo, difficulty)
    echo = echo * _fading(canvas, scene)
    speckle = _speckle(canvas, streams.texture)
    # log compression turns the multiplied grain into a milder power of it
    grey = echo * speckle ** np.float32(between(0.4, 0.8, difficulty))
    grey = grey + canvas.grain(streams.noise, between(0.008, 0.025, difficulty))
    return grey, (level > 0).astype(np.uint8)


def _lesion(canvas: Canvas, rng: Generator) -> tuple[Blob, bool]:
    """The outline, and whether it is a cyst (smooth, black, bright behind)."""
    cystic = bool(rng.random() < 0.4)
    radius = float(np.exp(rng.uniform(np.log(0.085), np.log(0.2))))
    high, wide = canvas.half
    centre = (
        rng.uniform(-0.55, 0.25) * (high - radius),
        rng.uniform(-0.8, 0.8) * max(wide - 1.3 * radius, 0.0),
    )
    rough = rng.uniform(0.02, 0.08) if cystic else rng.uniform(0.08, 0.2)
    stretch, angle = rng.uniform(1.1, 2.2), rng.normal(0, 0.2)
    return Blob.random(rng, centre, radius, rough=rough, stretch=stretch, angle=angle), cystic


def _tissue(canvas: Canvas, streams: Streams) -> Array:
    """Echo of skin, fat with septa, gland, and muscle, from the top down; 0..1, (H, W)."""
    rng = streams.texture
    depth = (canvas.y / np.float32(canvas.half[0]) + 1) / 2  # 0 at the skin, 1 at the bottom
    sag = 0.07 * canvas.noise(rng, 3, 2) + 0.015 * canvas.noise(rng, 6, 6)
    bed = depth + sag
    fat, gland, muscle = streams.scene.uniform((0.12, 0.42, 0.7), (0.3, 0.6, 0.9))
    septa = ridge(canvas.noise(rng, 20, 4), 0.13) + 0.6 * ridge(canvas.noise(rng, 36, 9), 0.14)
    fibres = np.clip(canvas.noise(rng, 44, 7, octaves=2), 0, None)
    lobules = 1 + 0.25 * canvas.noise(rng, 9, 5, octaves=2)
    thick = 0.4 + 0.6 * soft_step(canvas.noise(rng, 5, 3), 1.5)  # strands vary along their length
    echo = (0.20 + 0.30 * septa * thick) * lobules
    glandular = (0.30 + 0.26 * fibres + 0.14 * septa) * (lobules + 0.2 * canvas.noise(rng, 4, 3))
    echo = _over(echo, glandular, soft_step(bed - np.float32(fat), 0.08))
    deep = (0.17 + 0.22 * fibres * thick) * lobules
    echo = _over(echo, deep, soft_step(bed - np.float32(gland), 0.2))
    strands = ridge(canvas.noise(rng, 40, 3), 0.2)
    echo = _over(echo, 0.13 + 0.22 * strands * thick, soft_step(bed - np.float32(muscle), 0.03))
    echo = echo + 0.3 * ridge(bed - np.float32(muscle), 0.01) * thick  # the fascia on the muscle
    near = depth - 0.02 * canvas.noise(rng, 2, 3)
    skin = 0.35 * ridge(near - 0.012, 0.010) + 0.28 * ridge(near - 0.043, 0.007)
    return np.clip(echo + skin - 0.06 * ridge(near - 0.028, 0.008), 0.02, None)


def _over(below: Array, above: Array, cover: Array) -> Array:
    return below + cover * (above - below)


def _lay_lesion(
    canvas: Canvas,
    streams: Streams,
    echo: Array,
    shape: tuple[Array, Array],
    cystic: bool,
    difficulty: float,
) -> Array:
    """Put the lesion into the tissue, with a share of the echo around it."""
    cover, level = shape
    share = between(0.06 if cystic else 0.22, 0.55, difficulty)
    around = float(np.sum(echo * cover) / np.sum(cover))
    inner = canvas.noise(streams.texture, 18, octaves=3) * np.float32(0.02 if cystic else 0.16)
    inside = np.clip(around * np.float32(share) * (1 + 2 * inner), 0.01, None)
    capsule = ridge(level + 0.008, 0.01) * np.float32(between(0.12, 0.02, difficulty))
    return _over(echo + capsule * streams.scene.uniform(0.2, 1.0), inside, cover)


def _behind(canvas: Canvas, rng: Generator, cover: Array, cystic: bool, difficulty: float) -> Array:
    """What is left of the beam behind the lesion: more after a cyst, less after a solid one."""
    crossed = np.cumsum(cover, axis=0) / np.float32(canvas.unit)
    crossed = canvas.blur(crossed, 0.012) * (1 - cover)
    strength = rng.uniform(1.5, 3.5) if cystic else -rng.uniform(0.5, 5.0)
    return np.exp(np.float32(strength * between(1.0, 0.35, difficulty)) * crossed)


def _lay_clutter(canvas: Canvas, rng: Generator, echo: Array, difficulty: float) -> Array:
    """Draw what looks like a lesion and is none: fat lobules, ducts, shadows of ligaments."""
    outlines, levels = [], []
    for y, x, size, dark in rng.uniform(0, 1, (6, 4))[: round(between(0, 6, difficulty))]:
        centre = ((1.4 * y - 0.8) * canvas.half[0], (2 * x - 1) * canvas.half[1])
        lobule = Blob.random(rng, centre, 0.03 + 0.05 * size, rough=0.1, stretch=2.4, angle=0.0)
        outlines.append(lobule.outline())
        levels.append(0.15 + 0.3 * dark)
    echo = echo * (1 - canvas.blur(canvas.polygons(outlines, levels), 0.012))
    for x, width, dark in rng.uniform(0, 1, (3, 3))[: round(between(0, 3, difficulty))]:
        side = canvas.x - np.float32((2 * x - 1) * canvas.half[1]) - 0.1 * canvas.y
        shadow = ridge(side, 0.03 + 0.07 * width) * soft_step(canvas.y + 0.3, 0.3)
        echo = echo * (1 - np.float32(0.2 + 0.4 * dark) * shadow)
    return echo


def _fading(canvas: Canvas, rng: Generator) -> Array:
    """Attenuation with depth, and the sides where the probe has lost contact; (H, W)."""
    depth = canvas.y / np.float32(canvas.half[0]) + 1
    across = canvas.x / np.float32(canvas.half[1]) * rng.choice((-1, 1))
    loose = soft_step(across - np.float32(rng.uniform(0.75, 1.3)) + 0.05 * depth, 0.35)
    late = np.clip(depth - np.float32(rng.uniform(0.4, 1.2)), 0, None)
    left: Array = np.exp(-np.float32(rng.uniform(0.4, 1.1)) * late)
    return left * (1.45 - loose)


def _speckle(canvas: Canvas, rng: Generator) -> Array:
    """Rayleigh grain with mean 1, longer across the beam than along it.

    The grain is made on its own grid and then averaged into the pixels, so that a smaller picture
    shows the same scan.
    """
    parts = []
    for _ in range(2):
        cells = rng.standard_normal((320, 320), np.float32)
        cells = cells + 0.7 * (np.roll(cells, 1, 0) + np.roll(cells, -1, 0))
        wide = [tap * np.roll(cells, k - 3, 1) for k, tap in enumerate(ACROSS)]
        parts.append(np.sum(wide, axis=0, dtype=np.float32))
    amplitude = np.hypot(parts[0], parts[1])
    return np.clip(canvas.lay(amplitude / amplitude.mean()), 0.02, None)
