"""Pairs of images in a data set that are the same or look the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bmis.inspect.similarity import similar_pairs
from bmis.inspect.survey import CaseInspection


@dataclass(frozen=True)
class Duplicate:
    """Two images that are the same or look the same.

    Attributes:
        ids: Ids of the two cases.
        splits: Splits of the two cases; None for a case without one.
        similarity: 1.0 for equal pixels, else the correlation of small thumbnails.
        same_pixels: Whether all pixels are equal.
        masks_differ: Whether equal images have unequal masks.
        crosses_splits: Whether they are in different splits, so that training sees test images.

    Example:
        >>> pair = Duplicate(("a", "b"), ("train", "test"), 0.97, False, False, True)
        >>> pair.crosses_splits
        True
    """

    ids: tuple[str, str]
    splits: tuple[str | None, str | None]
    similarity: float
    same_pixels: bool
    masks_differ: bool
    crosses_splits: bool


def find_duplicates(inspections: Sequence[CaseInspection]) -> tuple[Duplicate, ...]:
    """Find pairs of equal images, each with the first of its kind, and of similar images.

    Returns:
        Pairs that cross a split first, then equal pairs, then by falling similarity.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.inspect.survey import inspect_case
        >>> first, second = open_dataset("polyps").cases[:2]
        >>> pairs = find_duplicates([inspect_case(case) for case in (first, second, first)])
        >>> [(pair.ids, pair.same_pixels) for pair in pairs]
        [(('endoscopy_0001', 'endoscopy_0001'), True)]
    """
    first: dict[bytes, CaseInspection] = {}
    pairs = []
    for found in inspections:
        if found.thumbnail is not None and first.setdefault(found.pixels_hash, found) is not found:
            pairs.append(_duplicate(first[found.pixels_hash], found, 1.0))
    unique = list(first.values())
    thumbnails = [found.thumbnail for found in unique if found.thumbnail is not None]
    if thumbnails:
        for one, other, similarity in similar_pairs(np.stack(thumbnails)):
            pairs.append(_duplicate(unique[one], unique[other], similarity))
    return tuple(sorted(pairs, key=_order))


def _order(pair: Duplicate) -> tuple[bool, bool, float, tuple[str, str]]:
    return not pair.crosses_splits, not pair.same_pixels, -pair.similarity, pair.ids


def _duplicate(one: CaseInspection, other: CaseInspection, similarity: float) -> Duplicate:
    same_pixels = one.pixels_hash == other.pixels_hash
    splits = (one.case.split, other.case.split)
    return Duplicate(
        (one.case.id, other.case.id),
        splits,
        round(similarity, 4),
        same_pixels,
        same_pixels and one.labels_hash != other.labels_hash,
        splits[0] != splits[1],
    )
