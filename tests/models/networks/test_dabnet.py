"""What is particular to DABNet; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.dabnet import AsymmetricBottleneck, Downsampling


def test_size_is_as_published():
    model = build_model("dabnet")  # two classes
    assert sum(p.numel() for p in model.parameters()) == 752_240
    assert count_macs(model, (224, 224)) == pytest.approx(0.975e9, rel=0.02)


def test_far_branches_see_further_from_block_to_block():
    model = build_model("dabnet")
    dilations = [
        [block.far[0].dilation[0] for block in stage.blocks]
        for stage in (model.stage_1, model.stage_2)
    ]
    assert dilations == [[2, 2, 2], [4, 4, 8, 8, 16, 16]]


@pytest.mark.parametrize("branch", ["near", "far"])
def test_both_branches_and_the_block_s_input_are_added(branch):
    torch.manual_seed(0)
    block = AsymmetricBottleneck(8, dilation=2).eval()
    x = torch.randn(1, 8, 9, 9)
    before = block(x)
    torch.nn.init.zeros_(getattr(block, branch)[2].weight)
    assert not torch.allclose(block(x), before)
    torch.nn.init.zeros_(block.expand[1].weight)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("channels", "pooled"), [((3, 8), 3), ((8, 8), 0)])
def test_a_max_pool_goes_along_where_channels_grow(channels, pooled):
    down = Downsampling(*channels).eval()
    torch.nn.init.zeros_(down.conv.weight)
    x = torch.rand(1, channels[0], 6, 6) + 1  # above 0, where the activation changes nothing
    got = down(x)
    assert got.shape == (1, 8, 3, 3)
    assert int((got.amax((0, 2, 3)) > 0.5).sum()) == pooled


@pytest.mark.parametrize(("joined", "halvings"), [("norm_1", 1), ("norm_2", 2), ("norm_3", 3)])
def test_the_image_itself_is_joined_at_every_size(joined, halvings):
    model = build_model("dabnet").eval()
    seen = []
    getattr(model, joined).register_forward_hook(lambda _, given, out: seen.append(given[0]))
    model(torch.full((1, 3, 64, 64), 0.7))
    image = seen[0][:, -3:]
    assert image.shape[2] == 64 // 2**halvings
    torch.testing.assert_close(image[..., 2:-2, 2:-2].mean(), torch.tensor(0.7))
