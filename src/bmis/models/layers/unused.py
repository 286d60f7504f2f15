"""Parts of other libraries' networks that take no part in the answer: classifiers, late stages."""

import torch
from torch import nn

from bmis.models.base import SegmentationModel


def prune_unused(model: SegmentationModel) -> None:
    """Put nothing in the place of all modules whose parameters the logits do not depend on.

    They would not learn, but be counted, saved and given to the optimiser. It takes one forward
    and one backward pass at the least size.
    """
    names, parameters = zip(*model.named_parameters(), strict=True)
    image = torch.zeros(1, model.in_channels, *model.valid_size(1, 1))
    logits = model.eval()(image)
    model.train()
    gradients = torch.autograd.grad(logits.sum(), parameters, allow_unused=True)
    used = [name for name, found in zip(names, gradients, strict=True) if found is not None]
    for name, module in list(model.named_modules()):
        idle = any(True for _ in module.parameters()) and not any(
            parameter.startswith(f"{name}.") for parameter in used
        )
        parent, _, leaf = name.rpartition(".")
        if name and idle:
            setattr(model.get_submodule(parent), leaf, nn.Identity())
