"""Divide cases into training, validation and test: by seed, by group, stratified.

Stratified by the stratum that a table or a folder names, and within it by the classes that the
masks show. Where all images show the same, these change nothing.

The order comes from hashes of the names and not from a random generator. So the same names and
seed give the same split on every machine and with every version of numpy.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Protocol

from bmis.errors import ConfigError, DataError
from bmis.wording import counted

SPLITS = ("train", "val", "test")
NUM_FOLDS = 5
_NOTHING: Mapping[str, frozenset[int]] = {}
_SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


class Splittable(Protocol):
    """Anything with an id, a group and a stratum, such as ``bmis.data.cases.Case``.

    Example:
        >>> from bmis.data.tables import Row
        >>> patient: Splittable = Row("img_07", group="patient 3")
        >>> patient.group
        'patient 3'
    """

    @property
    def id(self) -> str: ...
    @property
    def group(self) -> str | None: ...
    @property
    def stratum(self) -> str | None: ...


def make_split(
    cases: Sequence[Splittable],
    *,
    seed: int = 0,
    parts: Sequence[str] = SPLITS,
    shown: Mapping[str, frozenset[int]] = _NOTHING,
) -> dict[str, str]:
    """Divide cases into 70 % train, 10 % val and 20 % test.

    A group is never divided. Each stratum is divided in the same shares, as far as whole groups
    allow. A case without a group is a group of its own. Each part gets an image of every class
    that enough groups show.

    Args:
        cases: Cases to divide, in any order.
        seed: Seed of the split.
        parts: Splits to make, in the same proportions.
        shown: The foreground classes that each case shows, by id.

    Returns:
        The split of each case by its id.

    Raises:
        DataError: There are fewer groups than parts, so that one would be empty.

    Example:
        >>> from collections import Counter
        >>> from bmis.data.tables import Row
        >>> splits = make_split([Row(f"img_{number}") for number in range(10)])
        >>> sorted(Counter(splits.values()).items())
        [('test', 2), ('train', 7), ('val', 1)]
    """
    whole = sum(_SHARES[part] for part in parts)
    shares = {part: _SHARES[part] / whole for part in parts}
    return _deal(cases, shares, f"split {seed}", shown)


def make_fold(
    cases: Sequence[Splittable],
    fold: int,
    *,
    seed: int = 0,
    shown: Mapping[str, frozenset[int]] = _NOTHING,
) -> dict[str, str]:
    """Divide cases into train, val and test by one of five folds.

    The test split is one fifth of the cases, so the five test splits cover each case once. A tenth
    of the rest is val. Groups and strata are treated as in ``make_split``.

    Args:
        cases: Cases to divide, in any order.
        fold: Number of the fold, 1 to 5.
        seed: Seed of all five folds.
        shown: The foreground classes that each case shows, by id.

    Returns:
        The split of each case by its id.

    Raises:
        ConfigError: ``fold`` is not 1 to 5.
        DataError: There are fewer groups than folds.

    Example:
        >>> from bmis.data.tables import Row
        >>> splits = make_fold([Row(f"img_{number}") for number in range(10)], fold=1)
        >>> sum(split == "test" for split in splits.values())
        2
    """
    if not 1 <= fold <= NUM_FOLDS:
        raise ConfigError(f"fold must be 1 to {NUM_FOLDS}, got {fold}")
    parts = {str(part): 1 / NUM_FOLDS for part in range(1, NUM_FOLDS + 1)}
    fifth = _deal(cases, parts, f"folds {seed}", shown)
    rest = [case for case in cases if fifth[case.id] != str(fold)]
    splits = _deal(rest, {"train": 0.9, "val": 0.1}, f"fold {fold} {seed}", shown)
    return {case.id: splits.get(case.id, "test") for case in cases}


@dataclass(frozen=True)
class _Unit:
    """A group, which is dealt as a whole."""

    ids: tuple[str, ...]
    classes: frozenset[int]


def _deal(
    cases: Sequence[Splittable],
    shares: dict[str, float],
    id_prefix: str,
    shown: Mapping[str, frozenset[int]],
) -> dict[str, str]:
    """Deal whole groups to the parts, always to the part that is furthest behind its share.

    Groups come stratum after stratum, so that each stratum is divided evenly.
    """
    units = _units(cases, id_prefix, shown)
    if len(units) < len(shares):
        raise DataError(
            f"{counted(len(units), 'image')} cannot be divided into {len(shares)} parts (a group "
            "counts as one); add images, or write splits.csv by hand"
        )
    counts = dict.fromkeys(shares, 0)
    hands: dict[str, list[_Unit]] = {part: [] for part in shares}
    seen = 0
    for unit in units:
        seen += len(unit.ids)
        part = max(shares, key=lambda name: shares[name] * seen - counts[name])
        counts[part] += len(unit.ids)
        hands[part].append(unit)
    for part in shares:  # with few groups a part may be empty: it gets one of the largest
        if not hands[part]:
            hands[part].append(max(hands.values(), key=len).pop())
    for index in _rarest_first(units):
        _share_class(index, hands)
    return {name: part for part, hand in hands.items() for unit in hand for name in unit.ids}


def _units(
    cases: Sequence[Splittable], id_prefix: str, shown: Mapping[str, frozenset[int]]
) -> list[_Unit]:
    """Groups, shuffled within strata. A group belongs to its most common stratum."""

    def group_of(case: Splittable) -> tuple[Hashable, ...]:
        return ("id", case.id) if case.group is None else ("group", case.group)

    units = []
    for key, members in groupby(sorted(cases, key=group_of), key=group_of):
        group = list(members)
        strata = sorted(case.stratum or "" for case in group)
        stratum = max(dict.fromkeys(strata), key=strata.count)
        shuffled = sha256(f"{id_prefix} {key}".encode(errors="surrogateescape")).digest()
        ids = tuple(case.id for case in group)
        classes = frozenset[int]().union(*(shown.get(name, frozenset()) for name in ids))
        units.append((stratum, sorted(classes), shuffled, _Unit(ids, classes)))
    return [unit for *_, unit in sorted(units, key=lambda unit: unit[:3])]


def _rarest_first(units: Sequence[_Unit]) -> list[int]:
    counts = Counter(index for unit in units for index in unit.classes)
    return sorted(counts, key=lambda index: (counts[index], -index))


def _share_class(index: int, hands: dict[str, list[_Unit]]) -> None:
    """Swap a group into a part that lacks a class, from the part that shows it most often.

    What goes back is about as large, so that the sizes of the parts stay. Where every group of the
    part is needed for another class, the part stays as it is.
    """
    holders = {part: [u for u in hand if index in u.classes] for part, hand in hands.items()}
    for part, hand in hands.items():
        giver = max(holders, key=lambda name: len(holders[name]))
        spare = [unit for unit in hand if not _lost(unit, hand, holders[giver][-1])]
        if holders[part] or len(holders[giver]) < 2 or not spare:
            continue
        gift = holders[giver].pop()
        back = min(spare, key=lambda unit: abs(len(unit.ids) - len(gift.ids)))
        hands[giver][hands[giver].index(gift)], hand[hand.index(back)] = back, gift
        holders[part].append(gift)


def _lost(unit: _Unit, hand: Sequence[_Unit], gift: _Unit) -> frozenset[int]:
    """The classes that a part would no longer show without a group."""
    others = (other.classes for other in hand if other is not unit)
    return unit.classes - gift.classes.union(*others)
