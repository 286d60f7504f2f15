"""What labels show that is likely a mistake or too little to learn from.

Inverted masks, classes that flips would confuse, classes that hardly occur.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bmis.data.coding import IGNORE
from bmis.wording import counted

_LEAST = 5  # images that show both classes
_AGREE = 0.9  # share of them in which the classes lie on the same sides
_APART = 0.1  # least distance of the classes, as a share of the width
_OFF_CENTRE = 0.15  # largest distance of their middle from that of the image, likewise
_LIKE = 2.0  # how many times larger one may be than the other
_NAMED = 3  # pairs of classes that a sentence names
_FEW = 10  # images that show a class; with fewer it is hardly learnt, and scored by chance
_SELDOM = 0.5  # share of the images; a class that more of them show is not rare but the set small
_MOST = 0.8  # share of the pixels from which on foreground is suspicious


@dataclass(frozen=True)
class LabelFacts:
    """What the labels of one image show.

    Attributes:
        sizes: Number of pixels of each class, without ignored ones.
        columns: Mean column of each class, 0 (left) to 1 (right).

    Example:
        >>> label_facts(np.array([[0, 0, 1, 255]], np.uint8))
        LabelFacts(sizes={0: 2, 1: 1}, columns={0: 0.25, 1: 0.625})
    """

    sizes: dict[int, int]
    columns: dict[int, float]


def label_facts(labels: NDArray[np.uint8]) -> LabelFacts:
    """The facts of labels (H, W): class numbers, or ``IGNORE``.

    Example:
        >>> label_facts(np.ones((4, 4), np.uint8)).columns
        {1: 0.5}
    """
    sizes, columns = {}, {}
    places = (np.arange(labels.shape[1]) + 0.5) / labels.shape[1]
    for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=1)).tolist():
        if label != IGNORE:
            count = (labels == label).sum(axis=0)
            sizes[label] = int(count.sum())
            columns[label] = float(count @ places / count.sum())
    return LabelFacts(sizes, columns)


def label_warnings(
    facts: Sequence[LabelFacts], names: Sequence[str], *, flips: bool = True
) -> tuple[str, ...]:
    """Say what is likely wrong with the labels of a data set.

    Args:
        facts: What each image shows.
        names: Names of the classes, background first.
        flips: Whether training flips left with right, which confuses classes that mirror each
            other.

    Returns:
        A sentence for each finding, with what to do.

    Example:
        >>> def case(left, right):
        ...     return LabelFacts({0: 90, 1: 5, 2: 5}, {1: left, 2: right})
        >>> (said,) = label_warnings([case(0.3, 0.7)] * 5, ["bg", "left", "right"])
        >>> said[:60]
        "'left' and 'right' mirror each other in 5 images: flips of l"
        >>> label_warnings([LabelFacts({0: 6, 1: 94}, {})], ["bg", "lesion"])[0][:35]
        '94 % of the pixels are foreground: '
    """
    pairs = combinations(range(1, len(names)), 2) if flips else ()
    mirrored = {(names[a], names[b]): n for a, b in pairs if (n := _mirrored(a, b, facts))}
    return (*_inverted(facts, len(names)), *_confused(mirrored), *_rare(facts, names))


def _rare(facts: Sequence[LabelFacts], names: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each class that hardly any image shows."""
    showing = {
        name: sum(one.sizes.get(label, 0) > 0 for one in facts)
        for label, name in enumerate(names)
        if label
    }
    return tuple(
        f"only {number} of {counted(len(facts), 'image')} "
        f"{'shows' if number == 1 else 'show'} {name!r}: too few to learn it well, or to score it; "
        "label more that show it, and train with --set class_weights=balanced"
        for name, number in showing.items()
        if 0 < number < min(_FEW, _SELDOM * len(facts))
    )


def _confused(mirrored: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    """One sentence for all pairs of classes that mirror each other in so many images."""
    if not mirrored:
        return ()
    named = ", ".join(f"{a!r} and {b!r}" for a, b in [*mirrored][:_NAMED])
    more = counted(len(mirrored) - _NAMED, "more pair")
    return (
        f"{named}{f' (and {more})' if len(mirrored) > _NAMED else ''} mirror each other in "
        f"{'up to ' if len(mirrored) > 1 else ''}{counted(max(mirrored.values()), 'image')}: flips "
        "of left with right confuse them; train with --set 'augmentation.flip=[0,0.5]'",
    )


def _inverted(facts: Sequence[LabelFacts], num_classes: int) -> tuple[str, ...]:
    """A sentence where two classes look as if they had changed places."""
    shares = [one.sizes.get(1, 0) / sum(one.sizes.values()) for one in facts if one.sizes]
    share = float(np.mean(shares)) if shares and num_classes == 2 else 0.0
    if share < _MOST:
        return ()
    return (
        f"{100 * share:.0f} % of the pixels are foreground: are the masks inverted? If so, invert "
        "them, so that the larger value is the object (in ImageJ: Edit > Invert)",
    )


def _mirrored(a: int, b: int, facts: Sequence[LabelFacts]) -> int:
    """In how many images two classes mirror each other; 0 if they do not as a rule."""
    both = [one for one in facts if a in one.columns and b in one.columns]
    sides = [_side(one.columns[a], one.columns[b], one.sizes[a] / one.sizes[b]) for one in both]
    number = max(sides.count(1), sides.count(-1))
    return number if number >= max(_LEAST, _AGREE * len(sides)) else 0


def _side(a: float, b: float, ratio: float) -> int:
    """1 or -1 by which class is on the left, 0 where they are no mirror images."""
    alike = 1 / _LIKE <= ratio <= _LIKE and abs((a + b) / 2 - 0.5) <= _OFF_CENTRE
    if not alike or abs(a - b) < _APART:
        return 0
    return 1 if a < b else -1
