"""Classes that are each other's mirror image, such as a left and a right organ."""

from collections.abc import Sequence
from itertools import combinations

from bmis.data.coding import Coding
from bmis.inspect.survey import CaseInspection
from bmis.wording import counted

_LEAST = 5  # images that show both classes
_AGREE = 0.9  # share of them in which the classes lie on the same sides
_APART = 0.1  # least distance of the classes, as a share of the width
_OFF_CENTRE = 0.15  # largest distance of their middle from that of the image, likewise
_LIKE = 2.0  # how many times larger one may be than the other


def mirrored_classes(
    inspections: Sequence[CaseInspection], names: Sequence[str], coding: Coding
) -> tuple[str, ...]:
    """Say which classes flips of left with right would confuse.

    Args:
        inspections: All cases, their ``merged_values`` by class.
        names: Names of the classes, background first.
        coding: What the raw values of the masks mean.

    Returns:
        A sentence for each pair, with the option of ``bmis train`` that keeps them apart.

    Example:
        >>> def case(left, right):
        ...     columns, sizes = {1: left, 2: right}, {0: 90, 1: 5, 2: 5}
        ...     return CaseInspection(None, columns=columns, merged_values=sizes)
        >>> (said,) = mirrored_classes([case(0.3, 0.7)] * 5, ["bg", "left", "right"], Coding(3))
        >>> said[:60]
        "'left' and 'right' mirror each other in 5 images: flips of l"
    """
    cases = [
        ({coding.class_of(value): at for value, at in found.columns.items()}, found.merged_values)
        for found in inspections
        if found.merged_values  # of masks that fit
    ]
    return tuple(
        f"{names[a]!r} and {names[b]!r} mirror each other in {counted(number, 'image')}: flips of "
        "left with right confuse them; train with --set 'augmentation.flip=[0,0.5]'"
        for a, b in combinations(range(1, len(names)), 2)
        if (number := _mirrored(a, b, cases))
    )


def _mirrored(a: int, b: int, cases: Sequence[tuple[dict[int, float], dict[int, int]]]) -> int:
    """In how many images two classes mirror each other; 0 if they do not as a rule."""
    both = [(columns, sizes) for columns, sizes in cases if a in columns and b in columns]
    sides = [_side(columns[a], columns[b], sizes[a] / sizes[b]) for columns, sizes in both]
    number = max(sides.count(1), sides.count(-1))
    return number if number >= max(_LEAST, _AGREE * len(sides)) else 0


def _side(a: float, b: float, ratio: float) -> int:
    """1 or -1 by which class is on the left, 0 where they are no mirror images."""
    alike = 1 / _LIKE <= ratio <= _LIKE and abs((a + b) / 2 - 0.5) <= _OFF_CENTRE
    if not alike or abs(a - b) < _APART:
        return 0
    return 1 if a < b else -1
