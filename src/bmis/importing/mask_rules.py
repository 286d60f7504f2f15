"""From the values that masks store to classes: one rule for all masks of a source."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.labels import MAX_CLASSES, class_names
from bmis.errors import DataError
from bmis.importing.mask_values import MaskSet
from bmis.importing.settings import ImportOptions
from bmis.importing.source import BACKGROUND, choose_classes, is_background, name_classes
from bmis.importing.voc_colours import VOID, voc_colour
from bmis.wording import counted

_VOID = 255  # pixels that PASCAL VOC and others give no class
_VOC = {voc_colour(index): index for index in range(256)}
_FEW = 16  # values of any size that are still taken for classes
_GREY = "{0} grey pixels, cut at {1}"

Convert = Callable[[NDArray[Any]], tuple[NDArray[np.uint8], str | None]]
"""Makes class numbers of stored values, and says what is particular about this mask."""


@dataclass(frozen=True)
class Rule:
    """How stored values become classes.

    Attributes:
        classes: Names of the classes, background first.
        convert: Makes class numbers of the values of a mask.
        note: What was decided for all masks; None where they are as bmis reads them.

    Example:
        >>> from bmis.importing.mask_values import survey_masks
        >>> masks, _ = survey_masks([Path("polyps/masks/endoscopy_0001.png")])
        >>> choose_rule(masks, ImportOptions()).note is None
        True
    """

    classes: tuple[str, ...]
    convert: Convert
    note: str | None = None


def choose_rule(masks: MaskSet, options: ImportOptions) -> Rule:
    """Find out what the values of all masks mean.

    Raises:
        DataError: They can mean more than one thing, or nothing that is known.

    Example:
        >>> masks = MaskSet({0: 60, 128: 4}, {}, {Path("a.png"): (0, 128)})
        >>> choose_rule(masks, ImportOptions()).note
        'two values, 0 and 128: the larger is foreground'
    """
    rule = _grey_rule(masks, options) if not masks.coloured else _colour_rule(masks, options)
    if not masks.alpha:
        return rule
    note = "the masks lie in the transparency (alpha)"
    return replace(rule, note=f"{note}; {rule.note}" if rule.note else note)


def _grey_rule(masks: MaskSet, options: ImportOptions) -> Rule:
    rule = _two_classes(masks, options)
    if rule is not None:
        return rule
    if masks.lossy:
        raise DataError(
            "masks saved as JPEG hold "
            f"{counted(len(masks.values), 'value')}, and more than two classes "
            "cannot be told apart in them; export them as PNG, or make two classes with "
            "--mask-threshold N"
        )
    return _class_rule(masks, options)


def _two_classes(masks: MaskSet, options: ImportOptions) -> Rule | None:
    """The rule of masks that have two classes, or None if they have more."""
    values, wanted = masks.values, _wants(options)
    names = name_classes(2, class_names(2), options.classes if wanted < 3 else ())
    if options.mask_threshold is not None or options.instances == "foreground":
        return _asked_for(masks, options, names)
    if wanted >= 3 and values[-1] < wanted:  # numbers of classes, not all of them seen
        return None
    if all(set(v) <= {0, 255} or set(v) <= {0, 1} for v in masks.per_mask.values()):
        alone = f"all masks hold {values[0]} alone" if len(values) == 1 else None
        return Rule(names, _above(0), alone)
    if len(values) <= 2:
        note = f"two values, {values[0]} and {values[-1]}: the larger is foreground"
        return Rule(names, _above(values[0]), note)
    if masks.grey_edges:
        return Rule(names, _cut(math.ceil(masks.top / 2)), "masks with grey edges or JPEG noise")
    return None


def _asked_for(masks: MaskSet, options: ImportOptions, names: tuple[str, ...]) -> Rule:
    """The rule that the options name."""
    limit = options.mask_threshold
    if limit is None:
        return Rule(names, _above(0), "all objects are foreground")
    return Rule(names, _cut(math.ceil(limit * masks.top if limit < 1 else limit)))


def _wants(options: ImportOptions) -> int:
    """Number of classes that are named, background included."""
    names = options.classes
    return len(names) + (not is_background(names[0])) if names else 0


def _class_rule(masks: MaskSet, options: ImportOptions) -> Rule:
    """Values that are numbers of classes, in one way or another."""
    wanted = _wants(options)
    if masks.values[-1] < wanted:  # as they are, with classes that are not seen
        names = name_classes(wanted, (), options.classes)
        return Rule(names, _table({value: value for value in masks.values}))
    if masks.object_ids and options.instances != "classes":
        most = max(len(values) for values in masks.per_mask.values())
        raise DataError(
            f"masks hold up to {most} values, which look like numbers of objects and not like "
            "classes; give --instances foreground, or --instances classes if each is a class"
        )
    values, notes = masks.values, []
    void = values[-1] == _VOID and len(values) > 2 and values[-2] < MAX_CLASSES
    if void:
        values = values[:-1]
        notes.append("255 is no class (void): background")
    plain = values == tuple(range(len(values)))
    if len(values) > (MAX_CLASSES if plain or _is_scaled(values) else _FEW):
        raise DataError(
            f"masks hold {len(values)} values from {values[0]} to {values[-1]}, too many for "
            "classes; give --mask-threshold N for two classes, or --instances foreground"
        )
    if not plain:
        notes.append(f"values {' '.join(map(str, values))} are classes 0 to {len(values) - 1}")
    table = {value: label for label, value in enumerate(values)} | ({_VOID: 0} if void else {})
    chosen = name_classes(len(values), class_names(len(values)), options.classes)
    return Rule(chosen, _table(table, _VOID if void else None), "; ".join(notes) or None)


def _is_scaled(values: Sequence[int]) -> bool:
    """Whether values lie at equal distances, up to rounding."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    return all(abs(value - values[0] - step * k) <= 1 for k, value in enumerate(values))


def _colour_rule(masks: MaskSet, options: ImportOptions) -> Rule:
    """Each colour a class: black, or the most common one, is background."""
    if len(masks.values) > MAX_CLASSES:
        raise DataError(
            f"masks hold {len(masks.values)} colours, too many for classes; export them as PNG "
            "with one colour a class"
        )
    background = 0 if 0 in masks.counts else max(masks.counts, key=masks.counts.__getitem__)
    others = [value for value in masks.values if value != background]
    void = VOID if set(others) <= _VOC.keys() else None
    if void:
        others = sorted({*others} - {void}, key=_VOC.__getitem__)
    names = (BACKGROUND, *(f"#{value:06x}" for value in others))
    table = {value: label for label, value in enumerate((background, *others))}
    chosen = name_classes(len(names), names, options.classes)
    shown = " ".join(f"#{value:06x}" for value in table)
    named = ", ".join(chosen) if options.classes else f"classes 0 to {len(others)}"
    known = table | ({void: 0} if void else {})
    return Rule(chosen, _table(known, void), f"colours {shown} are {named}")


def map_colours(colours: dict[int, str], options: ImportOptions) -> Rule:
    """The rule of masks whose colours a file explains.

    Args:
        colours: Name of the class of each colour, 0xRRGGBB.
        options: Classes to take.

    Raises:
        DataError: The classes cannot be chosen.

    Example:
        >>> map_colours({0: "background", 0xFA3253: "lesion"}, ImportOptions()).classes
        ('background', 'lesion')
    """
    classes = choose_classes(list(colours.values()), options.classes)
    table = {colour: classes.numbers[name] for colour, name in colours.items()}
    return Rule(classes.names, _table({0: 0, VOID: 0} | table, VOID), classes.note)


def _above(limit: int) -> Convert:
    return lambda values: ((values > limit).astype(np.uint8), None)


def _cut(limit: int) -> Convert:
    def convert(values: NDArray[Any]) -> tuple[NDArray[np.uint8], str | None]:
        grey = int(((values != values.min()) & (values != values.max())).sum())
        return (values >= limit).astype(np.uint8), _GREY.format(grey, limit) if grey else None

    return convert


def _table(table: dict[int, int], void: int | None = None) -> Convert:
    keys = np.array(sorted(table))
    labels = np.array([table[key] for key in sorted(table)], np.uint8)

    def convert(values: NDArray[Any]) -> tuple[NDArray[np.uint8], str | None]:
        at = np.searchsorted(keys, values).clip(max=len(keys) - 1)
        unknown = np.unique(values[keys[at] != values])
        if unknown.size:
            shown = ", ".join(f"#{value:06x}" for value in unknown[:3].tolist())
            raise DataError(f"has colours that the map of labels lacks ({shown}); add them")
        lost = int((values == void).sum()) if void is not None else 0
        note = f"{counted(lost, 'pixel')} without a class (void): background" if lost else None
        return labels[at], note

    return convert


def convert_mask(path: Path, masks: MaskSet, rule: Rule) -> tuple[NDArray[np.uint8], list[str]]:
    """Read a mask as class numbers.

    Returns:
        Class numbers (H, W), and what is particular about this mask.

    Raises:
        DataError: The mask cannot be read, or holds what the rule does not know.

    Example:
        >>> from bmis.importing.mask_values import survey_masks
        >>> path = Path("polyps/masks/endoscopy_0001.png")
        >>> masks, _ = survey_masks([path])
        >>> labels, notes = convert_mask(path, masks, choose_rule(masks, ImportOptions()))
        >>> labels.max(), notes
        (np.uint8(1), [])
    """
    stored = masks.read(path)
    try:
        labels, note = rule.convert(stored.values)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return labels, [text for text in (stored.note, note) if text]
