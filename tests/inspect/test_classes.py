"""The classes that masks agree on, and how often they occur."""

import numpy as np
import pytest

from bmis.inspect.classes import agree_on_classes, class_counts
from bmis.inspect.survey import survey
from helpers.folders import blob, picture


def test_the_masks_that_can_be_right_decide_on_the_classes(make_case):
    odd = blob(2)
    odd[0, 0] = 99
    inspections = survey(
        [make_case(f"c{i}", picture(i), blob(i)) for i in range(3)] + [make_case("x", odd, odd)]
    )
    names, errors = agree_on_classes(inspections, ())
    assert names == ("background", "foreground")
    assert [str(error).split(": ")[1] for error in errors] == [
        "mask values 0 99 255, expected 0/1 or 0/255; number the classes 0, 1, 2 ... (at most 64)"
    ]
    assert inspections[3].merged_values == {}


def test_gaps_between_classes_are_an_error_unless_declared(make_case):
    inspections = survey(
        [make_case("a", picture(0), blob(0, value=3)), make_case("b", picture(1), blob(0, value=1))]
    )
    names, errors = agree_on_classes(inspections, ())
    assert len(names) == 4
    assert "leave out 2" in str(errors[0])
    assert agree_on_classes(inspections, ("a", "b", "c", "d"))[1] == []


def test_no_legal_mask_at_all(make_case):
    inspections = survey([make_case("a", picture(0), blob(0, value=200))])
    names, errors = agree_on_classes(inspections, ())
    assert names == ("background", "foreground")
    assert "mask values 0 200" in str(errors[0])


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
