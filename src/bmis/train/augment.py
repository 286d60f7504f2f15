"""Batched augmentation on the device: parameters are drawn first, then applied.

The two are apart so that a batch can be changed again in exactly the same way.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bmis.train.recipes import Augmentation

_RGB = 3  # channels
_CONTROL = 6  # control points along each side of the elastic displacement
# Distance in the strip of noise between one image and the next: a prime, so never whole rows.
NOISE_STRIDE = 4099


@dataclass(frozen=True)
class Parameters:
    """How each image of a batch is changed; one row per image.

    Attributes:
        matrix: (N, 2, 3), from places in the result to places in the image, in units of the
            image's height, so that a rotation is one even if the image is not square.
        displacement: (N, 2, c, c), control points in the same unit, or None.
        brightness: (N, 1, 1, 1), added to the image.
        contrast: (N, 1, 1, 1), factor about the mean of the image.
        gamma: (N, 1, 1, 1), exponent of every value.
        gain: (N, C, 1, 1), factor of each channel.
        saturation: (N, 1, 1, 1), factor about the grey image.
        noise: (N, 1, 1, 1), standard deviation of the noise.
        seed: Seed of the noise.

    Example:
        >>> parameters = draw_parameters(Augmentation(), 4, 3, torch.Generator().manual_seed(0))
        >>> parameters.matrix.shape, parameters.gain.shape
        (torch.Size([4, 2, 3]), torch.Size([4, 3, 1, 1]))
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


def draw_parameters(
    settings: Augmentation, count: int, channels: int, generator: torch.Generator
) -> Parameters:
    """Draw the parameters for a batch.

    Args:
        settings: How far images may be changed.
        count: Number of images, N.
        channels: Channels of the images, C. Grey images have no colour to change. Only RGB has a
            saturation; of other channels each gets a gain of its own.
        generator: A generator on the CPU.

    Example:
        >>> settings = Augmentation(brightness=0.2)
        >>> drawn = draw_parameters(settings, 8, 3, torch.Generator().manual_seed(0)).brightness
        >>> drawn.shape, bool((drawn.abs() <= 0.2).all())
        (torch.Size([8, 1, 1, 1]), True)
    """
    matrix = _draw_matrix(settings, count, generator)
    displacement = None
    if settings.elastic:
        points = torch.randn(count, 2, _CONTROL, _CONTROL, generator=generator)
        displacement = points * settings.elastic
    column, colour = (count, 1, 1, 1), settings.colour if channels > 1 else 0.0
    saturation = colour if channels == _RGB else 0.0
    return Parameters(
        matrix=matrix,
        displacement=displacement,
        brightness=_draw_even(settings.brightness, column, generator),
        contrast=1 + _draw_even(settings.contrast, column, generator),
        gamma=torch.exp(_draw_even(settings.gamma, column, generator)),
        gain=1 + _draw_even(colour, (count, channels, 1, 1), generator),
        saturation=1 + _draw_even(saturation, column, generator),
        noise=_draw_even(settings.noise, column, generator).abs(),
        seed=int(torch.randint(2**62, (), generator=generator)),
    )


def _draw_even(limit: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers drawn evenly from -limit..limit."""
    return (2 * torch.rand(*shape, generator=generator) - 1) * limit


def _draw_matrix(settings: Augmentation, count: int, generator: torch.Generator) -> Tensor:
    """(N, 2, 3): rotation, magnification, flips and shift."""

    def sign(probability: float) -> Tensor:
        return 1 - 2 * (torch.rand(count, generator=generator) < probability).float()

    low, high = (math.log(s) for s in settings.scale)
    angle = torch.deg2rad(_draw_even(settings.rotate, (count,), generator))
    zoom = torch.exp((low + high) / 2 + _draw_even((high - low) / 2, (count,), generator))
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    flip_x, flip_y = map(sign, settings.flips)
    shift = _draw_even(settings.shift, (count, 2), generator)
    return torch.stack(
        [
            torch.stack([cos * flip_x, -sin * flip_y, shift[:, 0]], 1),
            torch.stack([sin * flip_x, cos * flip_y, shift[:, 1]], 1),
        ],
        1,
    )


def _grid(parameters: Parameters, height: int, width: int, device: torch.device) -> Tensor:
    """Where each pixel of the result comes from: (N, H, W, 2), the image spanning -1..1."""
    y = (torch.arange(height, device=device) + 0.5) / height - 0.5  # unit: the height
    x = (torch.arange(width, device=device) + 0.5) / height - 0.5 * width / height
    # The grid is bilinear in [1, y, splines of y] and [1, x, splines of x]; matrix and control
    # points are the coefficients. So it takes two thin products instead of ten passes.
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
    """(len(places), control): the weight of each control point at each place, bicubic."""
    if not control:
        return places.new_zeros(len(places), 0)
    points = torch.eye(control, device=places.device).view(1, control, control, 1)
    size = (len(places), 1)
    return F.interpolate(points, size, mode="bicubic", align_corners=True)[0, :, :, 0].T


def apply_parameters(
    images: Tensor, labels: Tensor, parameters: Parameters, settings: Augmentation
) -> tuple[Tensor, Tensor]:
    """Move a batch of images with their labels, and change the colours of the images.

    Args:
        images: (N, C, H, W) float32 in 0..1.
        labels: (N, H, W) uint8.
        parameters: What ``draw_parameters`` returned.
        settings: The settings that the parameters were drawn with.

    Returns:
        Images and labels of the same shapes and types; images again in 0..1.

    Example:
        >>> settings = Augmentation(flip=1.0, rotate=0.0, smooth=False)  # both flips
        >>> image, labels = torch.rand(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.uint8)
        >>> parameters = draw_parameters(settings, 1, 3, torch.Generator())
        >>> flipped, _ = apply_parameters(image, labels, parameters, settings)
        >>> torch.equal(flipped, image.flip(2, 3))
        True
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
    if _changes_colours(settings):
        moved = _recolour(moved, parameters, settings)
    return moved, marks.squeeze(1).to(labels.dtype)


def _changes_colours(settings: Augmentation) -> bool:
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
        unit = _draw_noise(images.shape, generator)
        images = torch.addcmul(images, unit, noise).clamp_(0, 1)
    return images


def _draw_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Gaussian noise for a batch: each image gets another part of one long strip of it.

    A CPU draws these numbers on one thread, so drawing fewer is faster.
    """
    count, size = shape[0], shape[1:].numel()
    strip = torch.randn(
        size + (count - 1) * NOISE_STRIDE, generator=generator, device=generator.device
    )
    return strip.unfold(0, size, NOISE_STRIDE).view(shape)
