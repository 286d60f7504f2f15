"""What ``bmis inspect`` says where ``bmis import`` can read what lies in a folder."""

from pathlib import Path
from shlex import quote

from bmis.data.description import read_description
from bmis.data.labels import MAX_CLASSES
from bmis.data.layouts import find_layout
from bmis.errors import DataError
from bmis.importing.formats import find_format, recognise
from bmis.importing.mask_rules import choose_rule
from bmis.importing.mask_values import survey_masks
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
        reason = _reason(masks, _declared(root) or layout.classes)
        return f"{reason}; {command}" if reason else None
    try:
        name = recognise(read_tree(root))
    except DataError:
        return None
    return f"holds {find_format(name).title}; {command}" if name else None


def _declared(root: Path) -> tuple[str, ...]:
    try:
        return read_description(root).classes
    except DataError:
        return ()


def _reason(masks: list[Path], classes: tuple[str, ...]) -> str | None:
    """Why some of these masks do not mean what bmis takes them for."""
    found, _ = survey_masks(masks[:: max(1, len(masks) // _ENOUGH)])
    if not found.per_mask:
        return None
    numbers = found.values[0] == 0 and found.values[-1] < MAX_CLASSES and not found.object_ids
    if numbers and len(masks) > _ENOUGH:  # a class may be missing in these masks alone
        return None
    try:
        note = choose_rule(found, ImportOptions(classes=classes)).note
    except DataError as error:
        return str(error)
    black_and_white = set(found.values) <= {0, 255} and not found.coloured
    if not found.alpha and (note is None or black_and_white):  # bmis reads these by itself
        return found.read(next(iter(found.per_mask))).note
    return note
