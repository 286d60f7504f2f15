"""What a clinic does to images: borders, turns, other cameras, text; each with its exact mask.

Each perturbation changes the pixels, and where it moves or covers them also the labels. What is
drawn around or over an image is background. The kinds and their strengths follow what made trained
networks fail on images from elsewhere; ``docs/reference/metrics.md`` lists them.
"""

import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter, ImageFont

from bmis.data.channels import to_channels

_SHARES = (5, 10)  # of the side, in percent, that a border adds
_SIDES: Mapping[str, tuple[int, int, int, int]] = {  # above, below, left, right
    "all sides": (1, 1, 1, 1),
    "top": (1, 0, 0, 0),
    "bottom": (0, 1, 0, 0),
    "left": (0, 0, 1, 0),
    "right": (0, 0, 0, 1),
}
_FILLS: Mapping[str, int | None] = {"black": 0, "white": 255, "mirrored": None}
_GAMMAS = (0.7, 1.4)
_BLUR = 1.5  # pixels, standard deviation
_NOISE = 10.0  # of 255, standard deviation
_JPEG = 40  # quality
_CORNERS = 1.0  # radius of what stays visible, in halves of each side
_TEXT = "ID 0000 12:34:56"
_RGB = 3
_INSET = 0.25  # side of the picture in the picture, as a share of the image's


@dataclass(frozen=True)
class Sample:
    """An image on its way through a perturbation.

    Attributes:
        pixels: (H, W, C) uint8.
        labels: (H, W) uint8 class numbers.
        counted: (H, W) bool, true where a pixel counts in the scores; None if all do.

    Example:
        >>> Sample(np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.uint8)).counted is None
        True
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    counted: NDArray[np.bool_] | None = None


Change = Callable[[Sample, np.random.Generator], Sample]


@dataclass(frozen=True)
class Perturbation:
    """One change of an image.

    Attributes:
        kind: What it is one of, such as "black border".
        name: The kind with its strength and side, such as "black border, 10 %, left".
        change: Makes the changed sample; equal random numbers give equal samples.

    Example:
        >>> next(one.kind for one in PERTURBATIONS)
        'black border'
    """

    kind: str
    name: str
    change: Change

    def __call__(self, sample: Sample, case: str) -> Sample:
        """Change a sample; the name of its case makes it the same in every run."""
        seed = zlib.crc32(f"{self.name}/{case}".encode())
        return self.change(sample, np.random.default_rng(seed))


def _moved(sample: Sample, move: Callable[[NDArray[np.generic]], NDArray[np.generic]]) -> Sample:
    """Do the same to pixels, labels and what counts."""
    counted = None if sample.counted is None else np.ascontiguousarray(move(sample.counted))
    pixels, labels = (np.ascontiguousarray(move(a)) for a in (sample.pixels, sample.labels))
    return Sample(pixels, labels, counted)


def _recoloured(sample: Sample, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Sample:
    return replace(sample, pixels=change(sample.pixels))


def _border(
    sample: Sample,
    _: np.random.Generator,
    *,
    share: int,
    fill: int | None,
    sides: tuple[int, int, int, int],
) -> Sample:
    """Add a border around the image. A mirrored one does not count: who can say what it shows?"""
    height, width = sample.labels.shape
    down, across = (max(1, round(side * share / 100)) for side in (height, width))
    above, below, left, right = (
        present * reach for present, reach in zip(sides, (down, down, across, across), strict=True)
    )
    around = ((above, below), (left, right))
    labels, counted = np.pad(sample.labels, around), sample.counted
    if fill is None:
        pixels = np.pad(sample.pixels, (*around, (0, 0)), mode="symmetric")
        inside = np.ones(sample.labels.shape, np.bool_) if counted is None else counted
        return Sample(pixels, labels, np.pad(inside, around))
    pixels = np.pad(sample.pixels, (*around, (0, 0)), constant_values=fill)
    if counted is not None:
        counted = np.pad(counted, around, constant_values=True)
    return Sample(pixels, labels, counted)


def _dark_corners(sample: Sample, _: np.random.Generator) -> Sample:
    """Black outside an ellipse, as a dermoscope or an endoscope shows it."""
    height, width = sample.labels.shape
    rows = (np.arange(height)[:, None] + 0.5) / height * 2 - 1
    columns = (np.arange(width) + 0.5) / width * 2 - 1
    seen = rows**2 + columns**2 <= _CORNERS**2
    return replace(sample, pixels=sample.pixels * seen[..., None], labels=sample.labels * seen)


def _turned(sample: Sample, _: np.random.Generator, *, quarters: int) -> Sample:
    return _moved(sample, partial(np.rot90, k=quarters))


def _flipped(sample: Sample, _: np.random.Generator, *, axis: int) -> Sample:
    return _moved(sample, partial(np.flip, axis=axis))


def _scaled(sample: Sample, _: np.random.Generator, *, factor: float) -> Sample:
    height, width = (max(1, round(side * factor)) for side in sample.labels.shape)

    def resize(plane: NDArray[np.generic], how: Pillow.Resampling) -> NDArray[np.uint8]:
        return np.asarray(Pillow.fromarray(plane.astype(np.uint8)).resize((width, height), how))

    nearest = Pillow.Resampling.NEAREST
    counted = None if sample.counted is None else resize(sample.counted, nearest) > 0
    planes = [
        resize(plane, Pillow.Resampling.BILINEAR) for plane in np.moveaxis(sample.pixels, 2, 0)
    ]
    return Sample(np.stack(planes, axis=2), resize(sample.labels, nearest), counted)


def _grey(sample: Sample, _: np.random.Generator) -> Sample:
    if sample.pixels.shape[2] != _RGB:
        return sample
    return _recoloured(sample, lambda pixels: to_channels(to_channels(pixels, 1), _RGB))


def _gamma(sample: Sample, _: np.random.Generator, *, gamma: float) -> Sample:
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return _recoloured(sample, lambda pixels: table[pixels])


def _noisy(sample: Sample, random: np.random.Generator) -> Sample:
    noise = random.standard_normal(sample.pixels.shape, np.float32) * np.float32(_NOISE)
    noisy = np.clip(np.rint(sample.pixels + noise), 0, 255).astype(np.uint8)
    return replace(sample, pixels=noisy)


def _drawn(sample: Sample, draw: Callable[[Pillow.Image], Pillow.Image]) -> Sample:
    """Let Pillow change the picture, plane by plane where it is not RGB."""
    pixels = sample.pixels
    if pixels.shape[2] == _RGB:
        return replace(sample, pixels=np.asarray(draw(Pillow.fromarray(pixels))))
    planes = [np.asarray(draw(Pillow.fromarray(plane))) for plane in np.moveaxis(pixels, 2, 0)]
    return replace(sample, pixels=np.stack(planes, axis=2))


def _blurred(sample: Sample, _: np.random.Generator) -> Sample:
    return _drawn(sample, lambda picture: picture.filter(ImageFilter.GaussianBlur(_BLUR)))


def _compressed(sample: Sample, _: np.random.Generator) -> Sample:
    def through_jpeg(picture: Pillow.Image) -> Pillow.Image:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=_JPEG)
        return Pillow.open(stream)

    return _drawn(sample, through_jpeg)


def _burnt_in(sample: Sample, _: np.random.Generator) -> Sample:
    """Two lines of white text, at the top left and at the bottom right."""

    def write(picture: Pillow.Image) -> Pillow.Image:
        size = max(8, picture.height // 20)
        pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
        white = "white" if picture.mode == "RGB" else 255
        for place, anchor in (
            ((size // 2, size // 2), "la"),
            ((picture.width - size // 2, picture.height - size // 2), "rd"),
        ):
            pen.text(place, _TEXT, fill=white, font=font, anchor=anchor)
        return picture

    return _drawn(sample, write)


def _picture_in_picture(sample: Sample, _: np.random.Generator) -> Sample:
    """A small copy of the image at the bottom left. It is background: a picture is no organ."""
    height, width = (max(1, round(side * _INSET)) for side in sample.labels.shape)
    small = _scaled(sample, _, factor=_INSET).pixels[:height, :width]
    pixels, labels = sample.pixels.copy(), sample.labels.copy()
    pixels[-height:, :width], labels[-height:, :width] = small, 0
    return replace(sample, pixels=pixels, labels=labels)


def _perturbations() -> tuple[Perturbation, ...]:
    borders = [
        Perturbation(
            f"{fill} border",
            f"{fill} border, {share} %, {where}",
            partial(_border, share=share, fill=value, sides=sides),
        )
        for fill, value in _FILLS.items()
        for share in _SHARES
        for where, sides in _SIDES.items()
    ]
    turns = [
        Perturbation("quarter turn", f"turned by {90 * k} degrees", partial(_turned, quarters=k))
        for k in (1, 2, 3)
    ]
    return (
        *borders,
        Perturbation("dark corners", "dark corners", _dark_corners),
        *turns,
        Perturbation("flip", "flipped left to right", partial(_flipped, axis=1)),
        Perturbation("flip", "flipped upside down", partial(_flipped, axis=0)),
        Perturbation("half size", "half size", partial(_scaled, factor=0.5)),
        Perturbation("double size", "double size", partial(_scaled, factor=2.0)),
        Perturbation("grey", "grey", _grey),
        *(Perturbation("gamma", f"gamma {g}", partial(_gamma, gamma=g)) for g in _GAMMAS),
        Perturbation("blur", f"blur of {_BLUR} pixels", _blurred),
        Perturbation("noise", f"noise of {_NOISE:g} in 255", _noisy),
        Perturbation("JPEG", f"JPEG of quality {_JPEG}", _compressed),
        Perturbation("text", "text burnt in", _burnt_in),
        Perturbation("picture in picture", "a picture in the picture", _picture_in_picture),
    )


PERTURBATIONS = _perturbations()
