"""The classes that the masks of a data set agree on, and how common each of them is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bmis.data.labels import IGNORE, MAX_CLASSES, Coding, class_names, find_coding, wrong_values
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.inspect.survey import CaseInspection


@dataclass(frozen=True)
class ClassCount:
    """How common a class is in a split.

    Attributes:
        split: Name of the split, or "all".
        name: Name of the class.
        images: Number of images that show it.
        share: Share of the pixels, 0 to 1, mean over the images.

    Example:
        >>> ClassCount("train", "polyp", images=9, share=0.12).images
        9
    """

    split: str
    name: str
    images: int
    share: float


def agree_on_classes(
    inspections: Sequence[CaseInspection], declared: tuple[str, ...], ignore: int | None = None
) -> tuple[tuple[str, ...], Coding, list[DataError]]:
    """Find the names of the classes, and the masks whose values do not fit them.

    If no names are declared, the masks that can be right decide and the others are wrong. The
    ``merged_values`` become numbers of classes without ignored pixels. Those of cases with wrong
    masks are cleared, so that they are not counted.

    Args:
        inspections: All cases of the data set.
        declared: Names of the classes, background first; empty if none are declared.
        ignore: The value to ignore if one is declared.

    Returns:
        Names of the classes, what the values mean, and one error for each wrong mask or for the
        set as a whole.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.inspect.survey import survey
        >>> agree_on_classes(survey(open_dataset("polyps").cases), declared=())
        (('background', 'foreground'), Coding(num_classes=2, pair=(), ignore=None), [])
    """
    coding, error = _coding_from_values(inspections, len(declared), ignore)
    every = [values for found in inspections for values in found.mask_values.values()]
    expected = coding if declared or any(map(coding.allows, every)) else None
    wrong = []
    for found in inspections:
        illegal = [(p, tuple(v)) for p, v in found.mask_values.items() if not coding.allows(v)]
        wrong += [wrong_values(path, values, expected) for path, values in illegal]
        # what has no class cannot be counted
        found.merged_values = {} if illegal else _by_class(found.merged_values, coding)
    names = declared or class_names(coding.num_classes)
    return names, coding, wrong or ([] if error is None else [error])


def _by_class(values: Mapping[int, int], coding: Coding) -> dict[int, int]:
    counts = Counter[int]()
    for value, count in values.items():
        counts[coding.class_of(value)] += count
    del counts[IGNORE]
    return dict(counts)


def _coding_from_values(
    inspections: Sequence[CaseInspection], declared: int, ignore: int | None
) -> tuple[Coding, DataError | None]:
    """What the masks that can be right mean, and what is wrong with these as a whole."""
    masks = [(path, tuple(v)) for found in inspections for path, v in found.mask_values.items()]
    sane = [(path, v) for path, v in masks if set(v) <= {0, 255, ignore} or v[-1] < MAX_CLASSES]
    error = None
    for chosen in (masks, sane):  # all masks together may hold another pair of values
        try:
            return find_coding(chosen, declared, ignore), error
        except DataError as raised:
            error = raised
    numbers = (value for _, values in sane for value in values if value < MAX_CLASSES)
    return Coding(declared or 1 + max(numbers, default=1)), error


def class_counts(
    inspections: Sequence[CaseInspection], names: Sequence[str]
) -> tuple[ClassCount, ...]:
    """Count how common each class is in each split that there is, and in all of them.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.inspect.survey import survey
        >>> dataset = open_dataset("polyps")
        >>> counts = class_counts(survey(dataset.cases), dataset.classes)
        >>> [(count.split, count.images) for count in counts if count.name == "polyp"]
        [('train', 9), ('val', 1), ('test', 2), ('all', 12)]
    """
    splits = [s for s in SPLITS if any(found.case.split == s for found in inspections)]
    counts = []
    for split in (*splits, "all"):
        chosen = [f for f in inspections if f.merged_values and split in (f.case.split, "all")]
        for index, name in enumerate(names):
            shares = [_share(found, index, len(names)) for found in chosen]
            mean = float(np.mean(shares)) if shares else 0.0
            counts.append(ClassCount(split, name, sum(share > 0 for share in shares), mean))
    return tuple(counts)


def _share(found: CaseInspection, index: int, num_classes: int) -> float:
    """Share of the pixels of a case that belong to a class."""
    if num_classes == 2:  # 0/1 and 0/255 alike
        return found.foreground if index else 1 - found.foreground
    return found.merged_values.get(index, 0) / sum(found.merged_values.values())
