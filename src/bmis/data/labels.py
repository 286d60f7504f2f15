"""From the values that masks store to class numbers.

Two classes may be stored as 0 and 1, as 0 and 255 or as any other two values, K classes as 0 to
K-1. One value more may stand for pixels that do not count.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.data.coding import IGNORE, UNDECLARED, Coding, MaskRules
from bmis.errors import DataError

MAX_CLASSES = 64


def value_counts(raw: NDArray[np.uint8] | NDArray[np.uint16]) -> dict[int, int]:
    """Count how often each value occurs in a raw mask, by rising value.

    Example:
        >>> value_counts(np.array([[0, 0, 255]], np.uint8))
        {0: 2, 255: 1}
    """
    counts = np.zeros(65536 if raw.dtype == np.uint16 else 256, np.int64)
    for start in range(0, raw.size, 2**20):  # bincount copies to int64: in pieces
        counts += np.bincount(raw.reshape(-1)[start : start + 2**20], minlength=len(counts))
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def to_labels(
    raw: NDArray[np.uint8] | NDArray[np.uint16], coding: Coding, path: Path
) -> NDArray[np.uint8]:
    """Convert raw mask values (H, W) to class numbers (H, W) uint8.

    Args:
        raw: Values as ``read_mask`` returns them.
        coding: What the values mean.
        path: File of the mask, for the message.

    Returns:
        0 to K - 1, and ``IGNORE`` where a pixel does not count.

    Raises:
        DataError: The mask holds values that are no class.

    Example:
        >>> to_labels(np.array([[0, 255]], np.uint8), Coding(2), path=Path("a.png"))
        array([[0, 1]], dtype=uint8)
    """
    if coding.ignore is not None:
        ignored = raw == coding.ignore
        if ignored.any():
            background = coding.pair[0] if coding.pair else coding.first
            filled = np.where(ignored, raw.dtype.type(background), raw)
            return np.where(ignored, np.uint8(IGNORE), _to_classes(filled, coding, path))
    return _to_classes(raw, coding, path)


def _to_classes(
    raw: NDArray[np.uint8] | NDArray[np.uint16], coding: Coding, path: Path
) -> NDArray[np.uint8]:
    """``to_labels`` of a mask without ignored pixels."""
    if coding.threshold is not None:
        above: NDArray[np.bool_] = raw >= coding.threshold
        return above.view(np.uint8)
    high = int(raw.max())
    binary = coding.num_classes == 2 and high == 255 and not coding.first
    pair = coding.pair or ((0, 255) if binary else ())
    if pair:
        labels: NDArray[np.bool_] = raw == pair[1]
        if bool((labels | (raw == pair[0])).all()):
            return labels.view(np.uint8)
    outside = high >= coding.first + coding.num_classes or int(raw.min()) < coding.first
    if coding.pair or outside:
        raise wrong_values(path, tuple(value_counts(raw)), coding)
    return (raw - coding.first if coding.first else raw).astype(np.uint8, copy=False)


def find_coding(
    found: Iterable[tuple[Path, tuple[int, ...]]], rules: MaskRules = UNDECLARED
) -> Coding:
    """Find what the values in the masks of a data set mean.

    Args:
        found: File and values, rising, of each mask; read only as far as needed.
        rules: What is declared about the values.

    Raises:
        DataError: The declarations contradict each other, or the values of all masks together are
            neither 0/1, 0/255, any other two values nor 0..K-1. Where the number of classes is
            declared, single masks are not checked here.

    Example:
        >>> find_coding([(Path("a.png"), (0, 1)), (Path("b.png"), (0, 2)), (Path("c.png"), (3,))])
        Coding(num_classes=4, pair=(), ignore=None, threshold=None, first=0)
        >>> find_coding([(Path("a.png"), (0, 128))]).pair
        (0, 128)
    """
    declared, ignore, first = rules.num_classes, rules.ignore, rules.first
    if rules.threshold is not None:
        return Coding(declared or 2, ignore=ignore, threshold=rules.threshold)
    if declared > 2 or (declared and first):
        return Coding(declared, ignore=ignore, first=first)
    masks = []
    for path, all_values in found:
        values = tuple(value for value in all_values if value != ignore)
        if values:
            masks.append((path, values))
        plain = all(_is_binary(earlier) for _, earlier in masks)
        if declared and plain and values not in ((), (0,)):
            return Coding(2, ignore=ignore)  # the first mask that shows anything
    pair = () if first else _other_pair(masks)
    if declared or pair:
        return Coding(2, pair, ignore)
    return Coding(_count_classes(masks, first) if masks else 2, ignore=ignore, first=first)


def _is_binary(values: Collection[int]) -> bool:
    return set(values) <= {0, 1} or set(values) <= {0, 255}


def _other_pair(masks: Sequence[tuple[Path, tuple[int, ...]]]) -> tuple[int, ...]:
    """The two values that are all that masks hold; () for 0/1, 0/255 or another number of them."""
    everywhere = sorted({value for _, values in masks for value in values})
    binary = all(_is_binary(values) for _, values in masks)
    return tuple(everywhere) if len(everywhere) == 2 and not binary else ()


def _count_classes(masks: Sequence[tuple[Path, tuple[int, ...]]], first: int) -> int:
    """The number of classes; see ``find_coding``."""
    if not first and all(_is_binary(values) for _, values in masks):
        return 2
    everywhere = sorted({value for _, values in masks for value in values})
    path, values = max(masks, key=lambda mask: (mask[1][-1], len(mask[1])))
    if everywhere[-1] - first >= MAX_CLASSES:
        raise _contradiction(masks) or wrong_values(path, values, None)
    missing = sorted(set(range(max(1, first), everywhere[-1])) - set(everywhere))
    if missing:
        raise DataError(
            f"{path}: mask values {_short(tuple(everywhere))} leave out {_short(tuple(missing))}; "
            "number the classes 0, 1, 2 ... or name them all in dataset.yaml (classes: [...])"
        )
    return max(2, everywhere[-1] + 1 - first)


def _contradiction(masks: Sequence[tuple[Path, tuple[int, ...]]]) -> DataError | None:
    """The error of two masks that are fine by themselves and number their classes differently."""
    sane = [mask for mask in masks if len(mask[1]) <= 2 or mask[1][-1] < MAX_CLASSES]
    if len(sane) < len(masks):
        return None
    other, known = max(sane, key=lambda mask: (mask[1][-1], len(mask[1])))
    path, values = max(sane, key=lambda mask: len(set(mask[1]) - {0, known[-1]}))
    if set(values) <= {0, known[-1]}:
        return None
    return DataError(
        f"{path}: mask values {_short(values)}, but {other} has {' and '.join(map(str, known))}; "
        "number the classes in the same way in all masks"
    )


def class_names(num_classes: int) -> tuple[str, ...]:
    """Names of classes for which none are declared.

    Example:
        >>> class_names(2), class_names(3)
        (('background', 'foreground'), ('background', 'class 1', 'class 2'))
    """
    if num_classes == 2:
        return ("background", "foreground")
    return ("background", *(f"class {index}" for index in range(1, num_classes)))


def wrong_values(
    path: Path,
    values: tuple[int, ...],
    coding: Coding | None,
    *,
    other: tuple[Path, tuple[int, ...]] | None = None,
) -> DataError:
    """The error of a mask with values that are no class, with a hint that fits them.

    Args:
        path: File of the mask.
        values: All values of the mask, rising.
        coding: What is expected; None if it is not known yet.
        other: File and values of a mask that is right and holds two values, if one is known.

    Example:
        >>> print(wrong_values(Path("a.png"), (0, 1, 255), Coding(2)))
        a.png: mask values 0 1 255, expected 0/1 or 0/255; if 255 marks pixels that shall not ...
    """
    between = [value for value in values if 0 < value < 255]
    if values[-1] <= 255 and len(between) > 2 and between[-1] > 200:
        hint = (
            "looks blurred, scaled or saved as JPEG: write `mask_threshold: 128` into "
            "dataset.yaml, or let `bmis import` threshold such masks"
        )
    elif values[-1] == 255 and len(values) > 1 and values[-2] < MAX_CLASSES:
        hint = "if 255 marks pixels that shall not count, write `ignore: 255` into dataset.yaml"
    elif len(values) <= 2 and coding is not None and coding.num_classes == 2:
        example = f"{other[0]} has {other[1][0]} and {other[1][1]}: " if other else ""
        hint = f"{example}use the same two values in all masks"
    else:
        hint = f"number the classes 0, 1, 2 ... (at most {MAX_CLASSES})"
    return DataError(f"{path}: mask values {_short(values)}, expected {_expected(coding)}; {hint}")


def _expected(coding: Coding | None) -> str:
    if coding is None:
        return "0/1, 0/255 or 0..K-1"
    if coding.pair:
        return "/".join(map(str, coding.pair)) + " as in other masks"
    if coding.first:
        return f"{coding.first}..{coding.first + coding.num_classes - 1}"
    return "0/1 or 0/255" if coding.num_classes == 2 else f"0..{coding.num_classes - 1}"


def _short(values: tuple[int, ...]) -> str:
    shown = [str(value) for value in values]
    if len(shown) > 8:
        shown = [*shown[:4], "...", *shown[-3:]]
    return " ".join(shown) + (f" ({len(values)} values)" if len(values) > 8 else "")


def wrong_size(
    path: Path, mask: tuple[int, ...], image: tuple[int, ...], what: str = "mask"
) -> DataError:
    """The error of a mask that has another size than its image.

    Args:
        path: File of the mask.
        mask: Height and width of the mask.
        image: Height and width of the image.
        what: What the mask is called in the message.

    Example:
        >>> print(wrong_size(Path("a.png"), (9, 9), (64, 48)))
        a.png: mask of 9 x 9 pixels for an image of 64 x 48 (height x width); export both at ...
    """
    return DataError(
        f"{path}: {what} of {mask[0]} x {mask[1]} pixels for an image of {image[0]} x {image[1]} "
        "(height x width); export both at one size"
    )
