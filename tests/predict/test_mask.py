"""How a mask shows itself."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from bmis.data.palette import palette
from bmis.errors import DataError
from bmis.predict.mask import Mask

LABELS = np.zeros((40, 50), np.uint8)
LABELS[10:30, 10:30] = 2


def test_a_notebook_shows_the_classes_in_their_colours():
    with Pillow.open(io.BytesIO(Mask(LABELS)._repr_png_())) as picture:
        shown = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(shown, palette(3)[LABELS])


def test_an_overlay_is_the_image_with_the_mask_on_it():
    grey = np.full((40, 50), 0.5)
    drawn = Mask(LABELS).overlay(grey)
    assert (drawn[LABELS == 0] == 128).all()
    np.testing.assert_array_equal(drawn[10, 10], palette(3)[2])
    assert not (drawn[20, 20] == 128).all()


def test_an_overlay_on_another_image_is_refused():
    with pytest.raises(DataError, match=r"shape \(40, 50\) do not fit .* \(40, 51\)"):
        Mask(LABELS).overlay(np.zeros((40, 51), np.uint8))
