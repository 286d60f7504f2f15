"""Outlines enclose exactly the pixels of an object, its holes left out."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bmis.clinical.outlines import features, outline


def filled(geometry, shape):
    """Pixels whose centres lie inside a polygon, by the even-odd rule."""
    rows, columns = (axis + 0.5 for axis in np.indices(shape))
    inside = np.zeros(shape, bool)
    for ring in geometry["coordinates"]:
        for (x0, y0), (x1, y1) in pairwise(ring):
            if y0 != y1:
                crosses = (rows > min(y0, y1)) & (rows < max(y0, y1)) & (columns > x0)
                inside ^= crosses
            assert x0 == x1 or y0 == y1
    return inside


@pytest.mark.parametrize("density", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(4))
def test_outlines_fill_exactly_the_mask(density, seed):
    labels = (np.random.default_rng(seed).random((17, 23)) < density).astype(np.uint8)
    found = np.zeros(labels.shape, bool)
    for geometry in features(labels, 1):
        part = filled(geometry, labels.shape)
        assert not (found & part).any()
        found |= part
    np.testing.assert_array_equal(found, labels > 0)


def test_a_ring_has_one_hole_and_four_corners_each():
    picture = Image.new("1", (9, 9))
    ImageDraw.Draw(picture).rectangle((1, 1, 7, 7), outline=1, width=2)
    rings = outline(np.array(picture))
    assert [len(ring) for ring in rings] == [5, 5]
    assert rings[0] == [(1, 1), (8, 1), (8, 8), (1, 8), (1, 1)]
    assert sorted(rings[1][:-1]) == [(3, 3), (3, 6), (6, 3), (6, 6)]


def test_pixels_that_touch_at_a_corner_are_one_ring():
    assert len(outline(np.eye(3, dtype=bool))) == 1
