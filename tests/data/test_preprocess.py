"""Image, labels and scores stay aligned on the way in and out."""

import numpy as np
import pytest
import torch

from bmis.config import InputSpec
from bmis.data.preprocess import Placement, fit, fit_labels, normalise, restore
from bmis.errors import DataError


def disc(height, width):
    """A filled ellipse, 0 and 255, and its labels."""
    rows, columns = np.ogrid[:height, :width]
    inside = ((rows + 0.5) / height - 0.45) ** 2 + ((columns + 0.5) / width - 0.6) ** 2 < 0.08
    return (inside * 255).astype(np.uint8)[..., None], inside.astype(np.uint8)


@pytest.mark.parametrize("resize", ["squash", "letterbox", "native"])
@pytest.mark.parametrize("size", [(48, 64), (150, 90), (20, 31), (64, 64), (1, 200)])
def test_image_and_labels_stay_aligned_there_and_back(resize, size):
    spec = InputSpec((64, 48), 1, resize=resize)
    pixels, labels = disc(*size)
    fitted, placement = fit(pixels, spec)
    laid = fit_labels(labels, spec)
    assert fitted.shape == (*laid.shape, 1)
    assert fitted.dtype == laid.dtype == np.uint8
    assert placement.size == size
    unlike = np.abs((fitted[..., 0] / 255) - laid).mean()
    assert unlike < 0.025  # half-covered pixels only
    scores = np.stack([laid == 0, laid == 1]).astype(np.float32)
    back = restore(scores, placement)
    assert back.shape == (2, *size)
    assert (back.argmax(0) != labels).mean() < 0.06


def test_squash_fills_the_frame_and_letterbox_keeps_the_aspect():
    white = np.full((50, 100, 3), 255, np.uint8)
    squashed, placement = fit(white, InputSpec((40, 40)))
    assert placement.box == (0, 0, 40, 40)
    assert squashed.min() == 255
    boxed, placement = fit(white, InputSpec((40, 40), resize="letterbox"))
    assert placement.box == (10, 0, 20, 40)
    assert boxed[10:30].min() == 255
    assert boxed[:10].max() == boxed[30:].max() == 0


def test_native_leaves_the_pixels_and_pads_small_images_at_the_end():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 90, 3), np.uint8)
    padded, placement = fit(pixels, InputSpec((40, 40), resize="native"))
    assert padded.shape == (40, 90, 3)
    assert placement.box == (0, 0, 30, 90)
    np.testing.assert_array_equal(padded[:30], pixels)
    assert not padded[30:].any()


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None]
    shrunk, _ = fit(stripes, InputSpec((16, 16), 1))
    assert abs(int(shrunk[8, 8, 0]) - 127) < 10


def test_labels_are_never_mixed():
    labels = np.random.default_rng(0).choice([0, 1, 7], (37, 53)).astype(np.uint8)
    laid = fit_labels(labels, InputSpec((64, 32), 1, resize="letterbox"))
    assert set(np.unique(laid)) == {0, 1, 7}


def test_the_network_sees_mean_and_std_per_channel():
    spec = InputSpec((8, 8), 3, (0.5, 0.4, 0.3), (0.5, 0.2, 0.1))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    planes = normalise(pixels, spec)
    assert planes.dtype == np.float32
    wanted = (pixels / 255 - [0.5, 0.4, 0.3]) / [0.5, 0.2, 0.1]
    np.testing.assert_allclose(planes, wanted.transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize("size", [(100, 150), (40, 37), (9, 7), (1500, 700)])
@pytest.mark.parametrize("box", [(0, 0, 40, 37), (5, 3, 20, 30), (2, 2, 1, 1)])
def test_restored_scores_agree_with_torch(size, box):
    scores = np.random.default_rng(0).standard_normal((3, 40, 37)).astype(np.float32)
    top, left, height, width = box
    inside = torch.from_numpy(scores)[None, :, top : top + height, left : left + width]
    wanted = torch.nn.functional.interpolate(
        inside, size=size, mode="bilinear", align_corners=False
    )[0]
    found = restore(scores, Placement(size, box))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)


def test_restoring_the_same_size_changes_nothing():
    scores = np.random.default_rng(0).standard_normal((2, 9, 9)).astype(np.float32)
    np.testing.assert_array_equal(
        restore(scores, Placement((5, 6), (2, 1, 5, 6))), scores[:, 2:7, 1:7]
    )


def test_wrong_shapes_are_refused():
    with pytest.raises(DataError, match=r"shape \(H, W, 3\), got \(9, 9, 1\); read the image with"):
        fit(np.zeros((9, 9, 1), np.uint8), InputSpec((16, 16)))
    with pytest.raises(DataError, match=r"do not cover the image's box \(0, 0, 9, 9\)"):
        restore(np.zeros((2, 8, 9), np.float32), Placement((5, 5), (0, 0, 9, 9)))
