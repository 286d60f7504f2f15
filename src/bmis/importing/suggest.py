"""What ``inspect`` and ``train`` say where ``bmis import`` can read what lies in a folder."""

from dataclasses import replace
from pathlib import Path
from shlex import quote

from bmis.data.coding import MaskRules
from bmis.data.description import Description, read_description
from bmis.data.labels import MAX_CLASSES, find_coding
from bmis.data.layouts import find_layout
from bmis.data.on_error import warn_once
from bmis.data.pairs import Layout
from bmis.errors import DataError
from bmis.importing.formats import find_format, recognise
from bmis.importing.mask_rules import choose_rule
from bmis.importing.mask_values import MaskSet, survey_masks
from bmis.importing.settings import ImportOptions
from bmis.importing.tree import read_tree

_ENOUGH = 40  # masks that show how all of them are stored
_FEW = 8  # masks that show most of it in a moment


def point_to_import(root: Path) -> None:
    """Say once in a process what ``suggest_import`` finds by a few masks.

    It is a warning where bmis can read the folder otherwise than it is meant.

    Raises:
        DataError: The folder holds something else than images with masks, which can be imported.

    Example:
        >>> point_to_import(Path("polyps"))
    """
    layout = _with_masks(root)
    if layout is None and (found := _recognise(root)):
        raise DataError(f"{root}: {found}")
    if layout and (suggestion := _of_masks(root, layout, _FEW)):
        warn_once(f"{root}: {suggestion}")


def suggest_import(root: Path, *, enough: int = _ENOUGH) -> str | None:
    """What to do with a folder that bmis does not read as it should as it is.

    Args:
        root: Folder of the data set, or of what it can be made of.
        enough: How many masks are read to find out.

    Returns:
        What it holds, and the command that makes a data set of it. None where bmis reads the folder
        as it is, or where nothing in it is recognised.

    Example:
        >>> suggest_import(Path("polyps")) is None
        True
    """
    layout = _with_masks(root)
    return _of_masks(root, layout, enough) if layout else _recognise(root)


def _with_masks(root: Path) -> Layout | None:
    """The folder as bmis reads it, if it finds any mask."""
    try:
        layout = find_layout(root, on_error=lambda _: None)
    except DataError:
        return None
    return layout if any(pair.masks for pair in layout.pairs) else None


def _recognise(root: Path) -> str | None:
    """What the folder holds for ``bmis import``, and the command."""
    name = _format(root)
    return f"holds {find_format(name).title}; {_command(root)}" if name else None


def _format(root: Path) -> str | None:
    try:
        return recognise(read_tree(root))
    except DataError:
        return None


def _of_masks(root: Path, layout: Layout, enough: int) -> str | None:
    """Why the masks, by so many of them, do not mean what bmis takes them for."""
    masks = [mask for pair in layout.pairs for mask in pair.masks]
    declared = _declared(root)
    classes = declared.classes or layout.classes
    ignore = layout.ignore if declared.ignore is None else declared.ignore
    rules = replace(declared, classes=classes, ignore=ignore).mask_rules
    found = _survey(masks, enough)
    if found is None:
        return None
    if found.coloured and _format(root) == "voc":  # a file says which colour is which class
        return _recognise(root)
    return _reason(root, found, classes, rules)


def _command(root: Path, options: str = "") -> str:
    out = f"{root.resolve().name}-imported"
    return f"`bmis import {quote(str(root))} {quote(out)}{options}` makes a data set of it"


def _declared(root: Path) -> Description:
    try:
        return read_description(root)
    except DataError:
        return Description()


def _survey(masks: list[Path], enough: int) -> MaskSet | None:
    """Some masks; None if they cannot show how all are stored."""
    found, _ = survey_masks(masks[:: max(1, len(masks) // enough)])
    if not found.per_mask:
        return None
    numbers = found.values[-1] < MAX_CLASSES and not found.object_ids
    if numbers and len(masks) > enough:
        if found.values[0] == 0:  # a class may be missing in these masks alone
            return None
        found, _ = survey_masks(masks)  # all of them show whether there is no background at all
    return found


def _reason(root: Path, masks: MaskSet, classes: tuple[str, ...], rules: MaskRules) -> str | None:
    """Why some of these masks do not mean what bmis takes them for, and the command that helps."""
    as_it_is, declare = _is_read(masks, rules), ""
    if as_it_is and rules.are_given:
        return None
    try:
        note = choose_rule(masks, ImportOptions(classes=classes)).note
    except DataError as error:
        if masks.object_ids:
            objects = _command(root, " --instances foreground")
            return f"{error}; {objects} with all objects as foreground"
        return str(error)
    if not masks.alpha and (note is None or as_it_is):
        note = masks.read(next(iter(masks.per_mask))).note
    elif masks.values[0] and not masks.coloured and not masks.lossy:
        note = f"no mask holds 0, the background: {note}"
        declare = f"first_class: {masks.values[0]}"
    if note and masks.grey_edges:
        declare = f"mask_threshold: {(masks.top + 1) // 2}"
    either = f"write `{declare}` into dataset.yaml, or " if declare else ""
    return f"{note}; {either}{_command(root)}" if note else None


def _is_read(masks: MaskSet, rules: MaskRules) -> bool:
    """Whether bmis reads these by itself: black and white, two other values, or some ignored."""
    if masks.coloured or masks.alpha:
        return False
    try:
        coding = find_coding(masks.per_mask.items(), rules)
    except DataError:
        return False
    plain = coding.num_classes == 2 or rules.are_given
    return plain and all(map(coding.allows, masks.per_mask.values()))
