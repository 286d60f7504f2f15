"""What can only be found by reading all masks: what their values mean."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from bmis.data.coding import UNDECLARED, Coding, MaskRules
from bmis.data.images import read_mask
from bmis.data.labels import MAX_CLASSES, find_coding, value_counts, wrong_values
from bmis.data.on_error import OnError, raise_error, read_each, warn_once
from bmis.errors import DataError
from bmis.system.pipeline import each
from bmis.system.progress import track
from bmis.system.reading import once_per_file


def scan_coding(
    root: Path,
    masks: Sequence[Path],
    rules: MaskRules = UNDECLARED,
    *,
    otherwise: int | None = None,
    on_error: OnError = raise_error,
) -> Coding:
    """Find what the values in the masks mean, and say once where that is not plain.

    Args:
        root: Folder of the data set, for the messages.
        masks: Files of all masks; read only as far as needed.
        rules: What is declared about the values.
        otherwise: The number of classes where no mask can be read. If given, or if the number is
            declared, masks that cannot be read are left out.
        on_error: Takes the error of every mask that cannot be read or whose values are no classes,
            where nothing is declared.

    Raises:
        DataError: The values of all masks together are no classes.

    Example:
        >>> scan_coding(Path("polyps"), sorted(Path("polyps/masks").iterdir())).num_classes
        2
    """
    if rules.num_classes or otherwise is not None:
        coding = _scan_readable(masks, rules, otherwise or 2)
    else:
        read = read_each(mask_values, masks, on_error)
        found = list(track(read, "reading masks", total=len(masks)))
        coding, wrong = agree_on_coding(found, rules)
        for error in wrong:
            on_error(error)
    for note in coding.notes:
        warn_once(f"{root}: {note}")
    return coding


def _scan_readable(masks: Sequence[Path], rules: MaskRules, otherwise: int) -> Coding:
    """What the values mean by the masks that can be read; if none can, so many classes."""

    def values(path: Path) -> tuple[Path, tuple[int, ...]] | None:
        try:
            return path, mask_values(path)
        except DataError:  # named by whoever needs the mask itself
            return None

    read = track(each(values, masks), "reading masks", total=len(masks))
    found = (mask for mask in read if mask is not None)
    first = next(found, None)
    if first is None:
        return find_coding((), replace(rules, num_classes=rules.num_classes or otherwise))
    return find_coding(chain([first], found), rules)


def agree_on_coding(
    found: Sequence[tuple[Path, tuple[int, ...]]], rules: MaskRules
) -> tuple[Coding, list[DataError]]:
    """Find what the values mean by the masks that can be right, and name all others.

    Args:
        found: File and values, rising, of each mask.
        rules: What is declared about the values.

    Returns:
        The meaning, and an error for each wrong mask or for all together.

    Example:
        >>> masks = [(Path("a.png"), (0, 1)), (Path("b.png"), (0, 90, 91))]
        >>> coding, wrong = agree_on_coding(masks, MaskRules())
        >>> coding.num_classes, [str(error)[:28] for error in wrong]
        (2, ['b.png: mask values 0 90 91, '])
    """
    coding, error = _coding_of_most(found, rules)
    legal = [mask for mask in found if coding.allows(mask[1])]
    expected = coding if rules.num_classes or legal else None  # or nothing is known of the classes
    other = next((mask for mask in legal if len(mask[1]) == 2), None)
    wrong = [wrong_values(*m, expected, other=other) for m in found if not coding.allows(m[1])]
    return coding, wrong or ([] if error is None else [error])


def _coding_of_most(
    found: Sequence[tuple[Path, tuple[int, ...]]], rules: MaskRules
) -> tuple[Coding, DataError | None]:
    """What the masks that can be right mean, and what is wrong with these as a whole."""
    if not found:
        return find_coding((), rules), None
    binary = {0, 255, rules.ignore}
    sane = [(path, v) for path, v in found if set(v) <= binary or v[-1] < MAX_CLASSES]
    error = None
    for chosen in (found, sane):  # all masks together may hold another pair of values
        try:
            return find_coding(chosen, rules), error
        except DataError as raised:
            error = raised
    numbers = (value for _, values in sane for value in values if value < MAX_CLASSES)
    count = max(2, 1 + max(numbers, default=1) - rules.first)
    return Coding(rules.num_classes or count, first=rules.first), error


@once_per_file
def mask_values(path: Path) -> tuple[int, ...]:
    """The values of a mask, rising; a file that did not change since is not read again.

    Raises:
        DataError: It cannot be read.

    Example:
        >>> mask_values(Path("polyps/masks/endoscopy_0001.png"))
        (0, 255)
    """
    return tuple(value_counts(read_mask(path)))


def foreground_values(masks: Sequence[Path], rules: MaskRules = UNDECLARED) -> frozenset[int]:
    """The values above 0 of the masks of one image; 255 is 1. Empty where a mask is unreadable.

    Args:
        masks: Files of the masks.
        rules: What is declared about the values. The classes count from its first one.

    Example:
        >>> sorted(foreground_values([Path("polyps/masks/endoscopy_0001.png")]))
        [1]
    """
    try:
        values = {value for path in masks for value in mask_values(path)} - {rules.ignore}
    except DataError:  # named by whoever needs the mask itself
        return frozenset()
    if rules.threshold is not None or not rules.first:
        cut = rules.threshold or 1
        return frozenset(
            1 if value == 255 or rules.threshold else value for value in values if value >= cut
        )
    return frozenset(value - rules.first for value in values if value > rules.first)
