"""The classes that the masks of a data set agree on, and how common each of them is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bmis.data.coding import IGNORE, UNDECLARED, Coding, MaskRules
from bmis.data.label_checks import LabelFacts
from bmis.data.labels import class_names
from bmis.data.scan import agree_on_coding
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.inspect.survey import CaseInspection
from bmis.wording import counted


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
    inspections: Sequence[CaseInspection],
    declared: tuple[str, ...],
    rules: MaskRules = UNDECLARED,
) -> tuple[tuple[str, ...], Coding, list[DataError]]:
    """Find the names of the classes, and the masks whose values do not fit them.

    If no names are declared, the masks that can be right decide and the others are wrong. The
    ``merged_values`` become numbers of classes without ignored pixels. Those of cases with wrong
    masks are cleared, so that they are not counted.

    Args:
        inspections: All cases of the data set.
        declared: Names of the classes, background first; empty if none are declared.
        rules: What is declared about the values.

    Returns:
        Names of the classes, what the values mean, and one error for each wrong mask or for the
        set as a whole.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.inspect.survey import survey
        >>> agree_on_classes(survey(open_dataset("polyps").cases), declared=())
        (('background', 'foreground'), Coding(num_classes=2, pair=(), ignore=None, ...), [])
    """
    masks = [(path, tuple(v)) for found in inspections for path, v in found.mask_values.items()]
    coding, wrong = agree_on_coding(masks, replace(rules, num_classes=len(declared)))
    for found in inspections:
        legal = all(coding.allows(values) for values in found.mask_values.values())
        # what has no class cannot be counted
        found.merged_values = _by_class(found.merged_values, coding) if legal else {}
    return declared or class_names(coding.num_classes), coding, wrong


def grey_pixels(inspections: Sequence[CaseInspection], coding: Coding) -> tuple[str, ...]:
    """Say how many pixels of masks with a threshold lie between black and white.

    Example:
        >>> found = CaseInspection(None, mask_values={"a.png": {0: 90, 7: 4, 250: 3, 255: 9}})
        >>> grey_pixels([found], Coding(2, threshold=128))
        ('7 pixels are grey, in 1 of 1 mask',)
    """
    if coding.threshold is None:
        return ()
    masks = [counts for found in inspections for counts in found.mask_values.values()]
    ends = {min(map(min, masks), default=0), max(map(max, masks), default=0), coding.ignore}
    grey = [sum(n for value, n in counts.items() if value not in ends) for counts in masks]
    share = f"{sum(map(bool, grey))} of {counted(len(masks), 'mask')}"
    return (f"{counted(sum(grey), 'pixel')} {'is' if sum(grey) == 1 else 'are'} grey, in {share}",)


def _by_class(values: Mapping[int, int], coding: Coding) -> dict[int, int]:
    counts = Counter[int]()
    for value, count in values.items():
        counts[coding.class_of(value)] += count
    del counts[IGNORE]
    return dict(counts)


def labels_of(inspections: Sequence[CaseInspection], coding: Coding) -> list[LabelFacts]:
    """What the labels of the sound cases show, after ``agree_on_classes``.

    Example:
        >>> found = CaseInspection(None, merged_values={0: 9, 1: 3}, columns={255: 0.5})
        >>> labels_of([found], Coding(2))
        [LabelFacts(sizes={0: 9, 1: 3}, columns={1: 0.5})]
    """
    return [
        LabelFacts(
            found.merged_values,
            {coding.class_of(value): at for value, at in found.columns.items()},
        )
        for found in inspections
        if found.merged_values  # of masks that fit
    ]


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
