"""What is particular to LEDNet; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.networks.lednet import AttentionPyramid, SplitShuffleBlock


def test_size_is_as_published():
    model = build_model("lednet")  # two classes
    assert sum(p.numel() for p in model.parameters()) == 912_933
    assert count_macs(model, (224, 224)) == pytest.approx(1.070e9, rel=0.02)


def test_halves_keep_apart_in_a_block_and_alternate_after_it():
    torch.manual_seed(0)
    block = SplitShuffleBlock(8, dilation=2, dropout=0.3).eval()
    x = torch.randn(1, 8, 6, 6)
    other = x.clone()
    other[:, :4] += 1.0  # the left half only
    changed = (block(x) != block(other)).any(dim=3).any(dim=2)
    assert changed.tolist() == [[True, False] * 4]


def test_the_pyramid_sees_the_whole_image_and_weighs_all_classes_alike():
    torch.manual_seed(0)
    pyramid = AttentionPyramid(4, 3).eval()
    x = torch.rand(1, 4, 11, 6, requires_grad=True)  # odd on purpose: no halving is exact
    seen = pyramid.attention(x)
    assert seen.shape == (1, 1, 11, 6)
    assert seen.min() >= 0
    whole = pyramid.image_scores(x.mean((2, 3), keepdim=True))
    torch.testing.assert_close(pyramid(x), pyramid.scores(x) * seen + whole)


@pytest.mark.parametrize("stage", ["downs", "laterals"])
def test_every_scale_of_the_pyramid_takes_part(stage):
    torch.manual_seed(0)
    pyramid = AttentionPyramid(4, 2).train()
    x = torch.randn(2, 4, 16, 16)
    before = pyramid.attention(x)
    for scale in getattr(pyramid, stage):
        weight = scale[0].weight
        kept = weight.detach().clone()
        torch.nn.init.zeros_(weight)
        assert not torch.allclose(pyramid.attention(x), before)
        weight.data.copy_(kept)
