"""The parts that ERFNet, BMIS and LEDNet share."""

import pytest
import torch
import torch.nn.functional as F

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.layers.factorised import max_pool
from helpers.maps import FIRST, LAST, maps


@pytest.mark.parametrize("training", [True, False])
def test_factors_and_sum_at_the_end_of_a_block_are_one_operation(training):
    block = build_model("bmis").stage_1[0].train(training)
    y = block(torch.randn(2, 64, 8, 8, requires_grad=True))
    (before, _), *_ = y.grad_fn.next_functions
    assert type(y.grad_fn).__name__ == "ReluBackward0"
    assert type(before).__name__ == "AddcmulBackward0"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [LAST, FIRST])
def test_pooling_is_torchs(channels, layout):
    x = maps(2, channels, 6, 8, layout=layout).detach()
    assert torch.equal(max_pool(x), F.max_pool2d(x, 2))


def test_of_equal_values_the_first_one_learns():
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(max_pool(x).sum(), x)
    assert gradient.flatten().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(("name", "most"), [("enet", 15), ("erfnet", 15), ("lednet", 31)])
def test_images_of_too_many_channels_are_refused(name, most):
    with torch.device("meta"):
        assert build_model(name, in_channels=most).in_channels == most
        for channels in (most + 1, most + 9):
            with pytest.raises(ConfigError, match=f"below {most + 1}, got {channels}; give images"):
                build_model(name, in_channels=channels)
