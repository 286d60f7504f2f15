"""How the values of pixels change: brightness, contrast, gamma, colour, noise, grey."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bmis.config import Augmentation
from bmis.train.augment.draws import draw_even, happens

# Distance in the strip of noise between one image and the next: a prime, so never whole rows.
NOISE_STRIDE = 4099
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


@dataclass(frozen=True)
class Intensity:
    """How the values of each image change; one row per image.

    Attributes:
        brightness: (N, 1, 1, 1), added to the image.
        contrast: (N, 1, 1, 1), factor about the mean of the image.
        gamma: (N, 1, 1, 1), exponent of every value.
        gain: (N, C, 1, 1), factor of each channel.
        saturation: (N, 1, 1, 1), factor about the grey image.
        noise: (N, 1, 1, 1), standard deviation of the noise.
        seed: Seed of the noise.
        grey: (N, 1, 1, 1), whether colours become their luminance; None if none do.

    Example:
        >>> draw_intensity(Augmentation(), 4, 3, torch.Generator()).gain.shape
        torch.Size([4, 3, 1, 1])
    """

    brightness: Tensor
    contrast: Tensor
    gamma: Tensor
    gain: Tensor
    saturation: Tensor
    noise: Tensor
    seed: int
    grey: Tensor | None = None


def draw_intensity(
    settings: Augmentation, count: int, channels: int, generator: torch.Generator
) -> Intensity:
    """Draw how N = ``count`` images of C = ``channels`` change.

    Grey images have no colour to change. Only RGB has a saturation; of other channels each gets a
    gain of its own.

    Example:
        >>> settings = Augmentation(noise=0.1)
        >>> float(draw_intensity(settings, 4, 1, torch.Generator()).noise.min()) >= 0
        True
    """
    column, colour = (count, 1, 1, 1), settings.colour if channels > 1 else 0.0
    saturation = colour if channels == len(_LUMINANCE) else 0.0
    return Intensity(
        brightness=draw_even(settings.brightness, column, generator),
        contrast=1 + draw_even(settings.contrast, column, generator),
        gamma=torch.exp(draw_even(settings.gamma, column, generator)),
        gain=1 + draw_even(colour, (count, channels, 1, 1), generator),
        saturation=1 + draw_even(saturation, column, generator),
        noise=draw_even(settings.noise, column, generator).abs(),
        seed=int(torch.randint(2**62, (), generator=generator)),
    )


def draw_grey(probability: float, count: int, generator: torch.Generator) -> Tensor:
    """Which images lose their colours, (N, 1, 1, 1).

    Example:
        >>> draw_grey(1.0, 2, torch.Generator()).flatten()
        tensor([True, True])
    """
    return happens(probability, count, generator).view(-1, 1, 1, 1)


def recolour(images: Tensor, intensity: Intensity, settings: Augmentation) -> Tensor:
    """Change the values of images (N, C, H, W) in 0..1; they stay in that range.

    Example:
        >>> images, settings = torch.rand(1, 3, 4, 4), Augmentation(grey=1.0)
        >>> intensity = draw_intensity(settings, 1, 3, torch.Generator())
        >>> bool(torch.equal(recolour(images, intensity, settings), images))  # none was drawn grey
        True
    """
    if _changes_values(settings):
        images = _adjust(images, intensity, settings)
    if intensity.grey is not None and images.shape[1] == len(_LUMINANCE):
        luminance = (images * images.new_tensor(_LUMINANCE).view(1, -1, 1, 1)).sum(1, keepdim=True)
        images = torch.where(intensity.grey.to(images.device), luminance, images)
    return images


def _changes_values(settings: Augmentation) -> bool:
    values: Mapping[str, float] = vars(settings)
    return any(values[n] for n in ("brightness", "contrast", "gamma", "colour", "noise"))


def _adjust(images: Tensor, intensity: Intensity, settings: Augmentation) -> Tensor:
    brightness, contrast, gamma, gain, saturation, noise = (
        value.to(images.device)
        for value in (
            intensity.brightness,
            intensity.contrast,
            intensity.gamma,
            intensity.gain,
            intensity.saturation,
            intensity.noise,
        )
    )
    if settings.colour and images.shape[1] > 1:
        images = images.mean(1, keepdim=True).lerp(images, saturation).mul_(gain)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images * contrast).add_(mean * (1 - contrast) + brightness).clamp_(0, 1)
    if settings.gamma:
        images = images.pow_(gamma)
    if settings.noise:
        generator = torch.Generator(images.device).manual_seed(intensity.seed)
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
