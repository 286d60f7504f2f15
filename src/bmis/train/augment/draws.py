"""Random numbers of the augmentation, and the values that they choose among."""

import torch
from torch import Tensor

# What surrounds an image that was shrunk, or covers its border: black, white, or its mirror image.
MIRRORED = -1.0
CANVASES = (0.0, 1.0, MIRRORED)


def draw_even(limit: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers drawn evenly from -limit..limit.

    Example:
        >>> draw_even(0.0, (2,), torch.Generator()).abs()
        tensor([0., 0.])
    """
    return (2 * torch.rand(*shape, generator=generator) - 1) * limit


def happens(probability: float, count: int, generator: torch.Generator) -> Tensor:
    """For each of ``count`` images, whether something of this probability happens.

    Example:
        >>> happens(1.0, 2, torch.Generator())
        tensor([True, True])
    """
    return torch.rand(count, generator=generator) < probability
