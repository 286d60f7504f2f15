"""What ``bmis inspect`` says where ``bmis import`` can read what lies in a folder."""

from pathlib import Path
from shlex import quote

from bmis.data.description import Description, read_description
from bmis.data.labels import MAX_CLASSES, find_coding
from bmis.data.layouts import find_layout
from bmis.errors import DataError
from bmis.importing.formats import find_format, recognise
from bmis.importing.mask_rules import choose_rule
from bmis.importing.mask_values import MaskSet, survey_masks
from bmis.importing.settings import ImportOptions
from bmis.importing.tree import read_tree

_ENOUGH = 40  # masks that show how all of them are stored


def suggest_import(root: Path) -> str | None:
    """What to do with a folder that bmis does not read as it should as it is.

    Returns:
        What it holds, and the command that makes a data set of it. None where bmis reads the folder
        as it is, or where nothing in it is recognised.

    Example:
        >>> suggest_import(Path("polyps")) is None
        True
    """
    out = f"{root.resolve().name}-imported"
    command = f"`bmis import {quote(str(root))} {quote(out)}` makes a data set of it"
    try:
        layout = find_layout(root, on_error=lambda _: None)
    except DataError:
        layout = None
    if layout is not None and any(pair.masks for pair in layout.pairs):
        masks = [mask for pair in layout.pairs for mask in pair.masks]
        declared = _declared(root)
        ignore = layout.ignore if declared.ignore is None else declared.ignore
        reason = _reason(masks, declared.classes or layout.classes, ignore)
        return f"{reason}; {command}" if reason else None
    try:
        name = recognise(read_tree(root))
    except DataError:
        return None
    return f"holds {find_format(name).title}; {command}" if name else None


def _declared(root: Path) -> Description:
    try:
        return read_description(root)
    except DataError:
        return Description()


def _reason(masks: list[Path], classes: tuple[str, ...], ignore: int | None) -> str | None:
    """Why some of these masks do not mean what bmis takes them for."""
    found, _ = survey_masks(masks[:: max(1, len(masks) // _ENOUGH)])
    if not found.per_mask:
        return None
    numbers = found.values[0] == 0 and found.values[-1] < MAX_CLASSES and not found.object_ids
    if numbers and len(masks) > _ENOUGH:  # a class may be missing in these masks alone
        return None
    as_it_is = _is_read(found, len(classes), ignore)
    if as_it_is and ignore is not None:
        return None
    try:
        note = choose_rule(found, ImportOptions(classes=classes)).note
    except DataError as error:
        return str(error)
    if not found.alpha and (note is None or as_it_is):
        return found.read(next(iter(found.per_mask))).note
    return note


def _is_read(masks: MaskSet, declared: int, ignore: int | None) -> bool:
    """Whether bmis reads these by itself: black and white, two other values, or some ignored."""
    if masks.coloured or masks.alpha:
        return False
    try:
        coding = find_coding(masks.per_mask.items(), declared, ignore)
    except DataError:
        return False
    plain = coding.num_classes == 2 or ignore is not None
    return plain and all(map(coding.allows, masks.per_mask.values()))
