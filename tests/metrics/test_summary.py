"""Means, intervals and paired differences against scipy and by hand."""

import json

import numpy as np
import pytest
from scipy import stats

from bmis.errors import DataError
from bmis.metrics import METRICS, paired_difference, score_case, summarise, summarise_cases

VALUES = [0.91, 0.42, 0.77, 0.86, 0.60, 0.97]


def test_mean_deviation_and_interval_agree_with_scipy():
    summary = summarise(VALUES)
    assert (summary.n, summary.undefined) == (6, 0)
    assert summary.mean == pytest.approx(np.mean(VALUES))
    assert summary.std == pytest.approx(np.std(VALUES, ddof=1))
    expected = stats.t.interval(0.95, 5, loc=np.mean(VALUES), scale=stats.sem(VALUES))
    assert summary.ci95 == pytest.approx(expected)


def test_undefined_values_are_left_out_and_counted():
    summary = summarise([0.5, None, 1.0])
    assert (summary.n, summary.undefined, summary.mean) == (2, 1, 0.75)


def test_one_value_has_no_deviation_and_no_interval():
    summary = summarise([0.5])
    assert (summary.n, summary.mean, summary.std, summary.ci95) == (1, 0.5, None, None)


@pytest.mark.parametrize("values", [[], [None, None]])
def test_no_value_has_no_mean(values):
    summary = summarise(values)
    assert (summary.n, summary.undefined, summary.mean) == (0, len(values), None)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused(value):
    with pytest.raises(DataError, match="not finite"):
        summarise([0.5, value])


def test_the_summary_of_cases_holds_every_metric_and_is_plain_json():
    truth = np.zeros((8, 8), np.uint8)
    truth[2:5, 2:5] = 1
    cases = [score_case(truth, truth, 3), score_case(np.zeros_like(truth), truth, 3)]
    summary = summarise_cases(cases, ["background", "cup", "disc"])
    assert list(summary["cases"]) == list(METRICS) == list(summary["classes"]["cup"])
    assert summary["cases"]["dice"]["mean"] == 0.5
    assert summary["class_states"]["cup"] == {
        "present": 1,
        "missed": 1,
        "false_alarm": 0,
        "absent": 0,
    }
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


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
        ({"a": 0.1}, "1 cases are in one of the two only, such as 'b'"),
        ({"a": 0.1, "b": None}, "'b' has a value in one of the two only"),
    ],
)
def test_pairs_that_do_not_match_are_refused(second, message):
    with pytest.raises(DataError, match=message):
        paired_difference({"a": 0.5, "b": 0.7}, second)


def test_nothing_to_compare_is_refused():
    with pytest.raises(DataError, match="no case has a value in both"):
        paired_difference({"a": None}, {"a": None})
