"""Means, intervals and paired differences against scipy and by hand."""

import json

import numpy as np
import pytest
from scipy import stats

from bmis.errors import DataError
from bmis.metrics import METRICS, score_case, summarise, summarise_cases

VALUES = [0.91, 0.42, 0.77, 0.86, 0.60, 0.97]


def test_mean_deviation_and_interval_agree_with_scipy():
    summary = summarise(VALUES)
    assert (summary.n, summary.undefined) == (6, 0)
    assert summary.mean == pytest.approx(np.mean(VALUES))
    assert summary.std == pytest.approx(np.std(VALUES, ddof=1))
    expected = stats.t.interval(0.95, 5, loc=np.mean(VALUES), scale=stats.sem(VALUES))
    assert summary.ci95 == pytest.approx(expected)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_value_out_of_range_is_refused(value):
    with pytest.raises(DataError, match="is not from 0 to 1"):
        summarise([0.5, value])


def test_distances_have_no_highest_value_and_their_interval_no_negative_end():
    truth, found = np.zeros((2, 40, 40), np.uint8)
    truth[5:9, 5:9], found[5:9, 5:10] = 1, 1
    far = np.roll(found, 25, axis=1)
    summary = summarise_cases([score_case(p, truth, 2) for p in (found, far)], ["background", "a"])
    low, high = summary["cases"]["hd95"]["ci95"]
    assert 0 < low < summary["cases"]["hd95"]["mean"] < high


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
