"""Paired differences against scipy and by hand, and where the mean and the ranks disagree."""

import numpy as np
import pytest
from scipy import stats

from bmis.errors import DataError
from bmis.metrics import paired_difference


def paired(differences):
    """The comparison of two methods with these differences, as near to them as floats come."""
    first = {f"case{i}": 0.5 + value for i, value in enumerate(differences)}
    return paired_difference(first, dict.fromkeys(first, 0.5))


def test_better_by_little_on_many_and_worse_by_much_on_few_is_no_direction():
    result = paired([0.01] * 90 + [-0.2] * 10)
    assert result.mean == pytest.approx(-0.011)
    assert result.p < 1e-6  # of the ranks, which say that the first is better
    assert not result.agrees


def test_mean_and_ranks_that_agree():
    assert paired([0.01] * 90 + [-0.02] * 10).agrees
    assert paired([-0.01] * 90 + [0.02] * 10).agrees


def test_ranks_without_a_mean_difference_do_not_agree():
    assert not paired([0.01] * 90 + [-0.09] * 10).agrees


def test_differences_that_are_equal_but_for_rounding_are_ties():
    levels = [0.9, 0.8, 0.7, 0.6, 0.3, 0.2]
    ids = [f"case{i}" for i in range(len(levels))]
    first = dict(zip(ids, levels, strict=True))
    second = {case: value - 0.1 for case, value in first.items()}
    differences = np.array([first[case] - second[case] for case in ids])
    assert len(set(differences)) > 1  # rounding alone would order them
    result = paired_difference(first, second)
    assert result.p == stats.wilcoxon(np.full(len(ids), 0.1)).pvalue


def test_a_difference_by_rounding_alone_is_none():
    result = paired_difference({"a": 0.1 + 0.2, "b": 0.5}, {"a": 0.3, "b": 0.5})
    assert (result.p, result.agrees) == (1.0, True)


def test_a_paired_difference_agrees_with_scipy():
    rng = np.random.default_rng(0)
    first = rng.random(20)
    second = first - rng.normal(0.02, 0.05, 20)
    ids = [f"case{i}" for i in range(20)]
    result = paired_difference(
        dict(zip(ids, first.tolist(), strict=True)),
        dict(reversed(list(zip(ids, second.tolist(), strict=True)))),  # order does not matter
    )
    assert result.n == 20
    assert result.mean == pytest.approx((first - second).mean())
    assert result.p == pytest.approx(stats.wilcoxon(first, second).pvalue)
    expected = stats.ttest_rel(first, second).confidence_interval()
    assert result.ci95 == pytest.approx((expected.low, expected.high))


def test_equal_values_differ_by_nothing():
    same = {"a": 0.5, "b": 0.7}
    result = paired_difference(same, same)
    assert (result.mean, result.p, result.ci95) == (0, 1, (0, 0))


def test_a_pair_undefined_in_both_is_skipped():
    result = paired_difference({"a": None, "b": 0.7}, {"a": None, "b": 0.5})
    assert (result.n, result.ci95) == (1, None)
    assert result.mean == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"a": 0.1}, "1 case in only one of the two, such as 'b'"),
        ({"a": 0.1, "b": None}, "'b' has a value in one of the two only"),
    ],
)
def test_pairs_that_do_not_match_are_refused(second, message):
    with pytest.raises(DataError, match=message):
        paired_difference({"a": 0.5, "b": 0.7}, second)


def test_nothing_to_compare_is_refused():
    with pytest.raises(DataError, match="no case has a value in both"):
        paired_difference({"a": None}, {"a": None})
