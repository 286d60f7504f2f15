"""Equal and similar images of a data set, paired."""

import numpy as np

from bmis.inspect.duplicates import find_duplicates
from bmis.inspect.survey import survey
from helpers.folders import blob, picture


def test_equal_and_similar_images_are_paired_across_splits_first(make_case):
    base = picture(1, (64, 64))
    near = np.clip(base.astype(int) + 3, 0, 255).astype(np.uint8)
    mask = blob(0, (64, 64))
    inspections = survey(
        [
            make_case("a", base, mask),
            make_case("b", base, mask),
            make_case("c", base, blob(4, (64, 64)), split="test"),
            make_case("d", near, mask, split="val"),
            make_case("e", picture(5, (64, 64)), mask),
        ]
    )
    pairs = find_duplicates(inspections)
    assert [pair.ids for pair in pairs] == [("a", "c"), ("a", "d"), ("a", "b")]
    assert [pair.same_pixels for pair in pairs] == [True, False, True]
    assert [pair.crosses_splits for pair in pairs] == [True, True, False]
    assert [pair.masks_differ for pair in pairs] == [True, False, False]
    assert 0.85 < pairs[1].similarity <= 1


def test_equal_bytes_of_another_shape_are_no_copy(make_case):
    inspections = survey(
        [
            make_case("a", picture(0, (16, 32))),
            make_case("b", picture(0, (16, 32)).reshape(32, 16, 3)),
        ]
    )
    assert not any(pair.same_pixels for pair in find_duplicates(inspections))
