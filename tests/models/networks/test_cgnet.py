"""What is particular to CGNet; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.cgnet import ContextGuidedBlock, GlobalGate


def test_size_is_as_published():
    model = build_model("cgnet")  # two classes
    assert sum(p.numel() for p in model.parameters()) == 491_954
    assert count_macs(model, (224, 224)) == pytest.approx(0.644e9, rel=0.02)


def test_surroundings_lie_further_out_than_neighbours():
    joint = ContextGuidedBlock(8, dilation=4, reduction=2).eval().joint
    x = torch.zeros(1, 4, 13, 13, requires_grad=True)
    reach = []
    for part in (joint.local, joint.surround):
        (gradient,) = torch.autograd.grad(part(x)[0, :, 6, 6].sum(), x)
        reach.append(gradient.abs().sum((0, 1, 2)).nonzero().flatten().tolist())
    assert reach == [[5, 6, 7], [2, 6, 10]]


def test_the_gate_weighs_channels_by_the_whole_image():
    torch.manual_seed(0)
    gate = GlobalGate(8, 2)
    x = torch.rand(1, 8, 5, 5) + 1
    far = x.clone()
    far[..., 4, 4] += 10
    factors = gate(x) / x
    assert factors.min() > 0
    assert factors.max() < 1
    torch.testing.assert_close(factors, factors[..., :1, :1].expand_as(factors))
    assert not torch.allclose(gate(far)[..., 0, 0], gate(x)[..., 0, 0])


@pytest.mark.parametrize("joined", ["norm_1", "norm_2"])
def test_the_image_itself_is_joined_before_each_stage(joined):
    model = build_model("cgnet", depths=(2, 2)).eval()
    seen = []
    getattr(model, joined).register_forward_hook(lambda _, given, out: seen.append(given[0]))
    model(torch.full((1, 3, 32, 32), 0.7))
    torch.testing.assert_close(seen[0][:, -3:, 3:-3, 3:-3].mean(), torch.tensor(0.7))


@pytest.mark.parametrize("depths", [(1, 3), (3,)])
def test_depths_that_do_not_fit_are_refused(depths):
    with pytest.raises(ConfigError, match="depths must be 2 numbers of 2 or more, got"):
        build_model("cgnet", depths=depths)
