"""Divide cases into training, validation and test: seeded, by group, stratified.

The order comes from hashes of the names, not from a random generator: the same names and seed
give the same split on every machine and with every version of numpy.
"""

from collections.abc import Hashable, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Protocol

from bmis.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")
NUM_FOLDS = 5
_SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


class Splittable(Protocol):
    """What is needed of a case: see ``bmis.data.folder.Case``."""

    @property
    def id(self) -> str: ...
    @property
    def group(self) -> str | None: ...
    @property
    def stratum(self) -> str | None: ...


def make_split(
    cases: Sequence[Splittable], *, seed: int = 0, parts: Sequence[str] = SPLITS
) -> dict[str, str]:
    """70 % train, 10 % val, 20 % test, or only some of these in the same proportions.

    A group stays on one side; each stratum is divided in the same shares, as far as whole groups
    allow. A case without a group is a group of its own.

    Returns:
        The split of each case's id.

    Raises:
        DataError: There are fewer groups than parts, so that one would be empty.
    """
    whole = sum(_SHARES[part] for part in parts)
    return _deal(cases, {part: _SHARES[part] / whole for part in parts}, f"split {seed}")


def make_fold(cases: Sequence[Splittable], fold: int, *, seed: int = 0) -> dict[str, str]:
    """The ``fold``-th of five folds, numbered from 1.

    The test split is the fold-th fifth, so the five test splits cover all cases once; a tenth of
    the rest is val. Groups and strata as in ``make_split``.

    Raises:
        ConfigError: ``fold`` is not 1 to 5.
        DataError: There are fewer groups than folds.
    """
    if not 1 <= fold <= NUM_FOLDS:
        raise ConfigError(f"fold must be 1 to {NUM_FOLDS}, got {fold}")
    parts = {str(part): 1 / NUM_FOLDS for part in range(1, NUM_FOLDS + 1)}
    fifth = _deal(cases, parts, f"folds {seed}")
    rest = [case for case in cases if fifth[case.id] != str(fold)]
    splits = _deal(rest, {"train": 0.9, "val": 0.1}, f"fold {fold} {seed}")
    return {case.id: splits.get(case.id, "test") for case in cases}


def _deal(cases: Sequence[Splittable], shares: dict[str, float], id_prefix: str) -> dict[str, str]:
    """Deal whole groups to the parts, always to the part that is furthest behind its share.

    Groups come stratum after stratum, so that each stratum is dealt out evenly by itself.
    """
    units = _units(cases, id_prefix)
    if len(units) < len(shares):
        raise DataError(
            f"{len(units)} separate images or groups cannot be divided into {len(shares)} parts; "
            f"add images, or write splits.csv by hand"
        )
    counts = dict.fromkeys(shares, 0)
    hands: dict[str, list[list[str]]] = {part: [] for part in shares}
    seen = 0
    for unit in units:
        seen += len(unit)
        part = max(shares, key=lambda name: shares[name] * seen - counts[name])
        counts[part] += len(unit)
        hands[part].append(unit)
    for part in shares:  # a few groups only: nobody goes empty
        if not hands[part]:
            hands[part].append(max(hands.values(), key=len).pop())
    return {name: part for part, hand in hands.items() for unit in hand for name in unit}


def _units(cases: Sequence[Splittable], id_prefix: str) -> list[list[str]]:
    """Ids by group, shuffled within strata; a group belongs to its commonest stratum."""

    def group_of(case: Splittable) -> tuple[Hashable, ...]:
        return ("id", case.id) if case.group is None else ("group", case.group)

    units = []
    for key, members in groupby(sorted(cases, key=group_of), key=group_of):
        group = list(members)
        strata = sorted(case.stratum or "" for case in group)
        stratum = max(dict.fromkeys(strata), key=strata.count)
        shuffled = sha256(f"{id_prefix} {key}".encode()).digest()
        units.append((stratum, shuffled, [case.id for case in group]))
    return [ids for _, _, ids in sorted(units)]
