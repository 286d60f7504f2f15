"""The colours of the classes."""

import numpy as np

from bmis.data.palette import palette


def test_background_is_black_and_all_other_colours_are_distinct():
    colours = palette(64).astype(int)
    assert colours.shape == (64, 3)
    assert not colours[0].any()
    apart = np.abs(colours[:, None] - colours[None]).sum(2) + 999 * np.eye(64, dtype=int)
    assert apart.min() > 10
    assert apart[:12, :12].min() > 50
    assert colours[1:].max(axis=1).min() > 180


def test_a_class_keeps_its_colour_whatever_their_number():
    np.testing.assert_array_equal(palette(64)[:5], palette(5))
