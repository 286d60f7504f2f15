"""Single objects of a mask against SciPy's labelling and by hand."""

import math

import numpy as np
import pytest
from scipy import ndimage

from bmis.predict.measurements import measure
from bmis.predict.objects import find_objects, measure_objects


@pytest.mark.parametrize("density", [0.02, 0.2, 0.4, 0.6, 0.9])
def test_objects_are_those_of_scipy(density):
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 40), (40, 1), (37, 53), (200, 120)):
        labels = (rng.random(shape) < density).astype(np.uint8)
        expected, count = ndimage.label(labels, np.ones((3, 3)))
        found = find_objects(labels, 1)
        assert found.max() == count
        assert np.array_equal(found, expected)  # the same numbers: both go by row and column


def test_a_spiral_is_one_object_and_no_pixel_is_none():
    spiral = np.ones((31, 31), np.uint8)
    for inset in range(1, 15, 2):
        spiral[inset, inset : 31 - inset] = 0
        spiral[inset : 31 - inset, 30 - inset] = 0
        spiral[30 - inset, inset + 1 : 31 - inset] = 0
        spiral[inset + 1 : 31 - inset, inset + 1] = 0
        spiral[inset + 1, inset + 1] = 1
    assert find_objects(spiral, 1).max() == ndimage.label(spiral, np.ones((3, 3)))[1]
    assert find_objects(np.zeros((5, 4), np.uint8), 1).max() == 0
    assert list(measure_objects(np.zeros((5, 4), np.uint8), 1)) == []


def test_each_object_is_measured_by_itself_and_in_its_place():
    labels = np.zeros((20, 30), np.uint8)
    labels[2:5, 4:8] = 2
    labels[10:18, 20:26] = 2
    labels[0, 0] = 1
    first, second = measure_objects(labels, 2, (0.5, 2.0))
    alone = np.where(np.arange(20)[:, None] < 8, labels, 0).astype(np.uint8)
    assert first == measure(alone, 2, (0.5, 2.0))
    assert (second.area_px, second.area_mm2, second.box) == (48, 48.0, (10, 20, 8, 6))
    assert (second.centroid, second.diameter_px) == ((14.0, 23.0), 10.0)
    assert second.diameter_mm == pytest.approx(math.hypot(4, 12))
    assert second.fraction == 48 / 600


def test_the_areas_of_all_objects_are_that_of_the_class():
    labels = (np.random.default_rng(1).random((90, 70)) < 0.3).astype(np.uint8)
    found = list(measure_objects(labels, 1))
    assert sum(one.area_px for one in found) == measure(labels, 1).area_px
