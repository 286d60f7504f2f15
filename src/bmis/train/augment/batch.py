"""All changes of a batch: what is drawn for it, and how it is applied.

The two are apart so that a batch can be changed again in exactly the same way.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bmis.config import Augmentation
from bmis.train.augment.geometry import (
    Geometry,
    draw_geometry,
    draw_turns,
    draw_zoom_out,
    fill_canvas,
    move,
    sampling_grid,
)
from bmis.train.augment.intensity import Intensity, draw_grey, draw_intensity, recolour
from bmis.train.augment.occlusion import Occlusion, draw_occlusion, occlude
from bmis.train.augment.paste import draw_partners, paste_objects


@dataclass(frozen=True)
class Parameters:
    """How each image of a batch is changed.

    Attributes:
        geometry: Where each pixel comes from.
        intensity: How its value changes.
        partners: (N,) int64, the image of the batch whose objects are pasted in, -1 for none; None
            if nothing is pasted.
        occlusion: What is laid over the images; None if nothing is.

    Example:
        >>> parameters = draw_parameters(Augmentation(), (4, 3, 32, 32), torch.Generator())
        >>> parameters.geometry.matrix.shape, parameters.intensity.gain.shape
        (torch.Size([4, 2, 3]), torch.Size([4, 3, 1, 1]))
    """

    geometry: Geometry
    intensity: Intensity
    partners: Tensor | None = None
    occlusion: Occlusion | None = None


def draw_parameters(
    settings: Augmentation, shape: tuple[int, ...], generator: torch.Generator
) -> Parameters:
    """Draw the parameters for a batch.

    A change with a probability of 0 draws no numbers, so that all others stay what they were.

    Args:
        settings: How far images may be changed.
        shape: Shape of the images (N, C, H, W); grey images have no colour to change.
        generator: A generator on the CPU.

    Example:
        >>> settings, generator = Augmentation(brightness=0.2), torch.Generator().manual_seed(0)
        >>> drawn = draw_parameters(settings, (8, 3, 32, 32), generator).intensity.brightness
        >>> drawn.shape, bool((drawn.abs() <= 0.2).all())
        (torch.Size([8, 1, 1, 1]), True)
    """
    count, channels, height, width = shape
    geometry = draw_geometry(settings, count, generator)
    intensity = draw_intensity(settings, count, channels, generator)
    if settings.quarter_turns:
        geometry = draw_turns(geometry, settings.quarter_turns, width / height, generator)
    if settings.zoom_out:
        geometry = draw_zoom_out(geometry, settings.zoom_out, width / height, generator)
    if settings.grey:
        intensity = replace(intensity, grey=draw_grey(settings.grey, count, generator))
    partners = draw_partners(settings.paste, count, generator) if settings.paste else None
    occlusion = None
    if settings.border or settings.dark_corners:
        occlusion = draw_occlusion(settings, count, generator)
    return Parameters(geometry, intensity, partners, occlusion)


def apply_parameters(
    images: Tensor, labels: Tensor, parameters: Parameters, settings: Augmentation
) -> tuple[Tensor, Tensor]:
    """Move a batch of images with their labels, change the colours, and cover parts of the images.

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
        >>> parameters = draw_parameters(settings, image.shape, torch.Generator())
        >>> flipped, _ = apply_parameters(image, labels, parameters, settings)
        >>> torch.equal(flipped, image.flip(2, 3))
        True
    """
    geometry = parameters.geometry
    if parameters.partners is not None:
        images, labels = paste_objects(images, labels, parameters.partners)
    height, width = images.shape[2:]
    grid = sampling_grid(geometry, height, width, images.device)
    images, labels = move(images, labels, grid, smooth=settings.smooth)
    images = recolour(images, parameters.intensity, settings)
    if geometry.canvas is not None:  # after the colours, so that black stays black
        images, labels = fill_canvas(images, labels, grid, geometry.canvas)
    if parameters.occlusion is not None:
        images, labels = occlude(images, labels, parameters.occlusion)
    return images, labels
