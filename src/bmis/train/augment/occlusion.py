"""What is laid over images: borders and panels, and the dark corners of a round field of view."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bmis.config import Augmentation
from bmis.data.coding import IGNORE
from bmis.train.augment.draws import CANVASES, MIRRORED, draw_even, happens

_WIDTHS = (0.02, 0.12)  # of a border, as a share of the side
_RADII = (0.9, 1.3)  # of the field of view; 1 touches the sides, the corners are at 1.41
_RIMS = (0.01, 0.2)  # widths over which it darkens
_DARKEST = 0.1  # highest value of the corners


@dataclass(frozen=True)
class Occlusion:
    """What covers each image; one row per image.

    Attributes:
        widths: (N, 4), of the border above, below, left and right, as a share of the side.
        level: (N,), value of the border, 0..1, or ``MIRRORED``.
        circle: (N, 5), of the field of view: x and y of its centre, its radius and the width of
            its rim on the scale on which the image spans -1..1, and the value of the corners; the
            radius is infinite where there is none.

    Example:
        >>> drawn = draw_occlusion(Augmentation(border=1.0), 2, torch.Generator().manual_seed(0))
        >>> drawn.widths.shape, drawn.circle[0, 2]
        (torch.Size([2, 4]), tensor(inf))
    """

    widths: Tensor
    level: Tensor
    circle: Tensor


def draw_occlusion(settings: Augmentation, count: int, generator: torch.Generator) -> Occlusion:
    """Draw borders and fields of view for N = ``count`` images.

    Half of the borders are on one side, the others on all four.

    Example:
        >>> drawn = draw_occlusion(Augmentation(dark_corners=1.0), 2, torch.Generator())
        >>> int(drawn.widths.count_nonzero()), bool(drawn.circle.isfinite().all())
        (0, True)
    """

    def within(limits: tuple[float, float], shape: tuple[int, ...]) -> Tensor:
        low, high = limits
        return (low + high) / 2 + draw_even((high - low) / 2, shape, generator)

    chosen = happens(settings.border, count, generator)
    everywhere = happens(0.5, count, generator)
    side = torch.randint(4, (count,), generator=generator)
    covered = everywhere.unsqueeze(1) | (torch.arange(4) == side.unsqueeze(1))
    widths = within(_WIDTHS, (count, 4)) * (covered & chosen.unsqueeze(1))
    level = torch.tensor(CANVASES)[torch.randint(len(CANVASES), (count,), generator=generator)]
    dark = happens(settings.dark_corners, count, generator)
    centre = draw_even(0.1, (count, 2), generator)
    radius, rim = within(_RADII, (count,)), within(_RIMS, (count,))
    corner = within((0.0, _DARKEST), (count,))
    radius = torch.where(dark, radius, torch.inf)
    return Occlusion(widths, level, torch.stack([*centre.T, radius, rim, corner], 1))


def occlude(images: Tensor, labels: Tensor, occlusion: Occlusion) -> tuple[Tensor, Tensor]:
    """Cover images (N, C, H, W) and their labels (N, H, W).

    What is covered becomes background, what is ignored stays so, and under a mirrored border the
    labels are mirrored as the image is.

    Example:
        >>> images, labels = torch.full((1, 1, 50, 50), 0.5), torch.ones(1, 50, 50)
        >>> whole = torch.tensor([[0.0, 0.0, torch.inf, 1.0, 0.0]])  # no circle
        >>> left = Occlusion(torch.tensor([[0.0, 0.0, 0.1, 0.0]]), torch.ones(1), whole)
        >>> covered, marks = occlude(images, labels, left)
        >>> covered[0, 0, 0, 3:7].tolist(), marks[0, 0, 3:7].tolist()
        ([1.0, 1.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0])
    """
    images, labels = _darken(images, labels, occlusion.circle)
    widths, level = occlusion.widths.to(images.device), occlusion.level.to(images.device)
    rows = _band(widths[:, :2], images.shape[2])
    columns = _band(widths[:, 2:], images.shape[3])
    mirrored = ((level == MIRRORED) & (widths > 0).any(1)).nonzero().squeeze(1)
    if len(mirrored):
        images, labels = _mirror(images, labels, mirrored, rows, columns)
    flat = (rows.unsqueeze(2) | columns.unsqueeze(1)) & (level != MIRRORED).view(-1, 1, 1)
    images = torch.where(flat.unsqueeze(1), level.view(-1, 1, 1, 1), images)
    return images, _to_background(labels, flat)


def _to_background(labels: Tensor, where: Tensor) -> Tensor:
    return labels.masked_fill(where & (labels != IGNORE), 0)


def _places(length: int, device: torch.device) -> Tensor:
    """The centres of pixels on the scale 0..1."""
    return (torch.arange(length, device=device) + 0.5) / length


def _band(widths: Tensor, length: int) -> Tensor:
    """(N, length): which rows, or columns, the first or the second border covers."""
    places = _places(length, widths.device)
    return (places < widths[:, :1]) | (places > 1 - widths[:, 1:])


def _mirror(
    images: Tensor, labels: Tensor, chosen: Tensor, rows: Tensor, columns: Tensor
) -> tuple[Tensor, Tensor]:
    """Replace the bands of some images by the mirror image of what lies beside them."""
    y, x = (_reflected(band[chosen]) for band in (rows, columns))
    places = (chosen.view(-1, 1, 1), y.unsqueeze(2), x.unsqueeze(1))
    images, labels = images.clone(), labels.clone()
    images[chosen] = images.permute(0, 2, 3, 1)[places].permute(0, 3, 1, 2)
    labels[chosen] = labels[places]
    return images, labels


def _reflected(band: Tensor) -> Tensor:
    """(N, length): the row that each row shows, its own outside of the bands."""
    length = band.shape[1]
    here = torch.arange(length, device=band.device).expand_as(band)
    first = band[:, : length // 2].sum(1, keepdim=True)
    last = length - band[:, length // 2 :].sum(1, keepdim=True)
    here = torch.where(here < first, 2 * first - 1 - here, here)
    return torch.where(here >= last, 2 * last - 1 - here, here)


def _darken(images: Tensor, labels: Tensor, circle: Tensor) -> tuple[Tensor, Tensor]:
    """Darken what lies outside of the circles."""
    if not circle[:, 2].isfinite().any():
        return images, labels
    x0, y0, radius, rim, corner = circle.to(images.device).T[:, :, None, None]
    y, x = (2 * _places(length, images.device) - 1 for length in images.shape[2:])
    distance = torch.hypot(x.view(1, 1, -1) - x0, y.view(1, -1, 1) - y0)
    light = (0.5 + (radius - distance) / rim).clamp(0, 1)
    shaded = corner.unsqueeze(1).lerp(images, light.unsqueeze(1))
    return shaded, _to_background(labels, distance > radius)
