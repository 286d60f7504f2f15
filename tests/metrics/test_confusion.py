"""The confusion of classes, counted by hand."""

import numpy as np
import pytest

from bmis.metrics import count_confusion


def test_rows_are_the_truth_and_columns_the_prediction():
    truth = np.array([[0, 0, 1], [1, 2, 2]], np.uint8)
    prediction = np.array([[0, 2, 1], [0, 2, 1]], np.uint8)
    expected = [[1, 0, 1], [1, 1, 0], [0, 1, 1]]
    assert count_confusion(prediction, truth, 3).tolist() == expected


def test_only_pixels_of_the_field_of_view_count():
    truth, prediction = np.zeros((2, 3), np.uint8), np.ones((2, 3), np.uint8)
    inside = np.array([[True, False, False], [False, False, True]])
    assert count_confusion(prediction, truth, 2, inside).tolist() == [[0, 2], [0, 0]]


@pytest.mark.parametrize("classes", [2, 5, 200])
def test_every_pixel_is_counted_once(classes):
    rng = np.random.default_rng(classes)
    truth, prediction = rng.integers(0, classes, (2, 40, 30), np.uint8)
    counts = count_confusion(prediction, truth, classes)
    assert counts.shape == (classes, classes)
    assert counts.sum() == 1200
    assert counts.trace() == (truth == prediction).sum()
