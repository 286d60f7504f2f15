"""The rules on pieces, against SciPy and by hand."""

import numpy as np
import pytest
from scipy import ndimage

from bmis.config import PostProcessing
from bmis.predict.pieces import clean

CORNERS = np.ones((3, 3))


def blobs(seed, *, density=0.6, size=(40, 60)):
    rng = np.random.default_rng(seed)
    return (ndimage.uniform_filter(rng.random(size), 3) > 1 - density).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_holes_are_those_of_scipy(seed):
    labels = blobs(seed, density=0.55)
    filled = clean(labels, PostProcessing(fill_holes=True))
    np.testing.assert_array_equal(filled > 0, ndimage.binary_fill_holes(labels))
    assert (filled != labels).any()


@pytest.mark.parametrize("seed", range(4))
def test_small_pieces_vanish_and_the_largest_stays(seed):
    labels = blobs(seed, density=0.48)
    numbered, count = ndimage.label(labels, CORNERS)
    sizes = ndimage.sum_labels(labels, numbered, range(1, count + 1))
    assert count > 3
    least = float(np.median(sizes))
    expected = np.isin(numbered, 1 + np.flatnonzero(sizes >= least))
    found = clean(labels, PostProcessing(smallest_size=least / labels.size))
    np.testing.assert_array_equal(found > 0, expected)
    found = clean(labels, PostProcessing(largest_piece=True))
    np.testing.assert_array_equal(found > 0, numbered == 1 + sizes.argmax())


def test_without_a_rule_the_labels_are_the_same_array_and_with_one_they_are_kept():
    labels = blobs(0)
    before = labels.copy()
    assert clean(labels, PostProcessing(threshold=0.3, flips="both")) is labels
    assert clean(labels, PostProcessing(smallest_size=1 / labels.size)) is labels  # a pixel
    clean(labels, PostProcessing(largest_piece=True, fill_holes=True, smallest_size=0.01))
    np.testing.assert_array_equal(labels, before)


def test_a_hole_goes_to_the_class_that_surrounds_it_alone():
    labels = np.ones((9, 19), np.uint8)
    labels[2:7, 2:7] = 2  # a cup inside of a disc is no hole
    labels[4, 4] = 0  # a hole in the cup
    labels[4, 12] = 0  # a hole in the disc
    labels[4, 15], labels[4, 16] = 0, 2  # between both
    found = clean(labels, PostProcessing(fill_holes=True))
    assert (found[4, 4], found[4, 12], found[4, 15]) == (2, 1, 0)
    assert np.count_nonzero(found != labels) == 2


def test_specks_vanish_before_holes_are_filled_and_holes_before_the_largest_is_chosen():
    labels = np.zeros((20, 40), np.uint8)
    labels[2:14, 2:14], labels[4:12, 4:12] = 1, 0  # a ring of 80 pixels around 64
    labels[7, 7] = 1  # a speck in it
    labels[5:15, 25:35] = 1  # 100 pixels
    rules = PostProcessing(largest_piece=True, smallest_size=0.01, fill_holes=True)
    found = clean(labels, rules)
    assert found.sum() == 144
    assert found[2:14, 2:14].all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (6, 6)])
@pytest.mark.parametrize("value", [0, 1])
def test_empty_full_and_thin_masks(shape, value):
    labels = np.full(shape, value, np.uint8)
    rules = PostProcessing(largest_piece=True, smallest_size=0.5, fill_holes=True)
    np.testing.assert_array_equal(clean(labels, rules), labels)


def test_each_class_keeps_its_own_largest_piece():
    labels = np.zeros((8, 8), np.uint8)
    labels[0, :3], labels[0, 5], labels[4, :2], labels[7, 7] = 1, 1, 2, 2
    found = clean(labels, PostProcessing(largest_piece=True))
    assert [(found == index).sum() for index in (1, 2)] == [3, 2]
