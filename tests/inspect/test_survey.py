"""One look at each case, whatever state its files are in."""

from dataclasses import replace

import numpy as np
import pytest

from bmis.data.folder import Case
from bmis.inspect.survey import (
    agree_on_classes,
    class_counts,
    find_duplicates,
    inspect_case,
    survey,
)
from helpers.folders import blob, picture, save


@pytest.fixture
def make(tmp_path):
    """A case from pixels and raw masks, written to disk."""

    def made(name, pixels, *masks, split="train"):
        image = save(tmp_path / f"{name}.png", pixels)
        files = [save(tmp_path / f"{name}_m{i}.png", raw) for i, raw in enumerate(masks)]
        return Case(name, image, tuple(files), split)

    return made


def test_a_sound_case(make):
    look = inspect_case(make("a", picture(0), blob(0), blob(3)))
    both = np.maximum(blob(0), blob(3))
    assert look.size == (24, 32)
    assert look.values == {0: int((both == 0).sum()), 255: int((both == 255).sum())}
    assert look.foreground == pytest.approx((both > 0).mean())
    assert look.faults == []
    assert not look.grey


def test_all_faults_of_one_case_are_noted(make):
    case = make("a", picture(0), blob(0), blob(1, (9, 9)), picture(2))
    case.image.write_bytes(b"")
    look = inspect_case(case)
    assert [str(fault).split(": ")[1][:12] for fault in look.faults] == [
        "the file is ",
        "mask of 9 x ",
        "a mask in co",
    ]
    assert look.values == {}


def test_a_bad_field_of_view_is_noted_and_the_masks_still_count(make, tmp_path):
    case = make("a", picture(0), blob(0))
    look = inspect_case(replace(case, field_of_view=save(tmp_path / "fov.png", blob(0, (9, 9)))))
    assert [str(fault).split(": ")[1][:25] for fault in look.faults] == [
        "field of view of 9 x 9 pi"
    ]
    assert look.values == inspect_case(case).values


def test_the_masks_that_can_be_right_decide_on_the_classes(make):
    odd = blob(2)
    odd[0, 0] = 99
    looks = survey([make(f"c{i}", picture(i), blob(i)) for i in range(3)] + [make("x", odd, odd)])
    names, faults = agree_on_classes(looks, ())
    assert names == ("background", "foreground")
    assert [str(fault).split(": ")[1] for fault in faults] == [
        "mask values 0 99 255, wanted 0/1 or 0/255; number the classes 0, 1, 2 ... (at most 64)"
    ]
    assert looks[3].values == {}


def test_gaps_between_classes_are_a_fault_unless_told(make):
    looks = survey(
        [make("a", picture(0), blob(0, value=3)), make("b", picture(1), blob(0, value=1))]
    )
    names, faults = agree_on_classes(looks, ())
    assert len(names) == 4
    assert "leave out 2" in str(faults[0])
    assert agree_on_classes(looks, ("a", "b", "c", "d"))[1] == []


def test_no_legal_mask_at_all(make):
    looks = survey([make("a", picture(0), blob(0, value=200))])
    names, faults = agree_on_classes(looks, ())
    assert names == ("background", "foreground")
    assert "mask values 0 200" in str(faults[0])


def test_shares_are_means_over_images_per_split(make):
    small, large = np.zeros((10, 10), np.uint8), np.zeros((10, 20), np.uint8)
    small[:5], large[:, :2] = 1, 2
    grey = picture(0, (10, 10), grey=True)
    looks = survey([make("a", grey, small), make("b", np.tile(grey, 2), large, split="test")])
    counts = {(c.split, c.name): (c.images, c.share) for c in class_counts(looks, "abc")}
    assert counts["train", "b"] == (1, 0.5)
    assert counts["test", "c"] == (1, pytest.approx(0.1))
    assert counts["all", "a"] == (2, pytest.approx(0.7))
    assert counts["all", "c"] == (1, pytest.approx(0.05))
    assert ("val", "a") not in counts


def test_zero_and_255_count_as_classes_zero_and_one(make):
    looks = survey([make("a", picture(0), blob(0))])
    ground, lesion = class_counts(looks, ("g", "l"))[:2]
    assert lesion.share == pytest.approx((blob(0) > 0).mean())
    assert ground.share == pytest.approx(1 - lesion.share)


def test_equal_and_alike_images_are_paired_across_splits_first(make):
    base = picture(1, (64, 64))
    near = np.clip(base.astype(int) + 3, 0, 255).astype(np.uint8)
    mask = blob(0, (64, 64))
    looks = survey(
        [
            make("a", base, mask),
            make("b", base, mask),
            make("c", base, blob(4, (64, 64)), split="test"),
            make("d", near, mask, split="val"),
            make("e", picture(5, (64, 64)), mask),
        ]
    )
    pairs = find_duplicates(looks)
    assert [pair.ids for pair in pairs] == [("a", "c"), ("a", "d"), ("a", "b")]
    assert [pair.exact for pair in pairs] == [True, False, True]
    assert [pair.crosses for pair in pairs] == [True, True, False]
    assert [pair.masks_differ for pair in pairs] == [True, False, False]
    assert 0.85 < pairs[1].similarity <= 1


def test_equal_bytes_of_another_shape_are_no_copy(make):
    looks = survey(
        [make("a", picture(0, (16, 32))), make("b", picture(0, (16, 32)).reshape(32, 16, 3))]
    )
    assert not any(pair.exact for pair in find_duplicates(looks))
