"""Measurements against numbers by hand and against brute force over all pixel corners."""

import math

import numpy as np
import pytest

from bmis.predict.measurements import _hull, measure


def blank(height=9, width=12):
    return np.zeros((height, width), np.uint8)


def brute_force(labels, class_index, spacing):
    rows, columns = np.nonzero(labels == class_index)
    corners = np.concatenate(
        [np.stack([rows + down, columns + across], 1) for down in (0, 1) for across in (0, 1)]
    ) * np.array(spacing)
    return np.sqrt(np.square(corners[:, None] - corners[None]).sum(-1).max())


def test_the_measurements_of_a_rectangle():
    labels = blank()
    labels[2:5, 4:8] = 1  # 3 high, 4 wide: its diagonal is 5
    found = measure(labels, 1, (0.5, 2.0))
    assert found.area_px == 12
    assert found.area_mm2 == 12
    assert found.fraction == 12 / 108
    assert found.box == (2, 4, 3, 4)
    assert found.centroid == (3.5, 6.0)
    assert found.diameter_px == 5
    assert found.diameter_mm == pytest.approx(math.hypot(1.5, 8))


def test_a_single_pixel_at_the_corner():
    labels = blank(1, 1)
    labels[0, 0] = 3
    found = measure(labels, 3)
    assert (found.box, found.centroid) == ((0, 0, 1, 1), (0.5, 0.5))
    assert found.diameter_px == pytest.approx(math.sqrt(2))
    assert found.area_mm2 is None
    assert found.diameter_mm is None


def test_an_absent_class_measures_nothing():
    labels = blank()
    labels[0, 0] = 2
    found = measure(labels, 1, (1.0, 1.0))
    assert (found.area_px, found.area_mm2, found.fraction) == (0, 0, 0)
    assert found.box is found.centroid is found.diameter_px is found.diameter_mm is None


def test_pieces_of_one_class_count_together_and_others_do_not():
    labels = blank()
    labels[0, 0] = labels[8, 11] = 1
    labels[:, 5] = 2
    found = measure(labels, 1)
    assert found.box == (0, 0, 9, 12)
    assert found.diameter_px == 15  # 9 by 12
    assert measure(labels, 2).diameter_px == pytest.approx(math.hypot(9, 1))


@pytest.mark.parametrize("density", [0.003, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("size", [(1, 40), (40, 1), (13, 19), (19, 11)])
def test_diameters_match_brute_force(density, size):
    rng = np.random.default_rng(int(1000 * density) + size[0])
    for spacing in ((1.0, 1.0), (0.3, 1.7), (4.0, 0.5)):
        labels = (rng.random(size) < density).astype(np.uint8)
        labels[size[0] // 2, size[1] // 2] = 1
        found = measure(labels, 1, spacing)
        assert found.diameter_px == pytest.approx(brute_force(labels, 1, (1, 1)))
        assert found.diameter_mm == pytest.approx(brute_force(labels, 1, spacing))


def test_only_corners_of_the_hull_are_compared():
    rows, columns = np.mgrid[:101, :101]
    diamond = np.abs(rows - 50) + np.abs(columns - 50) <= 50  # four tips of one pixel each
    assert len(_hull(diamond)) == 8


def test_a_disc_measures_its_diameter():
    rows, columns = np.mgrid[:500, :600]
    labels = (np.hypot(rows - 250, columns - 300) <= 200).astype(np.uint8)
    found = measure(labels, 1, (0.1, 0.1))
    assert found.area_px == pytest.approx(math.pi * 200**2, rel=1e-3)
    assert found.centroid == pytest.approx((250.5, 300.5))
    assert found.diameter_px == pytest.approx(401, abs=1)
    assert found.diameter_mm == pytest.approx(found.diameter_px / 10)
