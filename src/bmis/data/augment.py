"""Batched augmentation on the device: parameters are drawn first, then applied.

Drawing is apart from applying so that a batch can be changed again in exactly the same way.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bmis.recipes import Augmentation

_CONTROL = 6  # control points a side of the elastic displacement


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
    y = (torch.arange(height, device=device) + 0.5) / height - 0.5
    x = (torch.arange(width, device=device) + 0.5) / height - 0.5 * width / height
    places = torch.stack(
        [
            x.expand(height, width),
            y.unsqueeze(1).expand(height, width),
            torch.ones(height, width, device=device),
        ],
        -1,
    )  # (H, W, 3), unit: the height
    grid = places.view(1, -1, 3) @ parameters.matrix.to(device).transpose(1, 2)
    grid = grid.view(-1, height, width, 2)
    if parameters.displacement is not None:
        smooth = F.interpolate(
            parameters.displacement.to(device), (height, width), mode="bicubic", align_corners=True
        )
        grid = grid + smooth.permute(0, 2, 3, 1)
    return grid * grid.new_tensor([2 * height / width, 2.0])


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
        grey = images.mean(1, keepdim=True)
        images = (grey + (images - grey) * saturation) * gain
    mean = images.mean((1, 2, 3), keepdim=True)
    images = ((images - mean) * contrast + mean + brightness).clamp(0, 1)
    if settings.gamma:
        images = images**gamma
    if settings.noise:
        generator = torch.Generator(images.device).manual_seed(parameters.seed)
        grain = torch.randn(images.shape, generator=generator, device=images.device)
        images = (images + grain * noise).clamp(0, 1)
    return images
