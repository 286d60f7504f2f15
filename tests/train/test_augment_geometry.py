"""Quarter turns and zooming out, by index."""

import pytest
import torch

from bmis.config import Augmentation
from bmis.train.augment.draws import MIRRORED
from bmis.train.augment.geometry import (
    draw_geometry,
    draw_turns,
    draw_zoom_out,
    fill_canvas,
    move,
    sampling_grid,
)

STILL = Augmentation(flip=0.0, rotate=0.0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def moved(geometry, images, labels, *, smooth=False):
    grid = sampling_grid(geometry, *images.shape[2:], images.device)
    return move(images, labels, grid, smooth=smooth), grid


def test_quarter_turns_of_squares_are_exact_and_all_three_occur():
    images, labels = torch.rand(40, 3, 16, 16), torch.randint(3, (40, 16, 16), dtype=torch.uint8)
    turned = draw_turns(draw_geometry(STILL, 40, seeded()), 1.0, 1.0, seeded())
    (pixels, marks), _ = moved(turned, images, labels)
    seen = set()
    for before, after, mask, label in zip(images, pixels, marks, labels, strict=True):
        (times,) = [k for k in range(4) if torch.equal(after, before.rot90(k, (1, 2)))]
        assert torch.equal(mask, label.rot90(times, (0, 1)))
        seen.add(times)
    assert seen == {1, 2, 3}


@pytest.mark.parametrize("size", [(16, 32), (32, 16)])
def test_a_turned_image_that_is_not_square_fits_whole(size):
    images, labels = torch.ones(40, 1, *size), torch.ones(40, *size, dtype=torch.uint8)
    turned = draw_turns(draw_geometry(STILL, 40, seeded()), 1.0, size[1] / size[0], seeded())
    (pixels, marks), _ = moved(turned, images, labels)
    areas = marks.sum((1, 2)).tolist()
    assert set(areas) == {512, 128}  # as it was after 180 degrees; else half as high and as wide
    assert torch.equal(pixels[:, 0], marks.float())


def zoomed_out(count=60, size=(40, 60)):
    images, labels = torch.full((count, 1, *size), 0.5), torch.ones(count, *size).byte()
    geometry = draw_geometry(STILL, count, seeded())
    geometry = draw_zoom_out(geometry, 1.0, size[1] / size[0], seeded())
    (pixels, marks), grid = moved(geometry, images, labels, smooth=True)
    return *fill_canvas(pixels, marks, grid, geometry.canvas), geometry.canvas


def test_a_shrunk_image_lies_whole_on_a_canvas_of_background():
    pixels, marks, canvas = zoomed_out()
    assert set(canvas.tolist()) == {0.0, 1.0, MIRRORED}
    for image, mask, level in zip(pixels[:, 0], marks, canvas.tolist(), strict=True):
        if level == MIRRORED:
            assert mask.all()
            continue
        torch.testing.assert_close(image, torch.where(mask > 0, 0.5, level))
        rows, columns = mask.any(1), mask.any(0)
        assert mask.sum() == rows.sum() * columns.sum()  # a rectangle of the image's shape
        assert 0.35 * 40 - 1 <= rows.sum() <= 0.8 * 40 + 1
        assert abs(rows.sum() / 40 - columns.sum() / 60) < 0.06


def test_a_shrunk_image_may_lie_anywhere():
    _, marks, canvas = zoomed_out(200)
    flat = marks[canvas != MIRRORED] > 0
    for edge in (flat[:, 0], flat[:, -1], flat[:, :, 0], flat[:, :, -1]):
        assert 0 < edge.any(1).float().mean() < 0.3


def test_what_is_turned_and_shrunk_moves_alike_in_image_and_mask():
    labels = torch.zeros(20, 32, 32, dtype=torch.uint8)
    labels[:, 4:14, 6:24] = 1
    images = labels[:, None].float()
    geometry = draw_geometry(Augmentation(flip=0.5, rotate=30.0, scale=(0.8, 1.2)), 20, seeded())
    geometry = draw_zoom_out(draw_turns(geometry, 1.0, 1.0, seeded()), 1.0, 1.0, seeded())
    (pixels, marks), _ = moved(geometry, images, labels)
    assert torch.equal(pixels[:, 0], marks.float())
    assert marks.any()
