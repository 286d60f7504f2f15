"""What is particular to ContextNet; what all models share is in test_contract.py."""

import pytest
import torch
from torch import nn

from bmis.models import build_model
from bmis.models.complexity import count_macs
from bmis.models.layers.blocks import DepthwiseSeparable, InvertedBottleneck
from bmis.models.networks.contextnet import FeatureFusion


def test_size_is_as_published():
    model = build_model("contextnet")  # two classes
    assert sum(p.numel() for p in model.parameters()) == 874_370
    assert count_macs(model, (224, 224)) == pytest.approx(0.158e9, rel=0.02)


def test_detail_comes_from_the_whole_image_and_context_from_a_small_one():
    model = build_model("contextnet").eval()
    seen = {}
    for name in ("detail", "context"):
        model.get_submodule(name).register_forward_hook(
            lambda _, x, y, name=name: seen.__setitem__(name, (x[0], y))
        )
    x = torch.randn(1, 3, 64, 96)
    model(x)
    (image, detail), (small, context) = seen["detail"], seen["context"]
    assert torch.equal(image, x)
    assert small.shape == (1, 3, 16, 24)
    corner = (0, 1, -1, -1)  # the small image reaches to the very corners
    torch.testing.assert_close(small[corner], x[corner])
    assert (detail.shape, context.shape) == ((1, 128, 8, 12), (1, 128, 2, 3))


def test_coarse_features_are_enlarged_and_spread_over_their_old_neighbours():
    fusion = FeatureFusion(3, 8).eval()
    assert fusion(torch.randn(1, 3, 12, 20), torch.randn(1, 8, 3, 5)).shape == (1, 8, 12, 20)
    x = torch.zeros(1, 8, 13, 13, requires_grad=True)
    fusion.spread[0](x)[0, :, 6, 6].sum().backward()
    assert x.grad.abs().sum((0, 1, 2)).nonzero().flatten().tolist() == [2, 6, 10]


@pytest.mark.parametrize("branch", ["fine", "coarse"])
def test_both_branches_reach_the_sum(branch):
    torch.manual_seed(0)
    fusion = FeatureFusion(3, 8).eval()
    fine, coarse = torch.randn(1, 3, 8, 8), torch.randn(1, 8, 2, 2)
    before = fusion(fine, coarse)
    torch.nn.init.zeros_(getattr(fusion, branch)[0].weight)
    assert not torch.allclose(fusion(fine, coarse), before)


@pytest.mark.parametrize(
    ("channels", "stride", "residual"), [((4, 4), 1, True), ((4, 6), 1, False), ((4, 4), 2, False)]
)
def test_a_bottleneck_is_residual_where_shapes_allow(channels, stride, residual):
    block = InvertedBottleneck(*channels, 6, stride=stride).eval()
    torch.nn.init.zeros_(block.body[2][0].weight)  # the bottleneck itself gives zeros
    x = torch.randn(1, 4, 6, 6)
    got = block(x)
    assert got.shape == (1, channels[1], 6 // stride, 6 // stride)
    assert torch.equal(got, x) if residual else not got.any()


def after_depthwise(model):
    """What follows each depthwise convolution and its norm, in the order of registration."""
    layers = [part for part in model.modules() if not [*part.children()]]
    depthwise = [i for i, part in enumerate(layers) if getattr(part, "groups", 1) > 1]
    return [type(layers[i + 2]) for i in depthwise]


@pytest.mark.parametrize("name", ["contextnet", "fast_scnn"])
def test_relu_follows_depthwise_kernels_in_bottlenecks_and_in_the_fusion_only(name):
    """The papers omit the nonlinearity between depthwise and pointwise convolutions."""
    model = build_model(name)
    bottlenecks = [part for part in model.modules() if isinstance(part, InvertedBottleneck)]
    separable = [part for part in model.modules() if isinstance(part, DepthwiseSeparable)]
    with_relu = [*bottlenecks, model.fusion]
    assert {kind for part in with_relu for kind in after_depthwise(part)} == {nn.ReLU}
    assert {kind for part in separable for kind in after_depthwise(part)} == {nn.Identity}
    assert len(after_depthwise(model)) == len(with_relu) + len(separable)


def test_the_block_ends_in_a_relu_after_the_pointwise_kernel():
    kinds = [type(part) for part in DepthwiseSeparable(4, 8).modules() if not [*part.children()]]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.Identity, nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
