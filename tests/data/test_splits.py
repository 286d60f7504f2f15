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
    with pytest.raises(DataError, match="2 images cannot be divided into 3"):
        make_split(cases(8, group=lambda i: f"g{i % 2}"))
    with pytest.raises(DataError, match="4 images cannot be divided into 5"):
        make_fold(cases(4), 1)


@pytest.mark.parametrize("fold", [0, 6])
def test_there_are_five_folds(fold):
    with pytest.raises(ConfigError, match=f"fold must be 1 to 5, got {fold}"):
        make_fold(cases(20), fold)


def test_only_two_of_the_parts():
    counts = Counter(make_split(cases(80), parts=("train", "val")).values())
    assert counts == {"train": 70, "val": 10}


def parts_with(index, splits, shown):
    """How many cases of each part show a class."""
    return Counter(split for name, split in splits.items() if index in shown[name])


def show(many, every, index=1):
    """Every n-th case shows a class, the others nothing."""
    return {c.id: frozenset([index] if i % every == 0 else []) for i, c in enumerate(many)}


@pytest.mark.parametrize("seed", range(20))
def test_six_images_with_a_lesion_of_thirty_are_spread_over_all_parts(seed):
    many = cases(30)
    shown = show(many, 5)
    splits = make_split(many, seed=seed, shown=shown)
    assert Counter(splits.values()) == {"train": 21, "val": 3, "test": 6}
    found = parts_with(1, splits, shown)
    assert found["train"] in (3, 4)
    assert min(found["val"], found["test"]) >= 1


@pytest.mark.parametrize("seed", range(10))
def test_every_fold_tests_and_validates_on_a_lesion(seed):
    many = cases(60)
    shown = show(many, 6)
    for fold in range(1, 6):
        found = parts_with(1, make_fold(many, fold, seed=seed, shown=shown), shown)
        assert found["test"] == 2
        assert found["val"] >= 1


@pytest.mark.parametrize("seed", range(10))
def test_rare_classes_are_spread_too_and_groups_stay_whole(seed):
    many = cases(60, group=lambda i: f"g{i // 3}")
    shown = {c.id: frozenset([1, 2] if i // 3 in (2, 9, 15) else [1]) for i, c in enumerate(many)}
    splits = make_split(many, seed=seed, shown=shown)
    assert set(parts_with(2, splits, shown).values()) == {3}
    assert set(parts_with(1, splits, shown)) == {"train", "val", "test"}
    sides = {case.group: {splits[c.id] for c in many if c.group == case.group} for case in many}
    assert all(len(side) == 1 for side in sides.values())


def test_classes_that_all_images_show_change_nothing():
    many = cases(50, stratum=lambda i: f"s{i % 3}", group=lambda i: f"g{i // 2}")
    shown = dict.fromkeys((case.id for case in many), frozenset([1, 2]))
    assert make_split(many, shown=shown) == make_split(many)
    assert make_fold(many, 2, shown=shown) == make_fold(many, 2)


def test_classes_that_are_the_same_within_a_stratum_change_nothing():
    many = cases(50, stratum=lambda i: "normal" if i % 4 == 0 else "lesion")
    shown = {c.id: frozenset([] if c.stratum == "normal" else [1]) for c in many}
    assert make_split(many, shown=shown) == make_split(many)
