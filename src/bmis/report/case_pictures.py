"""The same cases by all methods: their masks, drawn on the images where these are at hand."""

import base64
import binascii
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.data.cases import Dataset, load_case
from bmis.data.channels import to_rgb
from bmis.data.drawing import overlay
from bmis.data.folder import find_cases
from bmis.data.palette import palette
from bmis.data.scan import scan_coding
from bmis.data.scan_channels import scan_channels
from bmis.errors import BmisError, DataError
from bmis.records import Record
from bmis.report.quantities import QUALITY
from bmis.report.results import DatasetResults, plain

_CASES = 4  # of a data set
_LARGEST_MASK = 512  # pixels; twice what a record may hold
_LARGEST_TEXT = 2**20  # letters of base64
_QUALITY = 80  # of the JPEG files
_GROUND = np.array((236, 238, 241), np.uint8)  # behind masks whose image is not there

Labels = NDArray[np.uint8]
Scene = tuple[NDArray[np.uint8], Labels]  # image (H, W, 3) and truth (H, W)


@dataclass(frozen=True)
class Tile:
    """One picture of a case.

    Attributes:
        caption: Under the picture.
        detail: Under the caption, smaller.
        source: The picture as a data URI.

    Example:
        >>> Tile("unet", "IoU 0.812", "data:image/png;base64,").caption
        'unet'
    """

    caption: str
    detail: str
    source: str


def draw_cases(dataset: DatasetResults) -> tuple[dict[str, list[Tile]], tuple[str, ...]]:
    """Draw the cases that most methods have kept a mask of.

    Returns:
        The tiles by case: its image and truth if they are on this machine, then each method's
        mask, the best method first. And sentences about what was left out.

    Example:
        >>> from bmis.records import Conditions, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> (polyps,) = read_results(write_record(Path("results"), failed).parent).datasets
        >>> draw_cases(polyps)
        ({}, ())
    """
    by_method = {method: dataset.records_of(method) for method in dataset.methods["method"]}
    kept = Counter(
        case for records in by_method.values() for case in {c for r in records for c in r.masks}
    )
    chosen = sorted(kept, key=lambda case: (-kept[case], case))[:_CASES]
    if not chosen:
        return {}, ()
    scenes, notes = _find_scenes(dataset.records, chosen)
    side = 224 if len(by_method) <= 12 else 176 if len(by_method) <= 24 else 144
    cases = {}
    for case in chosen:
        masks, errors = _read_masks(by_method, case)
        notes += errors
        if masks:
            cases[plain(case)] = _tiles(case, masks, scenes.get(case), side)
    return cases, tuple(dict.fromkeys(notes))


def read_mask_text(text: str) -> Labels:
    """Labels (H, W) uint8 from a PNG in base64, as records hold them.

    Raises:
        DataError: It is no PNG of labels, or larger than 512 pixels a side.

    Example:
        >>> stream = io.BytesIO()
        >>> Pillow.new("L", (32, 24)).save(stream, "PNG")
        >>> read_mask_text(base64.b64encode(stream.getvalue()).decode()).shape
        (24, 32)
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


def _read_masks(
    by_method: Mapping[str, Sequence[Record]], case: str
) -> tuple[list[tuple[Record, Labels]], list[str]]:
    """For each method the mask of its first seed that has one, and what could not be read."""
    masks, errors = [], []
    for records in by_method.values():
        record = next((record for record in records if case in record.masks), None)
        if record is not None:
            try:
                masks.append((record, read_mask_text(record.masks[case])))
            except DataError as error:
                errors.append(f"Left out: {plain(case)} by {record.trial}: {error}.")
    return masks, errors


def _find_scenes(
    records: Sequence[Record], chosen: Sequence[str]
) -> tuple[dict[str, Scene], list[str]]:
    """Images and truths of the cases, from the data set's folder if it is on this machine."""
    data = next(record.data for record in records if record.masks)
    path, classes = plain(data.get("path")), data.get("classes") or ("", "")
    try:
        if not path or not Path(path).is_dir():
            raise DataError(f"{path or 'the data set'}: not on this machine")
        found = find_cases(Path(path))
        cases = {case.id: case for case in found.cases}
        masks = [mask for case in found.cases for mask in case.masks]
        shown = [cases[name].image for name in chosen if name in cases]
        rules = replace(found.description.mask_rules, num_classes=len(classes))
        coding = scan_coding(Path(path), masks, rules)
        dataset = Dataset(
            Path(path),
            "",
            found.cases,
            tuple(classes),
            channels=found.description.channels or scan_channels(shown),
            coding=coding,
        )
    except (BmisError, OSError, TypeError, ValueError) as error:
        return {}, [f"The masks are drawn alone, since the images were not found: {error}."]
    scenes, notes = {}, []
    for name in chosen:
        try:
            image, truth = load_case(cases[name], dataset)
            scenes[name] = to_rgb(image.pixels), truth
        except (BmisError, KeyError) as error:
            notes.append(f"The masks of {plain(name)} are drawn alone, without the image: {error}.")
    return scenes, notes


def _tiles(
    case: str, masks: Sequence[tuple[Record, Labels]], scene: Scene | None, side: int
) -> list[Tile]:
    tiles = []
    if scene is not None:
        pixels, truth = _resized(scene, masks[0][1].shape)
        tiles.append(Tile("image", "", _jpeg(pixels, side)))
        tiles.append(Tile("truth", "", _jpeg(overlay(pixels, truth), side)))
    for record, labels in masks:
        iou = record.values(QUALITY).get(case)
        detail = "" if iou is None else f"IoU {iou:.3f}"
        if scene is None:
            source = _png(labels, side)
        else:
            pixels, truth = _resized(scene, labels.shape)
            source = _jpeg(overlay(pixels, labels, truth=truth), side)
        tiles.append(Tile(record.trial.method, detail, source))
    return tiles


def _resized(scene: Scene, shape: Sequence[int]) -> Scene:
    """Image and truth at the size of a mask (H, W)."""
    size = (shape[1], shape[0])
    pixels = Pillow.fromarray(scene[0]).resize(size, Pillow.Resampling.LANCZOS)
    truth = Pillow.fromarray(scene[1]).resize(size, Pillow.Resampling.NEAREST)
    return np.asarray(pixels), np.asarray(truth)


def _jpeg(pixels: NDArray[np.uint8], side: int) -> str:
    """An image as a data URI, its longer side ``side`` pixels at most."""
    picture = Pillow.fromarray(pixels)
    picture.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return _uri("jpeg", stream)


def _png(labels: Labels, side: int) -> str:
    """Labels in their colours on a plain ground, as a data URI."""
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
