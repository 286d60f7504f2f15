"""From the values that masks store to class numbers.

Two classes may be stored as 0 and 1 or as 0 and 255, K classes as 0 to K-1.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    raw: NDArray[np.uint8] | NDArray[np.uint16], num_classes: int, path: Path
) -> NDArray[np.uint8]:
    """Convert raw mask values (H, W) to class numbers (H, W) uint8, 0 to ``num_classes`` - 1.

    Args:
        raw: Values as ``read_mask`` returns them.
        num_classes: Number of classes, background included.
        path: File of the mask, for the message.

    Raises:
        DataError: The mask holds values that are no class.

    Example:
        >>> to_labels(np.array([[0, 255]], np.uint8), num_classes=2, path=Path("a.png"))
        array([[0, 1]], dtype=uint8)
    """
    high = int(raw.max())
    if num_classes == 2 and high == 255:
        labels: NDArray[np.bool_] = raw == 255
        if bool((labels | (raw == 0)).all()):
            return labels.view(np.uint8)
    if high >= num_classes:
        raise wrong_values(path, tuple(value_counts(raw)), num_classes)
    return raw.astype(np.uint8, copy=False)


def legal(values: Collection[int], num_classes: int) -> bool:
    """Whether a mask with these raw values can have ``num_classes`` classes.

    Example:
        >>> legal([0, 255], num_classes=2), legal([0, 255], num_classes=3)
        (True, False)
    """
    return max(values) < num_classes or (num_classes == 2 and set(values) <= {0, 255})


def count_classes(found: Iterable[tuple[Path, tuple[int, ...]]]) -> int:
    """Find the number of classes of a data set from the values in each of its masks.

    Args:
        found: File and values, rising, of each mask.

    Raises:
        DataError: The values of all masks together are neither 0/1, 0/255 nor 0..K-1.

    Example:
        >>> count_classes([(Path("a.png"), (0, 1)), (Path("b.png"), (0, 2))])
        3
    """
    masks = list(found)
    binary = all(set(values) <= {0, 255} or set(values) <= {0, 1} for _, values in masks)
    if binary:
        return 2
    everywhere = sorted({value for _, values in masks for value in values})
    path, values = max(masks, key=lambda mask: (mask[1][-1], len(mask[1])))
    if everywhere[-1] >= MAX_CLASSES:
        if set(values) <= {0, 255}:  # fine by itself, so name the file that does not fit
            other = path
            path, values = max(masks, key=lambda mask: len(set(mask[1]) - {0, 255}))
            if values[-1] < MAX_CLASSES:
                raise DataError(
                    f"{path}: mask values {_short(values)}, but {other} has 0 and 255; "
                    "number the classes in the same way in all masks"
                )
        raise wrong_values(path, values, None)
    missing = sorted(set(range(1, everywhere[-1])) - set(everywhere))
    if missing:
        raise DataError(
            f"{path}: mask values {_short(tuple(everywhere))} leave out {_short(tuple(missing))}; "
            "number the classes 0, 1, 2 ... or name them all in dataset.yaml (classes: [...])"
        )
    return everywhere[-1] + 1


def class_names(num_classes: int) -> tuple[str, ...]:
    """Names of classes for which none are declared.

    Example:
        >>> class_names(2), class_names(3)
        (('background', 'foreground'), ('background', 'class 1', 'class 2'))
    """
    if num_classes == 2:
        return ("background", "foreground")
    return ("background", *(f"class {index}" for index in range(1, num_classes)))


def wrong_values(path: Path, values: tuple[int, ...], num_classes: int | None) -> DataError:
    """The error of a mask with values that are no class, with a hint that fits them.

    Args:
        path: File of the mask.
        values: All values of the mask, rising.
        num_classes: Number of classes; None if it is not known yet.

    Example:
        >>> print(wrong_values(Path("a.png"), (0, 1, 255), num_classes=2))
        a.png: mask values 0 1 255, expected 0/1 or 0/255; 255 as 'ignore' is not supported: ...
    """
    between = [value for value in values if 0 < value < 255]
    if values[-1] <= 255 and between and len(between) > 2 and between[-1] > 200:
        hint = "looks blurred, scaled or saved as JPEG: threshold it at 128 and save it as PNG"
    elif values[-1] == 255 and len(values) > 1 and values[-2] < MAX_CLASSES:
        hint = "255 as 'ignore' is not supported: give those pixels a class"
    else:
        hint = f"number the classes 0, 1, 2 ... (at most {MAX_CLASSES})"
    expected = "0/1, 0/255 or 0..K-1"
    if num_classes is not None:
        expected = "0/1 or 0/255" if num_classes == 2 else f"0..{num_classes - 1}"
    return DataError(f"{path}: mask values {_short(values)}, expected {expected}; {hint}")


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
