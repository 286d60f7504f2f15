"""Remove parts of other libraries' networks that the logits do not use: classifiers, stages."""

import torch
from torch import nn

from bmis.models.base import SegmentationModel


def prune_unused(model: SegmentationModel) -> None:
    """Replace by ``nn.Identity`` all modules whose parameters the logits do not depend on.

    They would not learn, but be counted, saved and given to the optimiser. It takes one forward and
    one backward pass at the smallest size.

    Example:
        >>> from bmis import SegmentationModel
        >>> class Network(SegmentationModel):
        ...     def __init__(self):
        ...         super().__init__(3, 2, stride=1)
        ...         self.head, self.classifier = nn.Conv2d(3, 2, 1), nn.Linear(3, 9)
        ...     def forward(self, x):
        ...         return self.head(x)
        >>> model = Network()
        >>> prune_unused(model)
        >>> model.classifier
        Identity()
    """
    names, parameters = zip(*model.named_parameters(), strict=True)
    image = torch.zeros(1, model.in_channels, *model.valid_size(1, 1))
    logits = model.eval()(image)
    model.train()
    gradients = torch.autograd.grad(logits.sum(), parameters, allow_unused=True)
    used = [name for name, found in zip(names, gradients, strict=True) if found is not None]
    for name, module in list(model.named_modules()):
        unused = any(True for _ in module.parameters()) and not any(
            parameter.startswith(f"{name}.") for parameter in used
        )
        parent, _, leaf = name.rpartition(".")
        if name and unused:
            setattr(model.get_submodule(parent), leaf, nn.Identity())
