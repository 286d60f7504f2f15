"""The same cases by all methods: their masks, drawn on the images where these are at hand."""

from collections import Counter
from collections.abc import Mapping, Sequence

from bmis.data.drawing import overlay
from bmis.data.mask_text import read_mask_text
from bmis.errors import BmisError, DataError
from bmis.records import Record
from bmis.report.pictures import (
    Labels,
    Scene,
    Tile,
    find_dataset,
    load_scenes,
    resize_scene,
    to_jpeg,
    to_png,
)
from bmis.report.quantities import QUALITY
from bmis.report.results import DatasetResults, plain

_CASES = 4  # of a data set


def draw_cases(dataset: DatasetResults) -> tuple[dict[str, list[Tile]], tuple[str, ...]]:
    """Draw the cases that most methods have kept a mask of.

    Returns:
        The tiles by case: its image and truth if they are on this machine, then each method's
        mask, the best method first. And sentences about what was left out.

    Example:
        >>> from pathlib import Path
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
    try:
        dataset = find_dataset(plain(data.get("path")), data.get("classes") or ("", ""))
    except (BmisError, OSError, TypeError, ValueError) as error:
        return {}, [f"The masks are drawn alone, since the images were not found: {error}."]
    return load_scenes(dataset, chosen)


def _tiles(
    case: str, masks: Sequence[tuple[Record, Labels]], scene: Scene | None, side: int
) -> list[Tile]:
    tiles = []
    if scene is not None:
        pixels, truth = resize_scene(scene, masks[0][1].shape)
        tiles.append(Tile("image", "", to_jpeg(pixels, side)))
        tiles.append(Tile("truth", "", to_jpeg(overlay(pixels, truth), side)))
    for record, labels in masks:
        iou = record.values(QUALITY).get(case)
        detail = "" if iou is None else f"IoU {iou:.3f}"
        if scene is None:
            source = to_png(labels, side)
        else:
            pixels, truth = resize_scene(scene, labels.shape)
            source = to_jpeg(overlay(pixels, labels, truth=truth), side)
        tiles.append(Tile(record.trial.method, detail, source))
    return tiles
