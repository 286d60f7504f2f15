"""Modules that the logits do not depend on are left out, and nothing else is."""

import torch
from torch import nn

from bmis.models import SegmentationModel
from bmis.models.layers.unused import prune_unused


class Network(SegmentationModel):
    """A classifier and a late stage beside what is used; one layer is made of both."""

    def __init__(self):
        super().__init__(1, 2, stride=4)
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4))
        self.late = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
        self.heads = nn.ModuleDict({"mask": nn.Conv2d(4, 2, 1), "class": nn.Linear(4, 9)})
        self.pool = nn.AvgPool2d(2)

    def forward(self, x):
        self.check_input(x)
        y = self.stem(x)
        self.heads["class"](self.late(y).mean((2, 3)))
        return self.heads["mask"](y)


def test_only_what_is_idle_goes():
    model = Network()
    x = torch.randn(2, 1, 4, 4)
    before = model.eval()(x)
    seen = model.train().stem[1].running_mean.clone()
    prune_unused(model)
    names = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
    assert names == {"stem.0", "stem.1", "heads.mask"}
    assert isinstance(model.pool, nn.AvgPool2d)
    assert model.training
    assert torch.equal(model.stem[1].running_mean, seen)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(model.eval()(x), before)
