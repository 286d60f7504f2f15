"""Perturbations change what they say and move the mask with the image."""

import numpy as np
import pytest

from bmis.evaluate.perturbations import PERTURBATIONS, Sample

BY_NAME = {one.name: one for one in PERTURBATIONS}
SAME_MASK = ("grey", "gamma", "blur", "noise", "JPEG", "text")


def sample(channels=3, size=(40, 60)):
    """A bright square on random ground, which is also its mask."""
    pixels = np.random.default_rng(0).integers(40, 100, (*size, channels)).astype(np.uint8)
    labels = np.zeros(size, np.uint8)
    labels[4:20, 8:28] = 1
    pixels[labels > 0] += 120
    return Sample(pixels, labels)


def bright(changed):
    """The square where it can be seen now."""
    return changed.pixels.astype(float).mean(axis=2) > 130


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("name", BY_NAME)
def test_sizes_agree_and_the_original_is_left_alone(name, channels):
    given = sample(channels)
    before = given.pixels.copy(), given.labels.copy()
    changed = BY_NAME[name](given, "a")
    assert changed.pixels.shape == (*changed.labels.shape, channels)
    assert changed.pixels.dtype == changed.labels.dtype == np.uint8
    assert changed.counted is None or changed.counted.shape == changed.labels.shape
    assert np.array_equal(before[0], given.pixels)
    assert np.array_equal(before[1], given.labels)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_image_is_changed(name):
    given = sample()
    changed = BY_NAME[name](given, "a")
    assert changed.pixels.shape != given.pixels.shape or (changed.pixels != given.pixels).any()


@pytest.mark.parametrize(
    "name", [n for n, one in BY_NAME.items() if one.kind in ("quarter turn", "flip", "half size",
                                                            "double size", "black border")]
)  # fmt: skip
def test_the_mask_moves_with_the_image(name):
    changed = BY_NAME[name](sample(), "a")
    assert np.mean(bright(changed) != (changed.labels > 0)) < 0.02


@pytest.mark.parametrize("name", [n for n, one in BY_NAME.items() if one.kind in SAME_MASK])
def test_the_mask_stays_where_nothing_moves(name):
    given = sample()
    assert np.array_equal(BY_NAME[name](given, "a").labels, given.labels)


@pytest.mark.parametrize("share", [5, 10])
def test_a_border_has_its_width_and_colour(share):
    given = sample()
    changed = BY_NAME[f"white border, {share} %, left"](given, "a")
    wide = 60 * share // 100
    assert changed.pixels.shape == (40, 60 + wide, 3)
    assert (changed.pixels[:, :wide] == 255).all()
    assert not changed.labels[:, :wide].any()
    assert np.array_equal(changed.pixels[:, wide:], given.pixels)


def test_a_mirrored_border_does_not_count():
    changed = BY_NAME["mirrored border, 10 %, top"](sample(), "a")
    assert not changed.counted[:4].any()
    assert changed.counted[4:].all()
    assert np.array_equal(changed.pixels[:4], changed.pixels[4:8][::-1])


def test_what_does_not_count_moves_too():
    given = sample()
    given = Sample(given.pixels, given.labels, given.labels > 0)
    for name in ("turned by 90 degrees", "flipped left to right", "half size"):
        changed = BY_NAME[name](given, "a")
        assert np.array_equal(changed.counted, changed.labels > 0)
    assert BY_NAME["black border, 5 %, top"](given, "a").counted[:2].all()


def test_what_is_covered_is_background():
    whole = Sample(np.full((40, 60, 3), 200, np.uint8), np.ones((40, 60), np.uint8))
    corners = BY_NAME["dark corners"](whole, "a")
    assert np.array_equal(corners.labels > 0, corners.pixels[..., 0] > 0)
    assert not corners.labels[0, 0]
    inset = BY_NAME["a picture in the picture"](whole, "a")
    assert inset.labels.sum() == 40 * 60 - 10 * 15


def test_noise_follows_from_the_name_of_the_case():
    noise, given = BY_NAME["noise of 10 in 255"], sample()
    first, again, other = (noise(given, case).pixels for case in ("a", "a", "b"))
    assert np.array_equal(first, again)
    assert (first != other).any()
    spread = np.std(first.astype(float) - given.pixels)
    assert spread == pytest.approx(10, abs=0.5)


def test_a_picture_of_one_pixel_bears_all():
    tiny = Sample(np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), np.uint8))
    for one in PERTURBATIONS:
        assert one(tiny, "a").pixels.size
