"""Batched augmentation on the device: parameters are drawn first, then applied.

Drawing is apart from applying so that a batch can be changed again in exactly the same way.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bmis.train.recipes import Augmentation

_CONTROL = 6  # control points a side of the elastic displacement
_STEP = (
    4099  # numbers between the noise of one image and the next: a prime, no whole number of rows
)


@dataclass(frozen=True)
class Parameters:
    """One row per image; what ``apply`` does to it.

    Attributes:
        matrix: (N, 2, 3), from places in the result to places in the image, in units of the
            image's height (so that a rotation is one even if the image is not square).
        displacement: (N, 2, c, c) control points in the same unit, or None.
        brightness: (N, 1, 1, 1), added.
        contrast: (N, 1, 1, 1), factor about the mean.
        gamma: (N, 1, 1, 1), exponent.
        gain: (N, C, 1, 1), factor.
        saturation: (N, 1, 1, 1), factor about the grey image.
        noise: (N, 1, 1, 1), standard deviation.
        seed: Of the noise itself.
    """

    matrix: Tensor
    displacement: Tensor | None
    brightness: Tensor
    contrast: Tensor
    gamma: Tensor
    gain: Tensor
    saturation: Tensor
    noise: Tensor
    seed: int


def draw(
    settings: Augmentation, count: int, channels: int, generator: torch.Generator
) -> Parameters:
    """Draw the parameters for ``count`` images. ``generator`` is a CPU generator."""

    def even(limit: float, *shape: int) -> Tensor:
        return (2 * torch.rand(count, *shape, generator=generator) - 1) * limit

    def sign() -> Tensor:
        return 1 - 2 * (torch.rand(count, generator=generator) < settings.flip).float()

    low, high = (math.log(s) for s in settings.scale)
    angle = torch.deg2rad(even(settings.rotate))
    zoom = torch.exp((low + high) / 2 + even((high - low) / 2))
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    flip_x, flip_y = sign(), sign()
    shift = even(settings.shift, 2)
    matrix = torch.stack(
        [
            torch.stack([cos * flip_x, -sin * flip_y, shift[:, 0]], 1),
            torch.stack([sin * flip_x, cos * flip_y, shift[:, 1]], 1),
        ],
        1,
    )
    displacement = None
    if settings.elastic:
        points = torch.randn(count, 2, _CONTROL, _CONTROL, generator=generator)
        displacement = points * settings.elastic
    column = (1, 1, 1)
    return Parameters(
        matrix=matrix,
        displacement=displacement,
        brightness=even(settings.brightness, *column),
        contrast=1 + even(settings.contrast, *column),
        gamma=torch.exp(even(settings.gamma, *column)),
        gain=1 + even(settings.colour if channels > 1 else 0.0, channels, 1, 1),
        saturation=1 + even(settings.colour if channels > 1 else 0.0, *column),
        noise=even(settings.noise, *column).abs(),
        seed=int(torch.randint(2**62, (), generator=generator)),
    )


def _grid(parameters: Parameters, height: int, width: int, device: torch.device) -> Tensor:
    """Where each pixel of the result comes from: (N, H, W, 2), the image spanning -1..1."""
    y = (torch.arange(height, device=device) + 0.5) / height - 0.5  # unit: the height
    x = (torch.arange(width, device=device) + 0.5) / height - 0.5 * width / height
    # All of it is bilinear in [1, y, splines of y] and [1, x, splines of x], control points and
    # matrix being the coefficients: two thin products, where the points one by one cost ten.
    matrix, displacement = parameters.matrix, parameters.displacement
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
    """(len(places), control): how much each control point has of each place, bicubic."""
    if not control:
        return places.new_zeros(len(places), 0)
    points = torch.eye(control, device=places.device).view(1, control, control, 1)
    size = (len(places), 1)
    return F.interpolate(points, size, mode="bicubic", align_corners=True)[0, :, :, 0].T


def apply(
    images: Tensor, labels: Tensor, parameters: Parameters, settings: Augmentation
) -> tuple[Tensor, Tensor]:
    """Move and recolour a batch.

    Args:
        images: (N, C, H, W) float32 in 0..1.
        labels: (N, H, W) uint8.
        parameters: From ``draw``.
        settings: The same as given to ``draw``.

    Returns:
        Images and labels of the same shapes and types; images again in 0..1.
    """
    height, width = images.shape[2:]
    grid = _grid(parameters, height, width, images.device)
    border = "reflection" if settings.smooth else "zeros"
    moved = F.grid_sample(
        images,
        grid,
        mode="bilinear" if settings.smooth else "nearest",
        padding_mode=border,
        align_corners=False,
    )
    marks = F.grid_sample(
        labels.unsqueeze(1).float(), grid, mode="nearest", padding_mode=border, align_corners=False
    )
    if _recolours(settings):
        moved = _recolour(moved, parameters, settings)
    return moved, marks.squeeze(1).to(labels.dtype)


def _recolours(settings: Augmentation) -> bool:
    values: Mapping[str, float] = vars(settings)
    return any(values[n] for n in ("brightness", "contrast", "gamma", "colour", "noise"))


def _recolour(images: Tensor, parameters: Parameters, settings: Augmentation) -> Tensor:
    brightness, contrast, gamma, gain, saturation, noise = (
        value.to(images.device)
        for value in (
            parameters.brightness,
            parameters.contrast,
            parameters.gamma,
            parameters.gain,
            parameters.saturation,
            parameters.noise,
        )
    )
    if settings.colour and images.shape[1] > 1:
        images = images.mean(1, keepdim=True).lerp(images, saturation).mul_(gain)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images * contrast).add_(mean * (1 - contrast) + brightness).clamp_(0, 1)
    if settings.gamma:
        images = images.pow_(gamma)
    if settings.noise:
        generator = torch.Generator(images.device).manual_seed(parameters.seed)
        grain = _grain(images.shape, generator)
        images = torch.addcmul(images, grain, noise).clamp_(0, 1)
    return images


def _grain(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Gaussian noise for a batch: each image looks at another place of one long strip of it.

    A CPU draws such numbers on one thread, so few of them are quicker.
    """
    count, size = shape[0], shape[1:].numel()
    strip = torch.randn(size + (count - 1) * _STEP, generator=generator, device=generator.device)
    return strip.unfold(0, size, _STEP).view(shape)
