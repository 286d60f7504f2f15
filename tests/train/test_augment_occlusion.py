"""Borders, panels and dark corners: where they lie, and what they leave of the masks."""

import pytest
import torch

from bmis.config import Augmentation
from bmis.train.augment.draws import MIRRORED
from bmis.train.augment.occlusion import Occlusion, draw_occlusion, occlude

NO_CIRCLE = [0.0, 0.0, torch.inf, 1.0, 0.0]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def border(widths, level, size=(20, 50)):
    """An image of 0.5 with objects everywhere, behind one border."""
    images, labels = torch.full((1, 1, *size), 0.5), torch.ones(1, *size, dtype=torch.uint8)
    occlusion = Occlusion(torch.tensor([widths]), torch.tensor([level]), torch.tensor([NO_CIRCLE]))
    return occlude(images, labels, occlusion)


@pytest.mark.parametrize(
    ("widths", "covered"),
    [
        ([0.1, 0.0, 0.0, 0.0], (slice(0, 2), slice(None))),
        ([0.0, 0.1, 0.0, 0.0], (slice(18, 20), slice(None))),
        ([0.0, 0.0, 0.1, 0.0], (slice(None), slice(0, 5))),
        ([0.0, 0.0, 0.0, 0.1], (slice(None), slice(45, 50))),
    ],
)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_panel_covers_its_side_and_nothing_else(widths, covered, level):
    pixels, marks = border(widths, level)
    inside = torch.zeros(20, 50, dtype=torch.bool)
    inside[covered] = True
    assert torch.equal(marks[0] == 0, inside)
    assert torch.equal(pixels[0, 0], torch.where(inside, level, 0.5))


def test_a_mirrored_border_shows_image_and_mask_beside_it():
    images = torch.rand(2, 3, 20, 20)
    labels = torch.randint(3, (2, 20, 20), dtype=torch.uint8)
    widths = torch.tensor([[0.1, 0.0, 0.0, 0.15], [0.0, 0.0, 0.0, 0.0]])
    levels, circles = torch.full((2,), MIRRORED), torch.tensor([NO_CIRCLE, NO_CIRCLE])
    pixels, marks = occlude(images, labels, Occlusion(widths, levels, circles))
    assert torch.equal(pixels[1], images[1])
    assert torch.equal(pixels[0, :, :2, :17], images[0, :, 2:4, :17].flip(1))
    assert torch.equal(pixels[0, :, 2:, 17:], images[0, :, 2:, 14:17].flip(2))
    assert torch.equal(marks[0, :2, :17], labels[0, 2:4, :17].flip(0))
    assert torch.equal(marks[0, 2:, :17], labels[0, 2:, :17])


def test_borders_have_one_side_or_all_and_every_kind():
    drawn = draw_occlusion(Augmentation(border=1.0), 300, seeded())
    sides = (drawn.widths > 0).sum(1)
    assert set(sides.tolist()) == {1, 4}
    assert (sides == 4).float().mean() == pytest.approx(0.5, abs=0.1)
    assert set((drawn.widths > 0)[sides == 1].int().argmax(1).tolist()) == {0, 1, 2, 3}
    assert set(drawn.level.tolist()) == {0.0, 1.0, MIRRORED}
    given = drawn.widths[drawn.widths > 0]
    assert 0.02 <= given.min() < 0.03
    assert 0.11 < given.max() <= 0.12


def test_a_border_and_a_circle_keep_ignored_pixels():
    images, labels = torch.full((1, 1, 16, 16), 0.5), torch.full((1, 16, 16), 255).byte()
    circle = torch.tensor([[0.0, 0.0, 0.5, 0.01, 0.0]])
    all_sides = Occlusion(torch.full((1, 4), 0.12), torch.zeros(1), circle)
    pixels, marks = occlude(images, labels, all_sides)
    assert (marks == 255).all()
    assert (pixels == 0).any()


@pytest.mark.parametrize("size", [(64, 64), (40, 80)])
def test_corners_darken_outside_of_the_ellipse_that_fills_the_image(size):
    images, labels = torch.full((1, 3, *size), 0.5), torch.ones(1, *size, dtype=torch.uint8)
    circle = torch.tensor([[0.0, 0.0, 1.0, 0.02, 0.05]])
    pixels, marks = occlude(images, labels, Occlusion(torch.zeros(1, 4), torch.zeros(1), circle))
    assert marks[0].float().mean() == pytest.approx(torch.pi / 4, abs=0.02)
    assert float(pixels[0, 0, 0, 0]) == pytest.approx(0.05)
    assert float(pixels[0, 0, size[0] // 2, size[1] // 2]) == 0.5
    assert not marks[0, 0, 0]


def test_every_drawn_circle_leaves_the_middle_and_darkens_a_corner():
    drawn = draw_occlusion(Augmentation(dark_corners=1.0), 50, seeded())
    images, labels = torch.ones(50, 1, 32, 32), torch.ones(50, 32, 32, dtype=torch.uint8)
    pixels, marks = occlude(images, labels, drawn)
    assert torch.equal(pixels[:, :, 14:18, 14:18], images[:, :, 14:18, 14:18])
    corners = torch.stack([pixels[:, 0, y, x] for y in (0, -1) for x in (0, -1)])
    assert (corners.min(0).values < 0.6).all()
    assert 0.6 < marks.float().mean() < 0.98
