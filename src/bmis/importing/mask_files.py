"""Sources whose masks are pictures: the masks are read, one rule is found, items are made."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.cases import Case
from bmis.data.labels import class_names, wrong_size
from bmis.data.pairs import Layout
from bmis.errors import DataError
from bmis.importing.mask_rules import Rule, choose_rule, convert_mask
from bmis.importing.mask_values import MaskSet, survey_masks
from bmis.importing.settings import ImportOptions
from bmis.importing.shapes import Size
from bmis.importing.source import Draw, Drawn, Item, Source, choose_classes
from bmis.wording import counted


def lost_masks(layout: Layout) -> list[DataError]:
    """Errors of images without a mask, and of masks without an image.

    Example:
        >>> [str(error) for error in lost_masks(Layout((), (Path("a_mask.png"),)))]
        ['a_mask.png: goes with no image; rename or remove it']
    """
    return [
        *(DataError(f"{p.image}: has no mask; add one") for p in layout.pairs if not p.masks),
        *(DataError(f"{p}: goes with no image; rename or remove it") for p in layout.unmatched),
    ]


def masked_source(
    images: Sequence[Case],
    options: ImportOptions,
    failed: Sequence[DataError] = (),
    rule: Rule | None = None,
) -> Source:
    """Find one rule for all masks, and give the images with their masks by that rule.

    Args:
        images: Images that have masks.
        options: How to read the masks.
        failed: Errors so far.
        rule: The rule, where a file explains the colours; else it is found.

    Raises:
        DataError: No mask can be read, or the values mean nothing that is known.

    Example:
        >>> case = Case("photo", Path("photo.png"), (Path("polyps/masks/endoscopy_0001.png"),))
        >>> masked_source([case], ImportOptions()).classes
        ('background', 'foreground')
    """
    paths = [mask for one in images for mask in one.masks]
    found, errors = survey_masks(paths, colours=rule is not None)
    if not found.per_mask:
        raise next(iter(errors.values()), DataError("no image has a mask; add masks"))
    if rule is None:
        try:
            rule = choose_rule(found, options)
        except DataError as error:
            raise DataError(f"{paths[0].parent}: {error}") from error
    items = []
    for one in images:
        wrong = [errors[mask] for mask in one.masks if mask in errors]
        if not wrong:
            items.append(_item(one, _merged(one.masks, found, rule)))
    notes = (rule.note,) if rule.note else ()
    used = tuple(path for path in paths if path not in errors)
    return Source(tuple(items), rule.classes, (*failed, *errors.values()), notes, used)


def _item(one: Case, draw: Draw) -> Item:
    return Item(one.image, one.masks[0], draw, one.split, one.group, one.stratum, one.field_of_view)


def _converted(
    path: Path, found: MaskSet, rule: Rule, size: Size
) -> tuple[NDArray[np.uint8], list[str]]:
    labels, notes = convert_mask(path, found, rule)
    if labels.shape != size:
        raise wrong_size(path, labels.shape, size)
    return labels, notes


def _merged(paths: Sequence[Path], found: MaskSet, rule: Rule) -> Draw:
    def draw(size: Size) -> Drawn:
        labels, notes = np.zeros(size, np.uint8), []
        for path in paths:
            one, said = _converted(path, found, rule, size)
            np.maximum(labels, one, out=labels)
            notes += said
        return Drawn(labels, tuple(notes))

    return draw


def one_hot_source(
    images: Mapping[Path, Mapping[str, Path]],
    options: ImportOptions,
    failed: Sequence[DataError] = (),
) -> Source:
    """Images with one mask of two values for each class; where they overlap the later class wins.

    Args:
        images: Mask of each class of each image.
        options: How to read the masks, and the order of the classes.
        failed: Errors so far.

    Raises:
        DataError: The classes cannot be chosen, or masks hold more than two values.

    Example:
        >>> mask = Path("polyps/masks/endoscopy_0001.png")
        >>> one_hot_source({Path("photo.png"): {"polyp": mask}}, ImportOptions()).classes
        ('background', 'polyp')
    """
    names = sorted({name for masks in images.values() for name in masks})
    classes = choose_classes(names, options.classes)
    every = [mask for masks in images.values() for mask in masks.values()]
    found, errors = survey_masks(every)
    if not found.per_mask:
        raise next(iter(errors.values()), DataError("no image has a mask; add masks"))
    rule = choose_rule(found, replace(options, classes=()))
    if rule.classes != class_names(2):
        raise DataError(
            f"{every[0].parent}: masks hold "
            f"{counted(len(rule.classes), 'class')}, where each file is of "
            "one class; give --mask-threshold N"
        )
    items = []
    for image, masks in images.items():
        if not any(mask in errors for mask in masks.values()):
            parts = [(classes.numbers[name], path) for name, path in masks.items()]
            first = next(iter(masks.values()))
            items.append(Item(image, first, _stacked(sorted(parts), found, rule)))
    notes = tuple(note for note in (rule.note, classes.note) if note)
    used = tuple(path for path in every if path not in errors)
    return Source(tuple(items), classes.names, (*failed, *errors.values()), notes, used)


def _stacked(parts: Sequence[tuple[int, Path]], found: MaskSet, rule: Rule) -> Draw:
    def draw(size: Size) -> Drawn:
        labels, notes, covered = np.zeros(size, np.uint8), [], 0
        for label, path in parts:
            one, said = _converted(path, found, rule, size)
            covered += int(((labels > 0) & (one > 0)).sum()) if label else 0
            labels[one > 0] = label or labels[one > 0]
            notes += said
        if covered:
            notes.append(f"classes overlap in {counted(covered, 'pixel')}: the later one counts")
        return Drawn(labels, tuple(notes))

    return draw
