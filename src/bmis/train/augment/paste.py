"""Cut and paste: the objects of one image of a batch laid into another.

G. Ghiasi et al., arXiv:2012.07177.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from bmis.data.coding import IGNORE
from bmis.train.augment.draws import happens

_BLUR = 3  # pixels over which a pasted object fades into the image


def draw_partners(probability: float, count: int, generator: torch.Generator) -> Tensor:
    """Draw for each image of a batch the one whose objects it gets.

    Returns:
        (N,) int64, never an image's own number; -1 for none.

    Example:
        >>> draw_partners(1.0, 2, torch.Generator())
        tensor([1, 0])
    """
    chosen = happens(probability, count, generator)
    if count == 1:
        return torch.tensor([-1])
    further = torch.randint(1, count, (count,), generator=generator)
    return torch.where(chosen, (torch.arange(count) + further) % count, -1)


def paste_objects(images: Tensor, labels: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
    """Paste the objects of the partners, at their places, with soft edges.

    Args:
        images: (N, C, H, W).
        labels: (N, H, W); where they are ``IGNORE`` they stay so.
        partners: (N,), what ``draw_partners`` returned.

    Returns:
        New images and labels.

    Example:
        >>> images, labels = torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8, dtype=torch.uint8)
        >>> images[1], labels[1, 4, 4] = 0.9, 1
        >>> pasted, marks = paste_objects(images, labels, torch.tensor([1, -1]))
        >>> int(marks[0].sum()), bool(pasted[0, 0, 4, 4] > 0), bool(pasted[0, 0, 0, 0] > 0)
        (1, True, False)
    """
    takers = (partners >= 0).nonzero().squeeze(1).to(images.device)
    givers = partners[partners >= 0].to(images.device)
    theirs, ours = labels[givers], labels[takers]
    inside = (theirs > 0) & (theirs != IGNORE)
    share = F.avg_pool2d(
        inside.unsqueeze(1).to(images.dtype), _BLUR, 1, _BLUR // 2, count_include_pad=False
    )
    pasted, marks = images.clone(), labels.clone()
    pasted[takers] = images[takers].lerp(images[givers], share)
    marks[takers] = torch.where(inside & (ours != IGNORE), theirs, ours)
    return pasted, marks
