"""Fundus phantoms: the retina with its vessel tree, optic disc and macula."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bmis.data.phantoms.blob import Blob
from bmis.data.phantoms.canvas import (
    Array,
    Canvas,
    Labels,
    Streams,
    Stroke,
    between,
    mix,
    soft_step,
    tint,
)
from bmis.data.phantoms.lines import Twigs, curve, grow

RADIUS = 0.478  # radius of the visible retina, in short sides
RETINA = ((0.88, 0.40, 0.20), (0.80, 0.33, 0.17), (0.84, 0.46, 0.24), (0.72, 0.36, 0.18))
# a main vessel, starting at the disc: height above the line to the macula (1 is the top), and
# distance along that line
ARCADE = ((0, 0), (0.42, 0.06), (0.82, 0.19), (1, 0.36), (0.92, 0.52), (0.72, 0.68), (0.6, 0.8))


class _Eye(NamedTuple):
    disc: Blob
    cup: Blob
    macula: tuple[float, float]
    side: int  # 1: the disc is on the right of the image, -1: on the left
    zoom: float


def draw(canvas: Canvas, streams: Streams, difficulty: float, classes: int) -> tuple[Array, Labels]:
    """Draw one eye.

    Args:
        canvas: Size of the picture.
        streams: Random generators.
        difficulty: 0 (clear) to 1 (faint and cluttered).
        classes: 2 for vessels, 3 for the optic disc and its cup.

    Returns:
        Colours (H, W, 3) from 0 to 1, and labels (H, W).

    Example:
        >>> picture, labels = draw(Canvas(64, 96), Streams.from_seed([0]), 0.5, classes=3)
        >>> picture.shape, labels.max()
        ((64, 96, 3), np.uint8(2))
    """
    scene, rng = streams.scene, streams.texture
    inside = np.float32(RADIUS) - canvas.distance((0.0, 0.0))
    eye = _eye(scene, zoom=1.0 if classes == 2 else 1.6)  # the disc is seen from closer
    arteries, veins = _vessels(canvas, scene, eye)
    retina = _retina(canvas, scene, rng, eye, difficulty)
    retina = _lay_clutter(canvas, streams.clutter, retina, difficulty)
    disc, cup = eye.disc.level(canvas), eye.cup.level(canvas)
    retina = _lay_disc(canvas, scene, retina, (disc, cup), difficulty)
    retina = _lay_vessels(canvas, retina, (arteries, veins), difficulty)
    retina *= _light(canvas, scene, difficulty)[..., None]
    retina += canvas.grain(streams.noise, between(0.008, 0.03, difficulty))[..., None]
    picture = mix(np.full_like(retina, 0.012), retina, soft_step(inside, 0.008))
    if classes == 2:
        labels = (canvas.strokes(arteries + veins) >= 0.5) & (inside > 0)
        return picture, labels.astype(np.uint8)
    return picture, (disc > 0).astype(np.uint8) + ((disc > 0) & (cup > 0)).astype(np.uint8)


def _eye(rng: Generator, *, zoom: float) -> _Eye:
    """Where disc, cup and macula lie."""
    side = int(rng.choice((-1, 1)))
    size = rng.uniform(0.062, 0.082) * zoom
    centre = (rng.uniform(-0.04, 0.03), side * rng.uniform(0.28, 0.36) / zoom)
    disc = Blob.random(rng, centre, size, rough=0.02, stretch=rng.uniform(0.85, 1.0), angle=0.0)
    within = (centre[0] + rng.normal(0, 0.004), centre[1] + rng.normal(0, 0.004))
    share = rng.uniform(0.38, 0.68)
    cup = Blob.random(rng, within, size * share, rough=0.04, stretch=0.95, angle=0.0)
    macula = (centre[0] + rng.uniform(0.0, 0.04), centre[1] - side * zoom * rng.uniform(0.3, 0.36))
    return _Eye(disc, cup, macula, side, zoom)


def _vessels(canvas: Canvas, rng: Generator, eye: _Eye) -> tuple[list[Stroke], list[Stroke]]:
    """Four arcades around the macula, and the smaller vessels of the other half."""
    kinds: tuple[list[Stroke], list[Stroke]] = ([], [])
    y, x = eye.disc.centre
    twigs = Twigs(step=0.013, steps=24, wander=0.11, branching=0.07, thinnest=0.0022)
    for up in (-1, 1):
        for kind, width in enumerate(rng.uniform((0.0085, 0.011), (0.0105, 0.0145))):
            arcade = _arcade(rng, eye, up, width)
            kinds[kind].append(arcade)
            kinds[kind].extend(_side_branches(rng, arcade, twigs))
        for kind in (0, 1):  # to the nose and the short way to the macula
            heading = np.pi / 2 - eye.side * (np.pi / 2) + up * eye.side * rng.uniform(0.35, 1.1)
            nasal = twigs._replace(steps=30, branching=0.11)
            kinds[kind].extend(grow(rng, (y, x), heading, rng.uniform(0.006, 0.009), nasal))
            heading = np.pi / 2 + eye.side * (np.pi / 2) - up * eye.side * rng.uniform(0.15, 0.5)
            short = twigs._replace(steps=15)
            kinds[kind].extend(grow(rng, (y, x), heading, rng.uniform(0.003, 0.0045), short))
    return _visible(canvas, eye, kinds[0]), _visible(canvas, eye, kinds[1])


def _visible(canvas: Canvas, eye: _Eye, strokes: list[Stroke]) -> list[Stroke]:
    """Zoom the vessels and drop those far thinner than a pixel, which no camera shows."""
    centre = np.array(eye.disc.centre)
    near = [Stroke(centre + (s.points - centre) * eye.zoom, s.widths * eye.zoom) for s in strokes]
    return [s for s in near if s.widths.max() * canvas.unit > 0.33]


def _arcade(rng: Generator, eye: _Eye, up: int, width: float) -> Stroke:
    """A main vessel: out of the disc, around the macula, on to the far edge."""
    (y, x), side = eye.disc.centre, eye.side
    tall = rng.uniform(0.22, 0.31)
    points = [
        (y + up * (rise * tall + rng.normal(0, 0.010)), x - side * (run + rng.normal(0, 0.008)))
        for rise, run in ARCADE
    ]
    points[0] = (y + up * 0.005, x)
    line = curve(points)
    return Stroke(line, width * np.linspace(1.0, 0.38, len(line)))


def _side_branches(rng: Generator, parent: Stroke, twigs: Twigs) -> list[Stroke]:
    """Branches of a vessel, forwards on both sides."""
    strokes: list[Stroke] = []
    line: NDArray[np.float64] = parent.points
    for k in range(9, len(line) - 4, 7):
        ahead = np.arctan2(*(line[k + 1] - line[k - 1]))
        heading = ahead + rng.choice((-1, 1)) * rng.uniform(0.4, 0.8)
        width = parent.widths[k] * rng.uniform(0.4, 0.72)
        if width > twigs.thinnest:
            strokes += grow(rng, line[k + rng.integers(-2, 3)], heading, width, twigs)
    return strokes


def _retina(
    canvas: Canvas, scene: Generator, rng: Generator, eye: _Eye, difficulty: float
) -> Array:
    """The background with the dark macula, (H, W, 3)."""
    base = np.array(RETINA[scene.integers(len(RETINA))]) * scene.uniform(0.85, 1.1)
    mottle = 0.05 * canvas.noise(rng, 5, octaves=3) + 0.02 * canvas.noise(rng, 60, octaves=2)
    # in some eyes the vessels of the choroid shine through: blurred, broad, not in the mask
    broad = np.abs(canvas.noise(rng, 16, 12, octaves=2))
    mottle = mottle + np.float32(between(0.0, 0.07, difficulty)) * (broad - 0.5)
    retina = tint(1 + mottle, base)
    macula = np.exp(-np.square(canvas.distance(eye.macula) / np.float32(0.075 * eye.zoom)))
    pit = np.exp(-np.square(canvas.distance(eye.macula) / np.float32(0.022 * eye.zoom)))
    return retina * np.exp(-tint(0.42 * macula + 0.2 * pit, (0.75, 1.0, 0.9)))


def _lay_disc(
    canvas: Canvas, rng: Generator, retina: Array, levels: tuple[Array, Array], difficulty: float
) -> Array:
    """Draw the pale disc and the paler cup in it."""
    disc, cup = levels
    glow = np.exp(-np.square(np.clip(-disc, 0, None) / np.float32(0.05)))
    retina = retina * (1 + np.float32(0.16) * glow)[..., None]
    pallor = between(1.0, 0.33, difficulty)
    cover = soft_step(disc, between(0.008, 0.035, difficulty)) * np.float32(pallor)
    retina = mix(retina, (0.98, rng.uniform(0.66, 0.78), rng.uniform(0.4, 0.5)), cover)
    cover = soft_step(cup, between(0.01, 0.035, difficulty)) * np.float32(pallor)
    return mix(retina, (1.0, 0.93, rng.uniform(0.66, 0.8)), 0.85 * cover)


def _lay_vessels(
    canvas: Canvas,
    retina: Array,
    strokes: tuple[list[Stroke], list[Stroke]],
    difficulty: float,
) -> Array:
    """Draw veins, then arteries, which are redder and have a bright line along the middle."""
    soften = between(0.0012, 0.0045, difficulty)
    depth = between(1.0, 0.5, difficulty)
    for kind, amount, colour in ((1, 0.7, (0.5, 1.0, 0.75)), (0, 0.55, (0.3, 1.0, 0.9))):
        # thin vessels hold less blood and absorb less light
        full = [0.25 + 0.75 * min(1.0, s.widths.mean() / 0.008) for s in strokes[kind]]
        order = np.argsort(full)
        blood = canvas.strokes([strokes[kind][k] for k in order], [full[k] for k in order])
        cover = canvas.blur(blood, soften)
        retina = retina * np.exp(-tint(cover * np.float32(amount * depth), colour))
    reflex = [
        Stroke(s.points, s.widths * 0.28) for s in strokes[0] if s.widths[0] > 4 / canvas.unit
    ]
    line = canvas.blur(canvas.strokes(reflex), 0.002) * np.float32(0.14 * depth)
    return retina * (1 + line)[..., None]


def _light(canvas: Canvas, rng: Generator, difficulty: float) -> Array:
    """Uneven light: bright around a point near the middle, dim towards the edge."""
    bright = (rng.uniform(-0.15, 0.15), rng.uniform(-0.2, 0.2))
    far = canvas.distance(bright) / np.float32(RADIUS)
    return 1.06 - np.float32(rng.uniform(0.15, 0.3) + 0.25 * difficulty) * far**2


def _lay_clutter(canvas: Canvas, rng: Generator, retina: Array, difficulty: float) -> Array:
    """Draw haemorrhages and hard exudates: spots that are neither vessel nor disc."""
    spots: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for y, x, size, pale in rng.uniform(0, 1, (14, 4))[: round(between(0, 14, difficulty))]:
        centre = (0.7 * y - 0.35, 0.7 * x - 0.35)
        spot = Blob.random(rng, centre, 0.005 + 0.012 * size, rough=0.2)
        spots[int(pale > 0.5)].append(spot.outline())
    for outlines, colour in zip(spots, ((0.4, 0.1, 0.06), (0.92, 0.76, 0.42)), strict=True):
        retina = mix(retina, colour, 0.6 * canvas.blur(canvas.polygons(outlines), 0.003))
    return retina
