"""Outlines of all kinds, filled as the tools that draw them fill them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from bmis.errors import DataError, require
from bmis.importing.run_lengths import decode_runs, unpack_counts
from bmis.importing.source import Draw, Drawn
from bmis.wording import counted

Size = tuple[int, int]
Mask = NDArray[np.bool_]
Fill = Callable[[Size], Mask]
"""Fills a shape on an image of (height, width) pixels, or raises ``DataError``."""


@dataclass(frozen=True)
class Shape:
    """One labelled shape.

    Attributes:
        label: Class number.
        name: What the shape is called in messages, such as "annotation 7".
        fill: Gives the pixels of the shape.

    Example:
        >>> shape = Shape(1, "shape 1", polygon([(1, 1), (4, 1), (4, 4), (1, 4)]))
        >>> int(shape.fill((8, 8)).sum())
        16
    """

    label: int
    name: str
    fill: Fill


def painter(path: Path, shapes: Sequence[Shape], declared: Size | None = None) -> Draw:
    """Draw shapes one above the other: where they overlap the later one counts.

    Args:
        path: File of the shapes, for messages.
        shapes: Shapes in the order to paint them.
        declared: Height and width of the image by the file of the shapes, if it says so.

    Example:
        >>> square = Shape(1, "shape 1", polygon([(1, 1), (4, 1), (4, 4), (1, 4)]))
        >>> int(painter(Path("a.json"), [square])((8, 8)).labels.sum())
        16
    """

    def draw(size: Size) -> Drawn:
        if declared is not None and declared != size:
            raise DataError(
                f"{path}: is for an image of {declared[0]} x {declared[1]} pixels, and the image "
                f"has {size[0]} x {size[1]} (height x width); export both at one size"
            )
        try:
            return _paint(shapes, size)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    return draw


def _paint(shapes: Sequence[Shape], size: Size) -> Drawn:
    labels, problems, covered = np.zeros(size, np.uint8), [], 0
    for shape in shapes:
        try:
            mask = shape.fill(size)
        except DataError as error:
            raise DataError(f"{shape.name}: {error}") from error
        if not mask.any():
            problems.append(f"{shape.name} encloses no pixel and was left out; draw it again")
        covered += int((mask & (labels > 0) & (labels != shape.label)).sum())
        labels[mask] = shape.label
    notes = ["nothing is labelled: all background"] if not shapes else []
    if covered:
        notes.append(f"classes overlap in {counted(covered, 'pixel')}: the later one counts")
    return Drawn(labels, tuple(notes), tuple(problems))


def check_points(points: Any, size: Size) -> NDArray[np.float64]:
    """Points (N, 2) as x, y in pixels, none of them far from the image.

    Raises:
        DataError: They are no pairs of finite numbers, or lie more than an image away.

    Example:
        >>> check_points([[1, 2], [3, 4]], (8, 8)).shape
        (2, 2)
        >>> check_points([[1, None]], (8, 8))
        Traceback (most recent call last):
        bmis.errors.DataError: has points that are no pairs of numbers; draw it again
    """
    try:
        array = np.array(points, np.float64)
    except (TypeError, ValueError):
        array = np.full((1, 2), np.nan)
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise DataError("has points that are no pairs of numbers; draw it again")
    height, width = size
    if (np.abs(array - (width / 2, height / 2)) > (1.5 * width, 1.5 * height)).any():
        raise DataError(
            f"has a point far from the image of {height} x {width} pixels (height x width); "
            "check which image it belongs to"
        )
    return array


def polygon(points: Any, *, whole: bool = False) -> Fill:
    """A polygon with its rim, as LabelMe and OpenCV fill it.

    Args:
        points: Corners as x, y in pixels.
        whole: Round the corners to whole pixels first, as those who use OpenCV do.

    Example:
        >>> int(polygon([(1, 1), (4, 1), (4, 4), (1, 4)])((8, 8)).sum())
        16
    """

    def fill(size: Size) -> Mask:
        corners = check_points(points, size)
        if whole:
            corners = np.rint(corners)
        if _is_flat(corners):
            return np.zeros(size, np.bool_)
        return _drawn(size, "polygon", [tuple(corner) for corner in corners.tolist()])

    return fill


def rectangle(points: Any) -> Fill:
    """A rectangle with its rim between two corners, as LabelMe fills it.

    Example:
        >>> int(rectangle([(4, 4), (1, 1)])((8, 8)).sum())
        16
    """

    def fill(size: Size) -> Mask:
        corners = _exactly(2, check_points(points, size))
        low, high = corners.min(axis=0), corners.max(axis=0)
        if (low == high).any():
            return np.zeros(size, np.bool_)
        return _drawn(size, "rectangle", [*low.tolist(), *high.tolist()])

    return fill


def circle(points: Any) -> Fill:
    """A circle by its centre and a point on its rim, as LabelMe fills it.

    Example:
        >>> bool(circle([(4, 4), (4, 7)])((9, 9))[4, 7])
        True
    """

    def fill(size: Size) -> Mask:
        centre, rim = _exactly(2, check_points(points, size))
        radius = math.dist(centre, rim)
        if not radius:
            return np.zeros(size, np.bool_)
        return _drawn(size, "ellipse", [*(centre - radius).tolist(), *(centre + radius).tolist()])

    return fill


def ellipse(centre: Any, radii: tuple[float, float], degrees: float) -> Fill:
    """A turned ellipse: all pixels whose centre lies inside of it.

    Args:
        centre: x and y in pixels.
        radii: Half axes along x and y before it is turned, in pixels.
        degrees: Angle that it is turned by, clockwise.

    Example:
        >>> int(ellipse((4, 4), (2, 1), 90)((8, 8)).sum())
        8
    """

    def fill(size: Size) -> Mask:
        ((x, y),) = check_points([centre], size)
        if not all(0 < radius < math.inf for radius in radii) or not math.isfinite(degrees):
            return np.zeros(size, np.bool_)
        rows, columns = np.ogrid[: size[0], : size[1]]
        across, down = columns + 0.5 - x, rows + 0.5 - y
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        along, beside = cos * across + sin * down, cos * down - sin * across
        return np.asarray((along / radii[0]) ** 2 + (beside / radii[1]) ** 2 <= 1)

    return fill


def outlines(polygons: Sequence[Any]) -> Fill:
    """Polygons of COCO and CVAT, all of them together.

    Corners in whole pixels were traced around a mask: they are the centres of its outermost
    pixels, and the rim belongs to the object. Others were drawn by hand, see ``drawn_outlines``.

    Args:
        polygons: Corners of each as a flat list x, y, x, y, in pixels.

    Example:
        >>> int(outlines([[1, 1, 4, 1, 4, 4, 1, 4]])((8, 8)).sum())
        16
    """

    def fill(size: Size) -> Mask:
        mask = np.zeros(size, np.bool_)
        for one in polygons:
            corners = check_points(_pairs(one), size)
            traced = (corners == np.rint(corners)).all()
            mask |= (polygon(corners) if traced else drawn_outlines([one]))(size)
        return mask

    return fill


def drawn_outlines(polygons: Sequence[Any]) -> Fill:
    """Polygons as pycocotools fills them: 0, 0 is the outer corner of the first pixel.

    Args:
        polygons: Corners of each as a flat list x, y, x, y, in pixels.

    Raises:
        MissingExtraError: pycocotools is not installed.

    Example:
        >>> int(drawn_outlines([[1, 1, 5, 1, 5, 5, 1, 5]])((8, 8)).sum())
        16
    """
    rasters = require("pycocotools.mask", extra="import")

    def fill(size: Size) -> Mask:
        flat = [check_points(_pairs(one), size) for one in polygons]
        kept = [one.ravel().tolist() for one in flat if not _is_flat(one)]
        if not kept:
            return np.zeros(size, np.bool_)
        rle = rasters.merge(rasters.frPyObjects(kept, *size))
        return decode_runs(unpack_counts(rle["counts"].decode()), size, by_columns=True)

    return fill


def _pairs(flat: Any) -> Any:
    if not isinstance(flat, list) or len(flat) % 2:
        raise DataError("has a polygon that is no list of x, y, x, y; export it again")
    return list(zip(flat[::2], flat[1::2], strict=True))


def _exactly(count: int, points: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(points) != count:
        raise DataError(f"has {counted(len(points), 'point')} instead of {count}; draw it again")
    return points


def _is_flat(corners: NDArray[np.float64]) -> bool:
    """Whether a polygon encloses nothing."""
    x, y = (corners - corners[:1]).T
    return bool(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) < 1e-9)


def _drawn(size: Size, what: str, xy: Any) -> Mask:
    canvas = Pillow.new("1", (size[1], size[0]))
    getattr(ImageDraw.Draw(canvas), what)(xy, fill=1, outline=1)
    return np.array(canvas)
