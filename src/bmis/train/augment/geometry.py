"""Where each pixel of a changed image comes from: flips, turns, zoom, shift, displacement."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from bmis.config import Augmentation
from bmis.train.augment.draws import CANVASES, MIRRORED, draw_even, happens

_CONTROL = 6  # control points along each side of the elastic displacement
_SHRUNK = (0.35, 0.8)  # size of an image that is zoomed out


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of each image come from; one row per image.

    Attributes:
        matrix: (N, 2, 3), from places in the result to places in the image, in units of the
            image's height, so that a rotation is one even if the image is not square.
        displacement: (N, 2, c, c), control points in the same unit, or None.
        canvas: (N,), the value of what lies outside of the image, 0..1; ``MIRRORED`` where it is
            the image's mirror image. None if that is so for all.

    Example:
        >>> drawn = draw_geometry(Augmentation(), 4, torch.Generator().manual_seed(0))
        >>> drawn.matrix.shape, drawn.displacement, drawn.canvas
        (torch.Size([4, 2, 3]), None, None)
    """

    matrix: Tensor
    displacement: Tensor | None = None
    canvas: Tensor | None = None


def draw_geometry(settings: Augmentation, count: int, generator: torch.Generator) -> Geometry:
    """Draw flips, rotation, magnification, shift and displacement of N = ``count`` images.

    Example:
        >>> still = Augmentation(flip=0.0, rotate=0.0)
        >>> draw_geometry(still, 1, torch.Generator()).matrix[0].abs()
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    matrix = _draw_matrix(settings, count, generator)
    if not settings.elastic:
        return Geometry(matrix)
    points = torch.randn(count, 2, _CONTROL, _CONTROL, generator=generator)
    return Geometry(matrix, points * settings.elastic)


def _draw_matrix(settings: Augmentation, count: int, generator: torch.Generator) -> Tensor:
    """(N, 2, 3): rotation, magnification, flips and shift."""

    def sign(probability: float) -> Tensor:
        return 1 - 2 * happens(probability, count, generator).float()

    low, high = (math.log(s) for s in settings.scale)
    angle = torch.deg2rad(draw_even(settings.rotate, (count,), generator))
    zoom = torch.exp((low + high) / 2 + draw_even((high - low) / 2, (count,), generator))
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    flip_x, flip_y = map(sign, settings.flips)
    shift = draw_even(settings.shift, (count, 2), generator)
    return torch.stack(
        [
            torch.stack([cos * flip_x, -sin * flip_y, shift[:, 0]], 1),
            torch.stack([sin * flip_x, cos * flip_y, shift[:, 1]], 1),
        ],
        1,
    )


def draw_turns(
    geometry: Geometry, probability: float, aspect: float, generator: torch.Generator
) -> Geometry:
    """Turn some images by 90, 180 or 270 degrees before all else.

    Args:
        geometry: How the images are moved otherwise.
        probability: Share of the images that are turned.
        aspect: Width of the images over their height. Where it is not 1, an image that is turned
            by 90 or 270 degrees shrinks until it fits.
        generator: A generator on the CPU.

    Example:
        >>> still = draw_geometry(Augmentation(flip=0.0, rotate=0.0), 1, torch.Generator())
        >>> turned = draw_turns(still, 1.0, 1.0, torch.Generator().manual_seed(0))
        >>> turned.matrix[0, :, :2].abs()
        tensor([[0., 1.],
                [1., 0.]])
    """
    count = len(geometry.matrix)
    chosen = happens(probability, count, generator)
    quarters = torch.randint(1, 4, (count,), generator=generator) * chosen
    cos, sin = (torch.tensor(values)[quarters] for values in ([1.0, 0, -1, 0], [0.0, 1, 0, -1]))
    fit = torch.where(quarters % 2 == 1, max(aspect, 1 / aspect), 1.0).view(-1, 1, 1)
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    matrix = geometry.matrix
    return replace(
        geometry, matrix=torch.cat([matrix[:, :, :2] @ (turn * fit), matrix[:, :, 2:]], 2)
    )


def draw_zoom_out(
    geometry: Geometry, probability: float, aspect: float, generator: torch.Generator
) -> Geometry:
    """Shrink some images, and put each somewhere on a canvas of its size.

    Args:
        geometry: How the images are moved otherwise.
        probability: Share of the images that shrink.
        aspect: Width of the images over their height.
        generator: A generator on the CPU.

    Example:
        >>> still = draw_geometry(Augmentation(flip=0.0, rotate=0.0), 8, torch.Generator())
        >>> shrunk = draw_zoom_out(still, 1.0, 1.0, torch.Generator().manual_seed(0))
        >>> bool((shrunk.matrix[:, 0, 0] > 1.2).all())  # the image's pixels are further apart
        True
    """
    count = len(geometry.matrix)
    chosen = happens(probability, count, generator)
    low, high = (math.log(size) for size in _SHRUNK)
    size = torch.exp((low + high) / 2 + draw_even((high - low) / 2, (count,), generator))
    size = torch.where(chosen, size, 1.0)
    room = torch.tensor([aspect / 2, 0.5]) * (1 - size).unsqueeze(1)
    centre = draw_even(1.0, (count, 2), generator) * room
    kind = torch.randint(len(CANVASES), (count,), generator=generator)
    canvas = torch.where(chosen, torch.tensor(CANVASES)[kind], MIRRORED)
    linear = geometry.matrix[:, :, :2] / size.view(-1, 1, 1)
    shift = geometry.matrix[:, :, 2:] - linear @ centre.unsqueeze(2)
    return replace(geometry, matrix=torch.cat([linear, shift], 2), canvas=canvas)


def sampling_grid(geometry: Geometry, height: int, width: int, device: torch.device) -> Tensor:
    """Where each pixel of the result comes from.

    Returns:
        (N, H, W, 2), x and y on the scale on which the image spans -1..1.

    Example:
        >>> still = draw_geometry(Augmentation(flip=0.0, rotate=0.0), 1, torch.Generator())
        >>> sampling_grid(still, 2, 2, torch.device("cpu"))[0, 0]
        tensor([[-0.5000, -0.5000],
                [ 0.5000, -0.5000]])
    """
    y = (torch.arange(height, device=device) + 0.5) / height - 0.5  # unit: the height
    x = (torch.arange(width, device=device) + 0.5) / height - 0.5 * width / height
    # The grid is bilinear in [1, y, splines of y] and [1, x, splines of x]; matrix and control
    # points are the coefficients. So it takes two thin products instead of ten passes.
    matrix, displacement = geometry.matrix, geometry.displacement
    control = 0 if displacement is None else displacement.shape[-1]
    coefficients = matrix.new_zeros(len(matrix), 2, 2 + control, 2 + control)
    coefficients[:, :, 0, 0] = matrix[:, :, 2]
    coefficients[:, :, 0, 1] = matrix[:, :, 0]
    coefficients[:, :, 1, 0] = matrix[:, :, 1]
    if displacement is not None:
        coefficients[:, :, 2:, 2:] = displacement
    coefficients *= coefficients.new_tensor([2 * height / width, 2.0]).view(2, 1, 1)
    rows, columns = (
        torch.cat([torch.stack([torch.ones_like(places), places], 1), _splines(control, places)], 1)
        for places in (y, x)
    )
    grid = rows @ coefficients.to(device) @ columns.T  # (N, 2, H, W)
    return grid.permute(0, 2, 3, 1)


def _splines(control: int, places: Tensor) -> Tensor:
    """(len(places), control): the weight of each control point at each place, bicubic."""
    if not control:
        return places.new_zeros(len(places), 0)
    points = torch.eye(control, device=places.device).view(1, control, control, 1)
    size = (len(places), 1)
    return F.interpolate(points, size, mode="bicubic", align_corners=True)[0, :, :, 0].T


def move(images: Tensor, labels: Tensor, grid: Tensor, *, smooth: bool) -> tuple[Tensor, Tensor]:
    """Take each pixel of images (N, C, H, W) and labels (N, H, W) from its place in a grid.

    Args:
        images: float32.
        labels: uint8.
        grid: What ``sampling_grid`` returned.
        smooth: Whether images are interpolated and mirrored beyond their borders; otherwise the
            nearest pixel counts, and all is 0 there.

    Example:
        >>> image, labels = torch.rand(1, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.uint8)
        >>> flip = Geometry(torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]))
        >>> grid = sampling_grid(flip, 4, 4, image.device)
        >>> torch.equal(move(image, labels, grid, smooth=False)[0], image.flip(3))
        True
    """
    border = "reflection" if smooth else "zeros"
    moved = F.grid_sample(
        images,
        grid,
        mode="bilinear" if smooth else "nearest",
        padding_mode=border,
        align_corners=False,
    )
    marks = F.grid_sample(
        labels.unsqueeze(1).float(), grid, mode="nearest", padding_mode=border, align_corners=False
    )
    return moved, marks.squeeze(1).to(labels.dtype)


def fill_canvas(
    images: Tensor, labels: Tensor, grid: Tensor, canvas: Tensor
) -> tuple[Tensor, Tensor]:
    """Give what lies outside of the images the value of the canvas, and make it background.

    Args:
        images: (N, C, H, W), moved already.
        labels: (N, H, W), moved already.
        grid: What ``sampling_grid`` returned.
        canvas: (N,), see ``Geometry``.

    Example:
        >>> image, labels = torch.rand(1, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.uint8)
        >>> half = Geometry(torch.tensor([[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]]))
        >>> grid = sampling_grid(half, 4, 4, image.device)
        >>> fill_canvas(image, labels, grid, torch.tensor([0.0]))[1]
        tensor([[[0, 0, 0, 0],
                 [0, 1, 1, 0],
                 [0, 1, 1, 0],
                 [0, 0, 0, 0]]], dtype=torch.uint8)
    """
    level = canvas.to(images.device).view(-1, 1, 1)
    outside = (grid.abs() > 1).any(-1) & (level != MIRRORED)
    filled = torch.where(outside.unsqueeze(1), level.unsqueeze(1).to(images.dtype), images)
    return filled, labels.masked_fill(outside, 0)
