"""Intervals that stay inside the range of a score."""

import math

import numpy as np
import pytest

from bmis.metrics import keep_in_range, summarise
from bmis.metrics.intervals import student_interval


def test_an_interval_inside_the_range_is_that_of_student():
    values = np.array([0.5, 0.6, 0.7, 0.6])
    assert summarise(values.tolist()).ci95 == student_interval(values)


@pytest.mark.parametrize("values", [[0.7, 0.9], [0.0, 0.0, 0.0, 1.0], [1.0] * 9 + [0.9], [0, 1]])
def test_no_interval_leaves_the_range(values):
    low, high = student_interval(np.array(values))
    assert low < 0 or high > 1
    low, high = summarise(values).ci95
    assert 0 < low < np.mean(values) < high < 1


def test_an_interval_that_touches_the_end_of_the_range_is_kept():
    assert keep_in_range(0.5, (0.0, 1.0)) == (0.0, 1.0)


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_equal_values_have_an_interval_of_one_point(mean):
    assert summarise([mean] * 3).ci95 == (mean, mean)


def test_wide_intervals_do_not_overflow():
    assert keep_in_range(1e-9, (-5.0, 5.0), math.inf)[1] < math.inf
    low, high = keep_in_range(1e-12, (-5.0, 5.0))
    assert 0 <= low < high <= 1


def test_nineteen_of_twenty_intervals_of_good_scores_hold_the_mean():
    """Skewed scores near 1, ten images each: most of Student's intervals leave the range."""
    rng = np.random.default_rng(0)
    scores = rng.beta(18, 1, (1000, 10))
    found = [summarise(row.tolist()).ci95 for row in scores]
    held = np.mean([low <= 18 / 19 <= high for low, high in found])
    student = np.mean([low <= 18 / 19 <= high for low, high in map(student_interval, scores)])
    assert held >= student - 0.01
    assert held > 0.9
