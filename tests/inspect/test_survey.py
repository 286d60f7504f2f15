"""Each case is read once, whatever state its files are in."""

from dataclasses import replace

import numpy as np
import pytest

from bmis.inspect.survey import inspect_case
from helpers.folders import blob, picture, save


def test_a_sound_case(make_case):
    found = inspect_case(make_case("a", picture(0), blob(0), blob(3)))
    both = np.maximum(blob(0), blob(3))
    assert found.size == (24, 32)
    assert found.merged_values == {0: int((both == 0).sum()), 255: int((both == 255).sum())}
    assert found.foreground == pytest.approx((both > 0).mean())
    assert found.errors == []
    assert found.channels == 3


def test_all_errors_of_one_case_are_noted(make_case):
    case = make_case("a", picture(0), blob(0), blob(1, (9, 9)), picture(2))
    case.image.write_bytes(b"")
    found = inspect_case(case)
    assert [str(error).split(": ")[1][:12] for error in found.errors] == [
        "the file is ",
        "mask of 9 x ",
        "a mask in co",
    ]
    assert found.merged_values == {}


def test_a_bad_field_of_view_is_noted_and_the_masks_still_count(make_case, tmp_path):
    case = make_case("a", picture(0), blob(0))
    found = inspect_case(replace(case, field_of_view=save(tmp_path / "fov.png", blob(0, (9, 9)))))
    assert [str(error).split(": ")[1][:25] for error in found.errors] == [
        "field of view of 9 x 9 pi"
    ]
    assert found.merged_values == inspect_case(case).merged_values
