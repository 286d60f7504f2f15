"""Dermoscopy phantoms: a pigmented lesion on skin, seen through a contact lens."""

import numpy as np
from numpy.random import Generator

from bmis.data.phantoms.blob import Blob
from bmis.data.phantoms.canvas import (
    Array,
    Canvas,
    Labels,
    Streams,
    Stroke,
    between,
    mix,
    ridge,
    soft_step,
    tint,
)
from bmis.data.phantoms.lines import ring

# fair, rosy, tan, grey light, brown; red, green, blue from 0 to 1
SKIN = (
    (0.95, 0.80, 0.76),
    (0.95, 0.74, 0.72),
    (0.85, 0.70, 0.60),
    (0.66, 0.62, 0.61),
    (0.68, 0.52, 0.42),
)
# optical density per colour: exp(-amount x density) of the light comes back
MELANIN = np.array((0.72, 1.0, 1.22), np.float32)
DEEP_MELANIN = np.array((1.35, 1.05, 0.75), np.float32)  # scatters blue back: the blue veil
BLOOD = np.array((0.25, 1.0, 0.85), np.float32)


def draw(canvas: Canvas, streams: Streams, difficulty: float, classes: int) -> tuple[Array, Labels]:
    """Draw one lesion on skin.

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
    level = _lesion_level(canvas, streams.scene)
    skin = tint(_fine_relief(canvas, streams.texture), _skin_tone(streams.scene))
    skin *= np.exp(-_absorbed(canvas, streams, level, difficulty))
    skin = _lay_hair(canvas, streams.clutter, skin, difficulty)
    skin = _lay_clutter(canvas, streams.clutter, skin, difficulty)
    skin *= _lens(canvas, streams.scene)[..., None]
    skin += canvas.grain(streams.noise, between(0.008, 0.03, difficulty))[..., None]
    return skin, (level > 0).astype(np.uint8)


def _skin_tone(rng: Generator) -> Array:
    one, other = rng.choice(len(SKIN), 2)
    share = rng.uniform(0, 0.5)
    tone = np.array(SKIN[one]) * (1 - share) + np.array(SKIN[other]) * share
    return (tone * rng.uniform(0.9, 1.05)).astype(np.float32)


def _lesion_level(canvas: Canvas, rng: Generator) -> Array:
    """Level of one to three joined blobs with a frayed outline, positive inside."""
    radius = float(np.exp(rng.uniform(np.log(0.11), np.log(0.34))))
    room = [max(half - 0.8 * radius, 0.0) * 0.55 for half in canvas.half]
    centre = (rng.uniform(-1, 1) * room[0], rng.uniform(-1, 1) * room[1])
    rough = rng.uniform(0.05, 0.2)
    stretch = rng.uniform(1.0, 1.6)
    level = Blob.random(rng, centre, radius, rough=rough, stretch=stretch).level(canvas)
    for _ in range(rng.integers(0, 3)):
        angle, part = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.4, 0.7)
        beside = (
            centre[0] + radius * 0.7 * np.sin(angle),
            centre[1] + radius * 0.7 * np.cos(angle),
        )
        lobe = Blob.random(rng, beside, part, rough=rough)
        level = np.maximum(level, lobe.level(canvas))
    fray = canvas.noise(rng, 14, octaves=3)
    return level + fray * np.float32(radius * rng.uniform(0.01, 0.05))


def _fine_relief(canvas: Canvas, rng: Generator) -> Array:
    """Brightness of bare skin: creases and uneven light."""
    creases = ridge(canvas.noise(rng, 30, 70), 0.2) + ridge(canvas.noise(rng, 70, 30), 0.2)
    pores = canvas.noise(rng, 24, octaves=3)
    return 1 + 0.05 * canvas.noise(rng, 3) + 0.018 * pores - 0.03 * creases


def _absorbed(canvas: Canvas, streams: Streams, level: Array, difficulty: float) -> Array:
    """Optical density (H, W, 3): blotches of the skin and the pigment of the lesion."""
    rng, scene = streams.texture, streams.scene
    redness = np.clip(canvas.noise(rng, 7, octaves=4), 0, None)
    density = tint(redness * np.float32(scene.uniform(0.03, 0.2)), BLOOD)
    freckles = np.clip(canvas.noise(rng, 13, octaves=3) - 1.1, 0, None)
    density += tint(freckles * np.float32(between(0.1, 0.55, difficulty)), MELANIN)
    cover = soft_step(level, between(0.02, 0.12, difficulty))
    strength = scene.uniform(0.85, 1.15) * between(1.15, 0.3, difficulty)
    pigment = cover * np.float32(strength) * _structure(canvas, rng, scene, level)
    density += tint(pigment, MELANIN)
    for kind, most in ((DEEP_MELANIN, 0.8), (BLOOD, 0.5)):
        patch = soft_step(
            canvas.noise(rng, 5, octaves=2) - np.float32(scene.uniform(0.3, 1.0)), 1.1
        )
        inside = soft_step(level - 0.02, 0.05)
        density += tint(patch * inside * np.float32(most * strength * scene.uniform(0.2, 1)), kind)
    halo = soft_step(level + 0.02, 0.14) * np.float32(scene.uniform(0, 0.14))
    return density + tint(halo, BLOOD)


def _structure(canvas: Canvas, rng: Generator, scene: Generator, level: Array) -> Array:
    """Pattern of the pigment inside: dark core, patches, network, dots. Values are near 1."""
    depth = np.clip(level / max(float(level.max()), 1e-6), 0, 1)
    patches = canvas.noise(rng, 6, octaves=4) * np.float32(scene.uniform(0.15, 0.5))
    network = ridge(canvas.noise(rng, 48), 0.45) * np.float32(scene.uniform(0.0, 0.4))
    dots = soft_step(canvas.noise(rng, 36) - 1.05, 0.3) * np.float32(scene.uniform(0, 0.9))
    core = np.float32(scene.uniform(0.1, 0.9)) * depth
    spread: Array = 0.75 + core + patches + network + dots * (depth > 0.08)
    return np.clip(spread, 0.25, None)


def _lay_hair(canvas: Canvas, rng: Generator, skin: Array, difficulty: float) -> Array:
    """Draw curved dark hairs, each with a faint shadow beside it."""
    hairs = []
    common = rng.uniform(0, np.pi)  # hairs of one place have about the same direction
    tallest, widest = canvas.half
    for place in rng.uniform(-1, 1, (16, 2))[: round(between(1, 16, difficulty))]:
        middle = np.array((place[0] * tallest, place[1] * widest))
        angle, long, bow = common + rng.normal(0, 0.5), rng.uniform(0.08, 0.4), rng.normal(0, 0.13)
        along, side = (
            np.array((np.sin(angle), np.cos(angle))),
            np.array((np.cos(angle), -np.sin(angle))),
        )
        t = np.linspace(-1, 1, 20)[:, None]
        points = middle + long * along * t + bow * side * (1 - t**2 + 0.4 * t**3)
        taper = np.linspace(1, 0.35, len(points)) * rng.uniform(0.003, 0.0065)
        hairs.append(Stroke(points, taper))
    cover = canvas.strokes(hairs)
    shadow = np.roll(canvas.blur(cover, 0.006), canvas.unit // 100, axis=0)
    colour = np.array((0.16, 0.10, 0.08)) * rng.uniform(0.6, 2.2)
    return mix(skin * (1 - 0.25 * shadow[..., None]), colour, 0.85 * cover)


def _lay_clutter(canvas: Canvas, rng: Generator, skin: Array, difficulty: float) -> Array:
    """Draw bubbles in the gel and, on some of the harder phantoms, a millimetre scale."""
    rims, glints = [], []
    for y, x, size in rng.uniform(-1, 1, (9, 3))[: round(between(0, 9, difficulty))]:
        radius = 0.016 + 0.011 * size
        centre = np.array((y * canvas.half[0], x * canvas.half[1]))
        rims.append(ring(centre, radius, 0.004))
        glints.append(ring(centre - radius * 0.45, 0.002, 0.003))
    light = canvas.strokes(rims + glints, [0.3] * len(rims) + [0.9] * len(glints))
    skin = mix(skin, (1.0, 1.0, 0.98), canvas.blur(light, 0.002))
    if rng.random() < difficulty:
        skin = mix(skin, (0.12, 0.1, 0.1), 0.8 * canvas.strokes(_scale_bar(canvas, rng)))
    return skin


def _scale_bar(canvas: Canvas, rng: Generator) -> list[Stroke]:
    """A ruler line with ticks along the bottom edge."""
    height, tilt = canvas.half[0] - rng.uniform(0.06, 0.12), rng.uniform(-0.05, 0.05)
    left, pitch = rng.uniform(-0.42, -0.3), rng.uniform(0.03, 0.045)
    thin = np.full(2, 0.004)
    ends = np.array([(height, left), (height + tilt * 16 * pitch, left + 16 * pitch)])
    strokes = [Stroke(ends, thin)]
    for k in range(17):
        foot = np.array((height + tilt * k * pitch, left + k * pitch))
        tall = 0.03 if k % 5 == 0 else 0.018
        strokes.append(Stroke(np.array([foot, foot - (tall, 0.0)]), thin))
    return strokes


def _lens(canvas: Canvas, rng: Generator) -> Array:
    """Light that falls off to the corners; every third lens leaves them black."""
    from_middle = canvas.distance((0.0, 0.0)) / np.float32(np.hypot(*canvas.half))
    light = 1 - np.float32(rng.uniform(0.05, 0.28)) * from_middle**2
    opening = rng.uniform(0.8, 0.92) if rng.random() < 0.35 else 2.0
    return light * soft_step(np.float32(opening) - from_middle, 0.03)
