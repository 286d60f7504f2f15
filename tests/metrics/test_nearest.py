"""Nearest pixels against scipy's k-d tree, an implementation of another kind."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from bmis.metrics import nearest, surface
from bmis.metrics.nearest import nearest_distances

SQUARE, OBLONG = (1.0, 1.0), (0.37, 1.9)


def noise(seed, size, share):
    return np.argwhere(np.random.default_rng(seed).random(size) < share)


def outline(side, centre, radius, waves=0.1):
    """A wavy disc's surface in a square image that it may reach beyond."""
    rows, columns = np.ogrid[:side, :side]
    down, across = rows - centre[0] * side, columns - centre[1] * side
    edge = radius * side * (1 + waves * np.sin(7 * np.arctan2(down, across)))
    return np.argwhere(surface(down**2 + across**2 <= edge**2))


FRAME = np.argwhere(surface(np.ones((50, 70), bool)))
FAR = noise(4, (60, 60), 0.3) + np.array([900, 1500])
PAIRS = {
    "one pixel and itself": (np.array([[5, 7]]), np.array([[5, 7]])),
    "one pixel and another": (np.array([[0, 0]]), np.array([[3, 4]])),
    "two lines": (np.argwhere(np.eye(40)), np.argwhere(np.eye(40)[::-1])),
    "border and middle": (FRAME, np.array([[25, 35], [25, 36]])),
    "border and corner": (FRAME, np.array([[0, 0]])),
    "sparse and dense": (noise(1, (90, 130), 0.01), noise(2, (90, 130), 0.6)),
    "noise far apart": (noise(3, (60, 60), 0.3), FAR),
    "outlines close by": (outline(300, (0.5, 0.5), 0.3), outline(300, (0.5, 0.52), 0.31)),
    "outlines at the border": (outline(300, (0.1, 0.2), 0.3), outline(300, (0.9, 1), 0.4)),
    "ring around a spot": (outline(700, (0.5, 0.5), 0.45, 0), noise(5, (9, 9), 0.5) + 345),
}


def by_tree(points, others, spacing):
    points, others = points * np.array(spacing), others * np.array(spacing)
    return cKDTree(others).query(points)[0], cKDTree(points).query(others)[0]


@pytest.mark.parametrize("spacing", [SQUARE, OBLONG, OBLONG[::-1]])
@pytest.mark.parametrize("pair", PAIRS)
def test_distances_are_those_of_a_tree(pair, spacing):
    for mine, its in zip(
        nearest_distances(*PAIRS[pair], spacing), by_tree(*PAIRS[pair], spacing), strict=True
    ):
        if spacing == SQUARE:  # roots of whole numbers: the same to the last bit
            np.testing.assert_array_equal(mine, its)
        np.testing.assert_allclose(mine, its, rtol=1e-9)


def test_work_in_many_small_parts_changes_nothing(monkeypatch):
    monkeypatch.setattr(nearest, "_MOST", 50)
    points, others = PAIRS["sparse and dense"]
    for mine, its in zip(
        nearest_distances(points, others, OBLONG), by_tree(points, others, OBLONG), strict=True
    ):
        np.testing.assert_allclose(mine, its, rtol=1e-9)


@pytest.mark.parametrize("spacing", [SQUARE, OBLONG])
def test_outlines_of_a_4096_image_are_those_of_a_tree(spacing):
    points = outline(4096, (0.3, 0.3), 0.15)
    others = outline(4096, (0.6, 0.55), 0.4)
    found = nearest_distances(points, others, spacing)
    assert len(found[0]) > 3000
    for mine, its in zip(found, by_tree(points, others, spacing), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-9)


def test_pixels_a_hundred_thousand_apart_are_not_confused():
    columns = np.array([0, 65_536, 100_000])
    points, others = (np.stack([row + 0 * columns, columns + row], 1) for row in (0, 9))
    for mine, its in zip(
        nearest_distances(points, others[1:], SQUARE),
        by_tree(points, others[1:], SQUARE),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, its)
