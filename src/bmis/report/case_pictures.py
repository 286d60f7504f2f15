"""The same cases by all methods: their masks, drawn on the images where these are at hand."""

import base64
import binascii
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.data.cases import Dataset, load_case
from bmis.data.drawing import overlay
from bmis.data.folder import find_cases
from bmis.data.palette import palette
from bmis.errors import BmisError, DataError
from bmis.records import Record
from bmis.report.quantities import QUALITY
from bmis.report.results import Entry, Panel, plain

_CASES = 4  # of a data set
_LARGEST_MASK = 512  # pixels; twice what a record may hold
_LARGEST_TEXT = 2**20  # letters of base64
_QUALITY = 80  # of the JPEG files
_GROUND = np.array((236, 238, 241), np.uint8)  # behind masks whose image is not there

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """One picture.

    Attributes:
        caption: Under it.
        detail: Under that, smaller.
        source: The picture as a data URI.
    """

    caption: str
    detail: str
    source: str


@dataclass(frozen=True)
class Strip:
    """One case: its image and truth if they are there, then each method's mask."""

    case: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Pictures:
    """All strips of a data set, and what is to be said of them."""

    strips: tuple[Strip, ...] = ()
    notes: tuple[str, ...] = ()


def draw_pictures(panel: Panel, names: Sequence[str]) -> Pictures:
    """Draw the cases that most methods have kept a mask of.

    What cannot be read is left out and told in the notes.

    Args:
        panel: The data set.
        names: Methods, in the order of the tiles.
    """
    entries = [panel.entries[name] for name in names]
    told = Counter(case for e in entries for case in {c for r in e.records for c in r.masks})
    chosen = sorted(told, key=lambda case: (-told[case], str(case)))[:_CASES]
    if not chosen:
        return Pictures()
    records = [record for entry in entries for record in entry.records]
    scenes, notes = _find_scenes(records, chosen)
    side = 224 if len(entries) <= 12 else 176 if len(entries) <= 24 else 144
    strips = []
    for case in chosen:
        masks, faults = _masks(entries, case)
        notes += faults
        if masks:
            strips.append(Strip(plain(case), _strip(case, masks, scenes.get(case), side)))
    return Pictures(tuple(strips), tuple(dict.fromkeys(notes)))


def read_mask_text(text: str) -> Labels:
    """Labels (H, W) uint8 from a PNG in base64, as records hold them.

    Raises:
        DataError: It is no PNG of labels, or larger than 512 pixels a side.
    """
    if not isinstance(text, str) or len(text) > _LARGEST_TEXT:
        raise DataError("a mask in a record is no text, or too long for one")
    try:
        data = base64.b64decode(text, validate=True)
        with Pillow.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if max(picture.size) > _LARGEST_MASK:
                raise DataError(f"a mask of {picture.width} x {picture.height} pixels in a record")
            if picture.mode not in ("L", "P", "1"):
                raise DataError(f"a mask of mode {picture.mode} in a record; labels are grey")
            return np.asarray(picture).astype(np.uint8)
    except (binascii.Error, OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as e:
        raise DataError(f"a mask in a record is no PNG ({' '.join(str(e).split())})") from e


@dataclass(frozen=True)
class _Scene:
    """Image (H, W, 3) and truth (H, W), at their own size."""

    pixels: NDArray[np.uint8]
    truth: Labels


def _masks(
    entries: Sequence[Entry], case: str
) -> tuple[list[tuple[str, Record, Labels]], list[str]]:
    """For each method the mask of its first seed that has one."""
    masks, faults = [], []
    for entry in entries:
        for record in entry.records:
            if case in record.masks:
                try:
                    masks.append((entry.method, record, read_mask_text(record.masks[case])))
                except DataError as error:
                    faults.append(f"Left out: {plain(case)} by {record.trial}: {error}.")
                break
    return masks, faults


def _find_scenes(
    records: Sequence[Record], chosen: Sequence[str]
) -> tuple[dict[str, _Scene], list[str]]:
    """Images and truths of the cases, from the data set's folder if it is on this machine."""
    told = next(record.data for record in records if record.masks)
    path, classes = plain(told.get("path")), told.get("classes") or ("", "")
    try:
        if not path or not Path(path).is_dir():
            raise DataError(f"{path or 'the data set'}: not on this machine")
        cases = {case.id: case for case in find_cases(Path(path)).cases}
        dataset = Dataset(Path(path), "", tuple(cases.values()), tuple(classes), channels=3)
    except (BmisError, OSError, TypeError, ValueError) as error:
        return {}, [f"The masks are drawn alone, since the images were not found: {error}."]
    scenes, notes = {}, []
    for name in chosen:
        try:
            image, truth = load_case(cases[name], dataset)
            scenes[name] = _Scene(image.pixels, truth)
        except (BmisError, KeyError) as error:
            notes.append(f"The masks of {plain(name)} are drawn alone, without the image: {error}.")
    return scenes, notes


def _strip(
    case: str,
    masks: Sequence[tuple[str, Record, Labels]],
    scene: _Scene | None,
    side: int,
) -> tuple[Tile, ...]:
    tiles = []
    if scene is not None:
        height, width = masks[0][2].shape
        pixels, truth = _resized(scene, (height, width))
        tiles.append(Tile("image", "", _jpeg(pixels, side)))
        tiles.append(Tile("truth", "", _jpeg(overlay(pixels, truth), side)))
    for name, record, labels in masks:
        value = dict(zip(record.cases["id"], record.cases[QUALITY], strict=True)).get(case)
        detail = "" if value is None else f"IoU {value:.3f}"
        if scene is None:
            source = _png(labels, side)
        else:
            pixels, truth = _resized(scene, labels.shape)
            source = _jpeg(overlay(pixels, labels, truth=truth), side)
        tiles.append(Tile(name, detail, source))
    return tuple(tiles)


def _resized(scene: _Scene, shape: Sequence[int]) -> tuple[NDArray[np.uint8], Labels]:
    size = (shape[1], shape[0])
    pixels = Pillow.fromarray(scene.pixels).resize(size, Pillow.Resampling.LANCZOS)
    truth = Pillow.fromarray(scene.truth).resize(size, Pillow.Resampling.NEAREST)
    return np.asarray(pixels), np.asarray(truth)


def _jpeg(pixels: NDArray[np.uint8], side: int) -> str:
    picture = Pillow.fromarray(pixels)
    picture.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return _uri("jpeg", stream)


def _png(labels: Labels, side: int) -> str:
    """Labels in their colours on a plain ground."""
    colours = palette(int(labels.max()) + 1).copy()
    colours[0] = _GROUND
    picture = Pillow.fromarray(labels)
    picture.putpalette(colours.tobytes())
    picture.thumbnail((side, side), Pillow.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return _uri("png", stream)


def _uri(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
