"""Drawn pixels, checked by hand."""

import numpy as np
import pytest

from bmis.data.coding import IGNORE
from bmis.data.drawing import (
    ADDED,
    CONFUSED,
    MISSED,
    contact_sheet,
    contours,
    draw_differences,
    overlay,
)
from bmis.data.palette import palette
from bmis.errors import DataError

SQUARE = np.zeros((12, 14), np.uint8)
SQUARE[2:9, 3:10] = 1


def test_a_contour_is_the_inner_rim():
    wanted = SQUARE.copy()
    wanted[3:8, 4:9] = 0
    np.testing.assert_array_equal(contours(SQUARE), wanted)


def test_a_wider_contour_grows_inwards():
    wanted = SQUARE.copy()
    wanted[4:7, 5:8] = 0
    np.testing.assert_array_equal(contours(SQUARE, 2), wanted)


def test_classes_that_touch_are_outlined_on_both_sides():
    labels = np.repeat(np.array([[1, 1, 1, 2, 2, 2]], np.uint8), 6, axis=0)
    np.testing.assert_array_equal(contours(labels)[0], [0, 0, 1, 2, 0, 0])


def test_the_edge_of_the_image_is_no_contour():
    assert not contours(np.ones((9, 9), np.uint8)).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_an_overlay_tints_the_inside_and_leaves_the_outside(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 14, channels), np.uint8)
    kept = pixels.copy()
    drawn = overlay(pixels, SQUARE, alpha=0.25)
    colour = palette(2)[1]
    rgb = np.broadcast_to(pixels, (12, 14, 3)).astype(int)
    assert drawn.shape == (12, 14, 3)
    np.testing.assert_array_equal(pixels, kept)
    np.testing.assert_array_equal(drawn[SQUARE == 0], rgb[SQUARE == 0])
    assert (drawn[contours(SQUARE) > 0] == colour).all()
    np.testing.assert_allclose(drawn[5, 6], 0.75 * rgb[5, 6] + 0.25 * colour, atol=0.51)


def test_what_is_unsure_is_yellow_below_the_contour():
    unsure = np.zeros(SQUARE.shape, np.bool_)
    unsure[:4] = True
    plain = overlay(np.zeros((12, 14, 3), np.uint8), SQUARE)
    drawn = overlay(np.zeros((12, 14, 3), np.uint8), SQUARE, unsure=unsure)
    rim = contours(SQUARE) > 0
    np.testing.assert_array_equal(drawn[~unsure | rim], plain[~unsure | rim])
    assert (drawn[0, 0] == (120, 114, 33)).all()


def test_each_class_has_its_colour_and_strength_zero_only_contours():
    labels = SQUARE.copy()
    labels[2:9, 7:10] = 2
    drawn = overlay(np.zeros((12, 14, 3), np.uint8), labels, alpha=0.0)
    assert (drawn[2, 3] == palette(3)[1]).all()
    assert (drawn[2, 9] == palette(3)[2]).all()
    assert not drawn[5, 5].any()


def test_the_truth_is_dashed_black_and_white_above_the_rest():
    truth = np.roll(SQUARE, 2, axis=1)
    drawn = overlay(np.full((12, 14, 1), 90, np.uint8), SQUARE, truth=truth)
    dashes = drawn[contours(truth) > 0]
    assert ((dashes == 0).all(1) | (dashes == 255).all(1)).all()
    assert 0.2 < (dashes == 255).mean() < 0.8


def test_other_sizes_are_refused():
    with pytest.raises(DataError, match=r"truth of shape \(3, 3\) do not fit an image"):
        overlay(np.zeros((12, 14, 3), np.uint8), SQUARE, truth=np.zeros((3, 3), np.uint8))


def test_a_sheet_holds_every_picture_and_caption():
    red = np.zeros((20, 40, 3), np.uint8)
    red[..., 0] = 255
    green = np.zeros((80, 80, 3), np.uint8)
    green[..., 1] = 255
    sheet = contact_sheet([("one", red), ("two", green), ("", red)], columns=2, tile_size=40)
    assert (sheet == (255, 0, 0)).all(2).sum() == 2 * 20 * 40
    assert (sheet == (0, 255, 0)).all(2).sum() == 40 * 40  # scaled to the tile
    ink = (sheet < 100).all(2)
    half, middle = sheet.shape[0] // 2, sheet.shape[1] // 2
    assert ink[:half, :middle].any()
    assert ink[:half, middle:].any()
    assert not ink[half:].any()


def test_a_long_caption_does_not_run_into_the_next():
    black = np.zeros((40, 40, 3), np.uint8)
    sheet = contact_sheet([("image_" + "0123456789" * 9, black), ("", black)], 2, 40)
    below = sheet[8 + 40 :, 8 + 40 :]
    assert (below == 255).all()


def test_a_sheet_needs_pictures():
    with pytest.raises(DataError, match="needs at least one picture"):
        contact_sheet([])


def test_ignored_pixels_are_striped_and_have_no_colour():
    labels = SQUARE.copy()
    labels[:, 11:] = 255
    black = np.zeros((12, 14, 3), np.uint8)
    drawn = overlay(black, labels)
    np.testing.assert_array_equal(drawn[:, :11], overlay(black, SQUARE)[:, :11])
    stripes = drawn[:, 11:].reshape(-1, 3)
    assert {tuple(colour) for colour in stripes.tolist()} == {(0, 0, 0), (128, 128, 128)}
    compared = overlay(black, SQUARE, truth=labels)
    np.testing.assert_array_equal(compared[:, 11:], drawn[:, 11:])


def test_differences_have_a_colour_for_each_way_to_be_wrong():
    truth = np.array([[0, 1, 0, 1, 2, IGNORE]], np.uint8)
    labels = np.array([[0, 1, 1, 0, 1, 1]], np.uint8)
    drawn = draw_differences(np.full((1, 6, 1), 100, np.uint8), labels, truth)[0].astype(int)
    background, right, added, missed, confused, ignored = drawn
    assert background.tolist() == ignored.tolist() == [50, 50, 50]
    assert right.min() > 170
    for seen, colour in ((added, ADDED), (missed, MISSED), (confused, CONFUSED)):
        assert np.abs(seen - colour).max() < 35
