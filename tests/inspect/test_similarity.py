"""Copies and near copies are found, different images of one kind are not."""

import numpy as np

from bmis.inspect.similarity import similar_pairs, thumbnail
from helpers.folders import picture

INSIDE = np.hypot(*np.mgrid[-1:1:160j, -1:1:200j])[..., None] < 0.9


def scene(seed, contrast=0.4):
    """One kind of image: the same round frame, other details inside, (160, 200, 1) uint8."""
    details = picture(seed, (160, 200), grey=True)[..., None]
    return (INSIDE * (140 + contrast * details)).astype(np.uint8)


def found(*images):
    pairs = similar_pairs(np.stack([thumbnail(image) for image in images]))
    return [(one, other) for one, other, _ in pairs]


def test_noisy_brighter_and_rescaled_copies_are_found():
    noise = np.random.default_rng(0).normal(0, 6, scene(1).shape)
    noisy = np.clip(scene(1) + noise, 0, 255).astype(np.uint8)
    brighter = (60 + scene(2) * 0.7).astype(np.uint8)
    smaller = scene(3)[::2, ::2]
    assert found(*map(scene, range(20)), noisy, brighter, smaller) == [(1, 20), (2, 21), (3, 22)]


def test_colour_does_not_matter():
    assert found(scene(0), scene(1), np.repeat(scene(0), 3, axis=2)) == [(0, 2)]


def test_the_same_frame_with_other_details_is_no_copy():
    assert found(*(scene(seed, contrast=0.15) for seed in range(30))) == []


def test_flat_images_are_similar_to_no_other():
    black, grey = np.zeros((40, 40, 1), np.uint8), np.full((40, 40, 1), 90, np.uint8)
    assert found(black, grey, black, scene(0)) == []
    faint = (picture(0, (32, 32), grey=True) > 128).astype(np.uint8)[..., None]
    assert found(faint, faint, scene(0)) == []


def test_two_alone_are_compared():
    one, other = picture(0, (64, 64)), picture(1, (64, 64))
    assert found(one, one) == [(0, 1)]
    assert found(one, other) == []


def test_pairs_beyond_one_block_of_the_matrix(monkeypatch):
    monkeypatch.setattr("bmis.inspect.similarity._BLOCK", 4)
    images = [scene(index) for index in range(10)]
    images[9] = images[2]
    images[6] = images[5]
    assert found(*images) == [(2, 9), (5, 6)]
