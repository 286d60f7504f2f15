"""Augmentation by index and in closed form: what is drawn, and how it changes a batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bmis.config import Augmentation
from bmis.train.augment import apply_parameters, draw_parameters
from bmis.train.augment.intensity import NOISE_STRIDE
from bmis.train.recipes import RECIPES

STILL = Augmentation(flip=0.0, rotate=0.0)
PAPER, RICH = RECIPES["paper"].augmentation, RECIPES["default"].augmentation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(count=4, channels=3, size=(12, 20), classes=3):
    generator = seeded(7)
    images = torch.rand(count, channels, *size, generator=generator)
    return images, torch.randint(classes, (count, *size), generator=generator, dtype=torch.uint8)


def change(settings, images, labels, seed=0):
    parameters = draw_parameters(settings, images.shape, seeded(seed))
    return apply_parameters(images, labels, parameters, settings)


def rotated(degrees, images, labels, *, zoom=1.0, shift=(0.0, 0.0), smooth=False):
    """All images rotated, magnified and shifted by exactly these values."""
    settings = replace(STILL, smooth=smooth)
    drawn = draw_parameters(settings, images.shape, seeded())
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    matrix = torch.tensor([[cos, -sin, shift[0]], [sin, cos, shift[1]]])
    geometry = replace(drawn.geometry, matrix=matrix.expand(len(images), 2, 3))
    return apply_parameters(images, labels, replace(drawn, geometry=geometry), settings)


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_settings_of_zero_change_nothing(smooth, channels):
    images, labels = batch(channels=channels)
    moved, marks = change(replace(STILL, smooth=smooth), images, labels)
    torch.testing.assert_close(moved, images, rtol=0, atol=1e-5)
    assert torch.equal(marks, labels)
    assert marks.dtype == torch.uint8
    if not smooth:
        assert torch.equal(moved, images)


@pytest.mark.parametrize("smooth", [True, False])
def test_a_flip_of_both_axes_is_exact(smooth):
    images, labels = batch()
    moved, marks = change(replace(STILL, flip=1.0, smooth=smooth), images, labels)
    torch.testing.assert_close(moved, images.flip(2, 3), rtol=0, atol=1e-5)
    assert torch.equal(marks, labels.flip(1, 2))


@pytest.mark.parametrize(("flip", "axis"), [((1.0, 0.0), 3), ((0.0, 1.0), 2)])
def test_each_axis_has_a_probability_of_its_own(flip, axis):
    images, labels = torch.rand(4, 3, 8, 12), torch.randint(0, 2, (4, 8, 12), dtype=torch.uint8)
    moved, marks = change(replace(STILL, flip=flip), images, labels)
    torch.testing.assert_close(moved, images.flip(axis), rtol=0, atol=1e-5)
    assert torch.equal(marks, labels.flip(axis - 1))


def test_flips_are_drawn_for_each_axis_and_image_by_itself():
    images, labels = batch(count=400, size=(4, 6))
    _, marks = change(replace(STILL, flip=0.25), images, labels)
    seen = {"": 0, "x": 0, "y": 0, "xy": 0}
    for before, after in zip(labels, marks, strict=True):
        for name, axes in {"": (), "x": (1,), "y": (0,), "xy": (0, 1)}.items():
            seen[name] += torch.equal(after, before.flip(axes))
    assert sum(seen.values()) == 400
    assert seen[""] == pytest.approx(225, abs=40)  # 3/4 x 3/4
    assert seen["x"] == pytest.approx(75, abs=30)
    assert seen["y"] == pytest.approx(75, abs=30)
    assert 8 <= seen["xy"] <= 50  # 25


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("smooth", [True, False])
def test_rotations_by_90_degrees_by_index(quarters, smooth):
    images, labels = batch(size=(16, 16))
    moved, marks = rotated(90 * quarters, images, labels, smooth=smooth)
    torch.testing.assert_close(moved, images.rot90(quarters, (2, 3)), rtol=0, atol=1e-4)
    assert torch.equal(marks, labels.rot90(quarters, (1, 2)))


def test_a_wide_image_rotated_by_90_degrees_keeps_its_middle_and_is_black_elsewhere():
    images, labels = batch(size=(8, 16), classes=3)
    labels += 1
    moved, marks = rotated(90, images, labels)
    middle = slice(4, 12)
    torch.testing.assert_close(
        moved[..., middle], images[..., middle].rot90(1, (2, 3)), rtol=0, atol=0
    )
    assert torch.equal(marks[..., middle], labels[..., middle].rot90(1, (1, 2)))
    for outside in (moved[..., :4], moved[..., 12:], marks[..., :4], marks[..., 12:]):
        assert not outside.any()


def disc(height, width, radius):
    y, x = torch.meshgrid(
        torch.arange(height) + 0.5 - height / 2,
        torch.arange(width) + 0.5 - width / 2,
        indexing="ij",
    )
    return (x**2 + y**2 < radius**2).to(torch.uint8)[None]


@pytest.mark.parametrize("size", [(64, 64), (48, 96), (96, 48)])
def test_a_disc_stays_a_disc_whatever_the_shape_of_the_image(size):
    labels = disc(*size, 16)
    _, marks = rotated(33, labels[:, None].float(), labels)
    assert (marks != labels).float().mean() < 0.01  # a sheared disc differs by more than 0.05


def test_magnification_is_that_of_the_object():
    labels = disc(96, 128, 16)
    _, marks = rotated(0, labels[:, None].float(), labels, zoom=2.0)
    assert (marks != disc(96, 128, 32)).float().mean() < 0.01


def test_shifts_are_fractions_of_the_height():
    images, labels = batch(size=(10, 20))
    _, marks = rotated(0, images, labels, shift=(0.3, -0.2))  # reads 3 to the right and 2 up
    assert torch.equal(marks[:, 2:, :-3], labels[:, :-2, 3:])
    assert not marks[:, :2].any()
    assert not marks[:, :, -3:].any()


@pytest.mark.parametrize("settings", [PAPER, RICH, replace(RICH, flip=0, rotate=0, elastic=0.1)])
def test_labels_move_with_the_image_and_take_no_new_values(settings):
    """An image that shows its labels still shows them; smooth borders count as half."""
    _, labels = batch(count=8, size=(40, 56), classes=2)
    labels = labels[:, ::8, ::8].repeat_interleave(8, 1).repeat_interleave(8, 2) * 3
    settings = replace(settings, brightness=0.0, contrast=0.0, gamma=0.0, colour=0.0, noise=0.0)
    moved, marks = change(settings, labels[:, None].float() / 3, labels)
    assert set(marks.unique().tolist()) == {0, 3}
    assert not torch.equal(marks, labels)
    shown = (moved[:, 0] > 0.5).to(torch.uint8) * 3
    assert (shown != marks).float().mean() < (0.02 if settings.smooth else 1e-9)


def test_the_paper_fills_with_black_and_ours_with_the_mirror_image():
    images, labels = torch.ones(16, 1, 32, 32), torch.ones(16, 32, 32, dtype=torch.uint8)
    moved, marks = change(PAPER, images, labels)
    assert (moved == 0).any()
    assert torch.equal(moved[:, 0] == 0, marks == 0)
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    far = replace(STILL, rotate=30.0, scale=(0.7, 0.8), shift=0.2)
    moved, marks = change(far, images, labels)
    assert marks.all()
    torch.testing.assert_close(moved, images)


def test_the_same_parameters_give_the_same_batch_again():
    images, labels = batch()
    parameters = draw_parameters(RICH, images.shape, seeded())
    first, second = (apply_parameters(images, labels, parameters, RICH) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    other = change(RICH, images, labels, seed=1)
    assert not torch.equal(first[0], other[0])


def test_the_global_generator_is_not_touched():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    change(RICH, *batch())
    assert torch.rand(1) == expected


@pytest.mark.parametrize("channels", [1, 3])
def test_the_batch_given_is_left_alone_and_the_range_kept(channels):
    images, labels = batch(count=16, channels=channels)
    before = images.clone()
    moved, marks = change(RICH, images, labels)
    assert torch.equal(images, before)
    assert moved.shape == images.shape
    assert marks.shape == labels.shape
    assert moved.dtype == torch.float32
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (moved - moved.mean()).abs().mean() > 0.1  # not all clipped away


def test_every_draw_lies_in_its_range_and_fills_it():
    parameters = draw_parameters(RICH, (2000, 3, 32, 32), seeded())
    matrix, drawn = parameters.geometry.matrix, parameters.intensity

    def spans(values, low, high):
        assert low - 1e-6 <= values.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < values.max() <= high + 1e-6

    zoom = matrix[:, :, :2].det().abs() ** -0.5
    spans(zoom, *RICH.scale)
    assert (zoom > 1).float().mean() == pytest.approx(0.5, abs=0.05)  # logarithmic
    spans(matrix[:, :, 2], -RICH.shift, RICH.shift)
    lines = matrix[:, :, 0] * matrix[:, :1, 0].sign()  # without the flip
    spans(torch.rad2deg(torch.atan(lines[:, 1] / lines[:, 0])), -30, 30)
    spans(drawn.brightness, -0.2, 0.2)
    spans(drawn.contrast, 0.75, 1.25)
    spans(drawn.gamma.log(), -0.3, 0.3)
    spans(drawn.gain, 0.85, 1.15)
    spans(drawn.saturation, 0.85, 1.15)
    spans(drawn.noise, 0, 0.03)
    assert parameters.geometry.displacement.std().item() == pytest.approx(RICH.elastic, rel=0.05)


def recoloured(images, **values):
    """The batch after the same parameters for all images."""
    settings = Augmentation(**{"flip": 0.0, "rotate": 0.0, **dict.fromkeys(values, 0.5)})
    drawn = draw_parameters(STILL, images.shape, seeded())
    names = {"colour": "saturation"}
    given = {
        names.get(name, name): torch.full((len(images), 1, 1, 1), value)
        for name, value in values.items()
    }
    labels = torch.zeros(len(images), *images.shape[2:], dtype=torch.uint8)
    drawn = replace(drawn, intensity=replace(drawn.intensity, **given))
    return apply_parameters(images, labels, drawn, settings)[0]


def test_colours_in_closed_form():
    images = torch.rand(2, 3, 4, 4, generator=seeded()) * 0.4 + 0.3
    mean = images.mean((1, 2, 3), keepdim=True)
    grey = images.mean(1, keepdim=True).expand_as(images)
    for values, expected in [
        ({"brightness": 0.1}, images + 0.1),
        ({"brightness": 0.9}, torch.ones_like(images)),
        ({"contrast": 0.5}, mean + (images - mean) * 0.5),
        ({"gamma": 2.0}, images**2),
        ({"colour": 0.0}, grey),
    ]:
        torch.testing.assert_close(recoloured(images, **values), expected, rtol=0, atol=1e-5)


def test_noise_has_the_standard_deviation_that_was_drawn_and_differs_everywhere():
    images = torch.full((2, 3, 64, 64), 0.5)
    noise = recoloured(images, noise=0.05) - images
    assert noise.std().item() == pytest.approx(0.05, rel=0.05)
    assert not torch.equal(noise[0], noise[1])
    assert abs(float(np.corrcoef(noise[0, 0].flatten(), noise[0, 1].flatten())[0, 1])) < 0.1


def test_noise_is_drawn_once_for_a_batch():
    """A CPU draws on one thread, so images share a strip of noise, ``NOISE_STRIDE`` apart."""
    images = torch.full((2, 1, 96, 96), 0.5)
    first, second = (recoloured(images, noise=0.05) - images).flatten(1)
    torch.testing.assert_close(second[:-NOISE_STRIDE], first[NOISE_STRIDE:])


def test_grey_images_have_no_colour_to_change():
    images, labels = batch(channels=1)
    settings = replace(STILL, colour=0.5)
    moved, _ = change(settings, images, labels)
    torch.testing.assert_close(moved, images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("smooth", [True, False])
def test_an_ignored_pixel_stays_ignored_and_no_other_becomes_so(smooth):
    labels = disc(64, 64, 20) * 255
    _, marks = rotated(33, labels[:, None].float(), labels, smooth=smooth)
    assert set(marks.unique().tolist()) == {0, 255}
    assert (marks != labels).float().mean() < 0.02


# Drawn by the code before the further augmentations.
SEED_OF_NOISE = 4030572617320993489
FIRST_MATRIX = [-0.74049, 0.266813, 0.096185, -0.266813, -0.74049, 0.030032]
NEW = ("quarter_turns", "zoom_out", "border", "dark_corners", "grey", "paste")


def test_what_is_drawn_by_a_seed_is_what_it_was_before_there_were_more_augmentations():
    """The seed of the noise is drawn last, so it shows whether any number was drawn before it."""
    drawn = draw_parameters(RICH, (4, 3, 32, 48), seeded(5))
    assert drawn.intensity.seed == SEED_OF_NOISE
    found = drawn.geometry.matrix[0].flatten()
    torch.testing.assert_close(found, torch.tensor(FIRST_MATRIX), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NEW)
def test_an_augmentation_that_does_not_happen_changes_no_bit(name):
    images, labels = batch(count=6)
    before, after = (change(s, images, labels) for s in (RICH, replace(RICH, **{name: 1e-30})))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


@pytest.mark.parametrize("name", NEW)
def test_an_augmentation_follows_from_the_seed_and_keeps_shapes_and_range(name):
    images, labels = batch(count=6)
    settings = replace(RICH, **{name: 1.0})
    first, second = (change(settings, images, labels) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], change(RICH, images, labels)[0])
    assert first[0].shape == images.shape
    assert first[1].dtype == torch.uint8
    assert first[0].min() >= 0
    assert first[0].max() <= 1


@pytest.mark.parametrize("name", NEW)
def test_an_augmentation_happens_as_often_as_it_says(name):
    images, labels = batch(count=300, size=(16, 16), classes=2)
    moved, _ = change(replace(STILL, smooth=False, **{name: 0.3}), images, labels)
    changed = (moved != images).flatten(1).any(1).float().mean()
    assert changed == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("name", ["zoom_out", "border", "dark_corners", "paste"])
def test_what_is_ignored_stays_ignored_or_is_out_of_the_picture(name):
    images, labels = batch(count=40, size=(32, 32), classes=2)
    labels[:, 4:28, 4:28] = 255
    _, marks = change(replace(STILL, **{name: 1.0}), images, labels)
    assert set(marks.unique().tolist()) <= {0, 1, 255}
    if name != "zoom_out":
        assert bool((marks[:, 4:28, 4:28] == 255).all())


def test_grey_is_the_luminance_and_leaves_grey_images_alone():
    images, labels = batch()
    moved, _ = change(replace(STILL, grey=1.0, smooth=False), images, labels)
    expected = images[:, :1] * 0.299 + images[:, 1:2] * 0.587 + images[:, 2:] * 0.114
    torch.testing.assert_close(moved, expected.expand_as(images))
    images, labels = batch(channels=1)
    moved, _ = change(replace(STILL, grey=1.0, smooth=False), images, labels)
    assert torch.equal(moved, images)
