"""Splits that are seeded, fair to strata and never divide a group."""

from collections import Counter

import pytest

from bmis.data.cases import Case
from bmis.data.splits import make_fold, make_split
from bmis.errors import ConfigError, DataError


def cases(count, *, group=lambda i: None, stratum=lambda i: None):
    return [Case(f"c{i:04}", None, (), None, group(i), stratum(i)) for i in range(count)]


def test_seventy_ten_twenty():
    assert Counter(make_split(cases(1000)).values()) == {"train": 700, "val": 100, "test": 200}


def test_strata_are_divided_in_the_same_shares():
    many = cases(300, stratum=lambda i: "rare" if i % 10 == 0 else "common")
    splits = make_split(many)
    rare = Counter(splits[case.id] for case in many if case.stratum == "rare")
    assert rare["train"] in (20, 21, 22)
    assert rare["val"] in (2, 3, 4)
    assert rare["test"] in (5, 6, 7)


@pytest.mark.parametrize("make", [make_split, lambda c: make_fold(c, 2)])
def test_groups_stay_together(make):
    many = cases(200, group=lambda i: f"g{i // 7}", stratum=lambda i: f"s{i % 3}")
    splits = make(many)
    sides = {case.group: set() for case in many}
    for case in many:
        sides[case.group].add(splits[case.id])
    assert all(len(side) == 1 for side in sides.values())
    assert Counter(splits.values())["train"] > 120


def test_a_group_is_not_confused_with_an_id_of_the_same_name():
    many = [*cases(9), Case("x", None, (), None, "c0000", None)]
    together = sum(
        make_split(many, seed=s)["x"] == make_split(many, seed=s)["c0000"] for s in range(20)
    )
    assert together < 20


def test_the_seed_decides_and_the_order_of_the_cases_does_not():
    many = cases(100)
    assert make_split(many) == make_split(many[::-1])
    assert make_split(many, seed=1) != make_split(many)
    assert make_fold(many, 1, seed=1) != make_fold(many, 1)


def test_the_split_is_the_same_on_every_machine():
    splits = make_split(cases(10))
    assert [name for name, split in splits.items() if split == "test"] == ["c0002", "c0001"]
    assert [name for name, split in splits.items() if split == "val"] == ["c0003"]


def test_every_case_is_tested_in_exactly_one_fold():
    many = cases(103, stratum=lambda i: f"s{i % 2}")
    folds = [make_fold(many, k) for k in range(1, 6)]
    tested = Counter(name for fold in folds for name, split in fold.items() if split == "test")
    assert tested == {case.id: 1 for case in many}
    for fold in folds:
        counts = Counter(fold.values())
        assert counts["test"] in (20, 21)
        assert counts["val"] in (8, 9)


def test_few_groups_leave_no_split_empty():
    assert set(make_split(cases(3)).values()) == {"train", "val", "test"}
    big = cases(12, group=lambda i: f"g{max(0, i - 9)}")  # ten of one patient, two more
    assert set(make_split(big).values()) == {"train", "val", "test"}


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match="2 separate images or groups cannot be divided into 3"):
        make_split(cases(8, group=lambda i: f"g{i % 2}"))
    with pytest.raises(DataError, match="4 separate images or groups cannot be divided into 5"):
        make_fold(cases(4), 1)


@pytest.mark.parametrize("fold", [0, 6])
def test_there_are_five_folds(fold):
    with pytest.raises(ConfigError, match=f"fold must be 1 to 5, got {fold}"):
        make_fold(cases(20), fold)


def test_only_two_of_the_parts():
    counts = Counter(make_split(cases(80), parts=("train", "val")).values())
    assert counts == {"train": 70, "val": 10}
