"""The classes that masks agree on, and how often they occur."""

import numpy as np
import pytest

from bmis.data.coding import Coding, MaskRules
from bmis.inspect.classes import agree_on_classes, class_counts, grey_pixels
from bmis.inspect.survey import survey
from helpers.folders import blob, picture


def test_the_masks_that_can_be_right_decide_on_the_classes(make_case):
    odd = blob(2)
    odd[0, 0] = 99
    inspections = survey(
        [make_case(f"c{i}", picture(i), blob(i)) for i in range(3)] + [make_case("x", odd, odd)]
    )
    names, _, errors = agree_on_classes(inspections, ())
    assert names == ("background", "foreground")
    assert [str(error).split(": ")[1] for error in errors] == [
        "mask values 0 99 255, expected 0/1 or 0/255; number the classes 0, 1, 2 ... (at most 64)"
    ]
    assert inspections[3].merged_values == {}


def test_gaps_between_classes_are_an_error_unless_declared(make_case):
    inspections = survey(
        [make_case("a", picture(0), blob(0, value=3)), make_case("b", picture(1), blob(0, value=1))]
    )
    names, _, errors = agree_on_classes(inspections, ())
    assert len(names) == 4
    assert "leave out 2" in str(errors[0])
    assert agree_on_classes(inspections, ("a", "b", "c", "d"))[2] == []


def test_no_legal_mask_at_all(make_case):
    odd = blob(0, value=200)
    odd[0, 0] = 99
    inspections = survey([make_case("a", picture(0), odd)])
    names, _, errors = agree_on_classes(inspections, ())
    assert names == ("background", "foreground")
    assert "mask values 0 99 200, expected 0/1, 0/255 or 0..K-1; number" in str(errors[0])


def test_shares_are_means_over_images_per_split(make_case):
    small, large = np.zeros((10, 10), np.uint8), np.zeros((10, 20), np.uint8)
    small[:5], large[:, :2] = 1, 2
    grey = picture(0, (10, 10), grey=True)
    inspections = survey(
        [make_case("a", grey, small), make_case("b", np.tile(grey, 2), large, split="test")]
    )
    counts = {(c.split, c.name): (c.images, c.share) for c in class_counts(inspections, "abc")}
    assert counts["train", "b"] == (1, 0.5)
    assert counts["test", "c"] == (1, pytest.approx(0.1))
    assert counts["all", "a"] == (2, pytest.approx(0.7))
    assert counts["all", "c"] == (1, pytest.approx(0.05))
    assert ("val", "a") not in counts


def test_zero_and_255_count_as_classes_zero_and_one(make_case):
    inspections = survey([make_case("a", picture(0), blob(0))])
    ground, lesion = class_counts(inspections, ("g", "l"))[:2]
    assert lesion.share == pytest.approx((blob(0) > 0).mean())
    assert ground.share == pytest.approx(1 - lesion.share)


def test_two_other_values_are_counted_as_two_classes(make_case):
    inspections = survey([make_case("a", picture(0), blob(0, value=1) + 1)])
    names, coding, errors = agree_on_classes(inspections, ())
    assert (coding.pair, errors) == ((1, 2), [])
    assert class_counts(inspections, names)[1].share == pytest.approx((blob(0) > 0).mean())


def test_ignored_pixels_are_not_counted(make_case):
    mask = np.zeros((10, 10), np.uint8)
    mask[:2], mask[5:] = 1, 255
    whole = np.full((10, 10), 255, np.uint8)
    grey = picture(0, (10, 10), grey=True)
    inspections = survey([make_case("a", grey, mask), make_case("b", grey, whole)])
    names, _, errors = agree_on_classes(inspections, (), MaskRules(ignore=255))
    assert (names, errors) == (("background", "foreground"), [])
    counts = class_counts(inspections, names)
    assert [(c.images, c.share) for c in counts[:2]] == [(1, 0.6), (1, pytest.approx(0.4))]


def test_a_class_cannot_be_ignored(make_case):
    inspections = survey([make_case("a", picture(0), blob(0, value=2))])
    names, _, errors = agree_on_classes(inspections, ("a", "b", "c"), MaskRules(ignore=1))
    assert len(names) == 3
    assert "ignore is 1, the number of a class" in str(errors[0])


def test_grey_pixels_of_masks_with_a_threshold_are_counted(make_case):
    mask = blob(0)
    mask[0, :3] = 40
    inspections = survey([make_case("a", picture(0), mask), make_case("b", picture(1), blob(1))])
    names, coding, errors = agree_on_classes(inspections, (), MaskRules(threshold=128))
    assert (names, errors) == (("background", "foreground"), [])
    assert grey_pixels(inspections, coding) == ("3 pixels are grey, in 1 of 2 masks",)
    assert grey_pixels(inspections, Coding(2)) == ()
