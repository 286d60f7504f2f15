"""Images that come as arrays and tensors."""

import numpy as np
import pytest
import torch

from bmis.data.arrays import image_from_array
from bmis.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.mark.parametrize(
    "array",
    [
        RGB,
        RGB.transpose(2, 0, 1),
        RGB / 255,
        (RGB / 255).astype(np.float32).transpose(2, 0, 1),
        torch.from_numpy(RGB),
        torch.from_numpy(RGB).permute(2, 0, 1) / 255,
    ],
    ids=["HWC", "CHW", "float", "float CHW", "tensor", "float tensor CHW"],
)
def test_all_forms_of_an_image_give_its_pixels(array):
    pixels = image_from_array(array).pixels
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, RGB)


def test_grey_images_have_one_channel():
    for array in (RGB[..., 0], RGB[..., :1], RGB[None, ..., 0]):
        np.testing.assert_array_equal(image_from_array(array).pixels, RGB[..., :1])
    np.testing.assert_array_equal(
        image_from_array(RGB[..., 0] > 99).pixels, np.where(RGB[..., :1] > 99, 255, 0)
    )


def test_the_last_axis_wins_where_two_could_be_channels():
    assert image_from_array(np.zeros((3, 5, 3), np.uint8)).pixels.shape == (3, 5, 3)
    assert image_from_array(np.zeros((3, 5, 1), np.uint8)).pixels.shape == (3, 5, 1)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (RGB[None], r"shape \(1, 6, 8, 3\); give one image at a time"),
        (RGB[..., :2], r"shape \(6, 8, 2\)"),
        (RGB.astype(np.int64), "got int64; read the file with bmis.read_image"),
        (RGB.astype(np.float32), "got 0|1 to 255; divide by the largest value"),
        (RGB / 255 - 0.5, "floats in 0..1, got -0.5"),
        (np.full((4, 4), np.nan), "floats in 0..1, got nan"),
        (np.zeros((0, 4), np.uint8), r"\(0, 4\) without a pixel"),
        (torch.zeros(4, 4, requires_grad=True), "no array .*detach"),
        ("text", r"shape \(\)"),
    ],
)
def test_what_is_no_image_is_refused_with_the_fix(array, message):
    with pytest.raises(DataError, match=message):
        image_from_array(array)
