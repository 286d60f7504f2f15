"""Labels drawn on images: contours, overlays and sheets of many pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from bmis.data.channels import to_rgb
from bmis.data.coding import IGNORE
from bmis.data.palette import palette
from bmis.errors import DataError

_PAPER, _INK = (255, 255, 255), (30, 30, 30)
_YELLOW = (240, 228, 66)  # over pixels that may be wrong; Okabe and Ito (2008)
_GREY = 128  # of the stripes over ignored pixels
# where a mask is wrong; colour-blind people can distinguish them
MISSED, ADDED, CONFUSED = (255, 165, 0), (60, 190, 255), (230, 120, 190)
_RIGHT = (255, 255, 255)
_GAP = 8  # pixels between the tiles of a sheet


def contours(labels: NDArray[np.uint8], width: int = 1) -> NDArray[np.uint8]:
    """Keep the rim of each connected area and set its inside to 0.

    Args:
        labels: (H, W) class numbers, 0 is background.
        width: Width of the rim in pixels, all inside the area. The edge of the image is no rim.

    Returns:
        (H, W) uint8: the class number on the rim, 0 elsewhere.

    Example:
        >>> labels = np.zeros((5, 5), np.uint8)
        >>> labels[1:4, 1:4] = 1
        >>> contours(labels)[2]
        array([0, 1, 0, 1, 0], dtype=uint8)
    """
    rim = np.zeros_like(labels)
    left = labels
    for _ in range(width):
        padded = np.pad(left, 1, mode="edge")
        middle = padded[1:-1, 1:-1]
        edge = np.zeros(labels.shape, np.bool_)
        for neighbour in (
            padded[:-2, 1:-1],
            padded[2:, 1:-1],
            padded[1:-1, :-2],
            padded[1:-1, 2:],
        ):
            edge |= middle != neighbour
        rim = np.where(edge & (left > 0), left, rim)
        left = np.where(edge, np.uint8(0), left)
    return rim


def overlay(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    *,
    truth: NDArray[np.uint8] | None = None,
    unsure: NDArray[np.bool_] | None = None,
    alpha: float = 0.25,
    width: int | None = None,
) -> NDArray[np.uint8]:
    """Draw labels on an image: each class tinted and outlined in its colour.

    Args:
        pixels: (H, W, C) uint8; of more than three channels the first three are shown.
        labels: (H, W) class numbers; ``IGNORE`` is hatched in grey.
        truth: (H, W) class numbers to compare with, outlined in black and white dashes.
        unsure: (H, W), where the labels may be wrong, tinted yellow.
        alpha: Strength of the tint, from 0 (contour only) to 1.
        width: Width of the contours in pixels; by default it grows with the image.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DataError: The sizes differ.

    Example:
        >>> labels = np.zeros((64, 64), np.uint8)
        >>> labels[20:40, 20:40] = 1
        >>> overlay(np.zeros((64, 64, 1), np.uint8), labels)[20, 20]  # colour of the contour
        array([ 60, 190, 255], dtype=uint8)
    """
    size = pixels.shape[:2]
    for name, array in (("labels", labels), ("truth", truth), ("unsure", unsure)):
        if array is not None and array.shape != size:
            raise DataError(f"{name} of shape {array.shape} do not fit an image of shape {size}")
    drawn = to_rgb(pixels).copy()
    width = width or max(1, round(min(size) / 300))
    for array in (labels, truth):
        if array is not None:
            _hatch(drawn, array == IGNORE, width)
    labels = np.where(labels == IGNORE, np.uint8(0), labels)
    colours = palette(int(labels.max()) + 1)
    inside = labels > 0
    tint = colours[labels[inside]].astype(np.float32) * alpha
    drawn[inside] = np.rint(drawn[inside] * np.float32(1 - alpha) + tint)
    if unsure is not None:
        drawn[unsure] = np.rint(drawn[unsure] * 0.5 + np.multiply(_YELLOW, 0.5))
    rim = contours(labels, width)
    drawn[rim > 0] = colours[rim[rim > 0]]
    if truth is not None:
        marks = np.where(truth == IGNORE, np.uint8(0), truth)
        rows, columns = np.nonzero(contours(marks, width))
        dash = 3 * width  # a chequered pattern gives dashes in every direction
        light = (rows // dash + columns // dash) % 2 == 0
        drawn[rows, columns] = np.where(light, np.uint8(255), np.uint8(0))[:, None]
    return drawn


def draw_differences(
    pixels: NDArray[np.uint8], labels: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Draw where labels are right and wrong, on the image in dark grey.

    Args:
        pixels: (H, W, C) uint8, C = 1 or 3.
        labels: (H, W) class numbers.
        truth: (H, W) class numbers to compare with; nothing is drawn where it is ``IGNORE``.

    Returns:
        (H, W, 3) uint8: white where both show the same class, ``MISSED`` where only the truth
        shows one, ``ADDED`` where only the labels do, ``CONFUSED`` where they show two.

    Example:
        >>> truth, labels = np.array([[0, 1, 1, 2]], np.uint8), np.array([[1, 0, 1, 1]], np.uint8)
        >>> black = np.zeros((1, 4, 3), np.uint8)
        >>> draw_differences(black, labels, truth)[0, :3].tolist()
        [[51, 162, 217], [217, 140, 0], [166, 166, 166]]
    """
    grey = pixels.astype(np.float32).mean(axis=2, keepdims=True) * 0.5
    drawn = np.repeat(grey, 3, axis=2)
    ours, theirs = labels > 0, (truth > 0) & (truth != IGNORE)
    ours &= truth != IGNORE
    for where, colour, alpha in (
        (ours & theirs & (labels == truth), _RIGHT, 0.65),
        (theirs & ~ours, MISSED, 0.85),
        (ours & ~theirs, ADDED, 0.85),
        (ours & theirs & (labels != truth), CONFUSED, 0.85),
    ):
        drawn[where] = drawn[where] * (1 - alpha) + np.multiply(colour, alpha)
    result: NDArray[np.uint8] = np.rint(drawn).astype(np.uint8)
    return result


def _hatch(drawn: NDArray[np.uint8], where: NDArray[np.bool_], width: int) -> None:
    """Draw grey diagonal stripes over some pixels."""
    rows, columns = np.nonzero(where)
    stripe = (rows + columns) // (3 * width) % 2 == 0
    drawn[rows[stripe], columns[stripe]] = _GREY


def contact_sheet(
    tiles: Sequence[tuple[str, NDArray[np.uint8]]], columns: int = 6, tile_size: int = 224
) -> NDArray[np.uint8]:
    """Put many pictures on one white sheet, each above its caption.

    Args:
        tiles: Captions and pictures (H, W, 3) uint8. Long captions are shortened in the middle.
        columns: Number of tiles side by side.
        tile_size: Side of a tile in pixels. Pictures are scaled to it with their aspect kept.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DataError: There are no tiles.

    Example:
        >>> black = np.zeros((64, 64, 3), np.uint8)
        >>> contact_sheet([("first", black), ("second", black)], tile_size=100).shape[1]
        224
    """
    if not tiles:
        raise DataError("a contact sheet needs at least one picture")
    font = ImageFont.load_default(size=max(11, tile_size // 16))
    columns = min(columns, len(tiles))
    line = sum(font.getmetrics()) + 4 if isinstance(font, ImageFont.FreeTypeFont) else 15
    across, down = tile_size + _GAP, tile_size + line + _GAP
    rows = -(-len(tiles) // columns)
    sheet = Pillow.new("RGB", (columns * across + _GAP, rows * down + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (caption, rgb) in enumerate(tiles):
        left, top = _GAP + index % columns * across, _GAP + index // columns * down
        picture = Pillow.fromarray(rgb)
        scale = tile_size / max(picture.size)
        if scale != 1:
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            picture = picture.resize(size, Pillow.Resampling.LANCZOS)
        spare_x, spare_y = (tile_size - picture.width) // 2, (tile_size - picture.height) // 2
        sheet.paste(picture, (left + spare_x, top + spare_y))
        pen.text((left, top + tile_size + 2), _shortened(caption, font, tile_size), _INK, font)
    return np.asarray(sheet)


def _shortened(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> str:
    """The caption without its middle, so that it fits; file names differ at both ends."""
    keep = len(caption)
    text = caption
    while font.getlength(text) > room and keep > 2:
        keep -= 1
        text = caption[: -(-keep // 2)] + "..." + caption[len(caption) - keep // 2 :]
    return text
