"""What is particular to BMIS Edge; what all models share is in test_contract.py."""

import pytest
import torch
import torch.nn.functional as F

from bmis.errors import ConfigError
from bmis.models import build_model, build_untrained, initial_weights
from bmis.models.complexity import count_macs
from bmis.models.networks.bmis_edge import PooledAttention


def test_it_is_as_small_as_it_is_said_to_be():
    model = build_untrained("bmis_edge")
    assert sum(p.numel() for p in model.parameters()) < 0.8e6
    assert count_macs(model, (224, 224)) < 0.35e9
    assert count_macs(build_untrained("bmis_edge_s"), (224, 224)) < 0.18e9


def test_it_starts_from_imagenet_unless_asked_otherwise():
    assert initial_weights("bmis_edge", {}) == initial_weights("bmis_edge_s", {}) == "imagenet"
    trained = [build_model("bmis_edge").trunk.state_dict() for _ in range(2)]
    assert all(torch.equal(tensor, trained[1][name]) for name, tensor in trained[0].items())
    untrained = build_model("bmis_edge", weights="none").trunk.state_dict()
    assert not torch.equal(untrained["stem.0.weight"], trained[0]["stem.0.weight"])
    assert untrained["stem.1.running_mean"].eq(0).all()


@pytest.mark.parametrize(
    "options",
    [
        {"context": "dilated"},
        {"context": "attention"},
        {"finest": 2},
        {"depthwise": True},
        {"stages": 3},
        {"stages": 7},
        {"trunk": "lite1"},
    ],
)
def test_every_option_gives_logits_of_the_size_of_the_image(options):
    model = build_model("bmis_edge", num_classes=3, weights="none", width=8, **options).eval()
    size = model.valid_size(64, 96)
    with torch.inference_mode():
        assert model(torch.randn(2, 3, *size)).shape == (2, 3, *size)


def test_attention_mixes_the_means_of_squares_by_how_like_they_are():
    torch.manual_seed(0)
    layer = PooledAttention(4)
    layer.gamma.data.fill_(1.0)
    x = torch.randn(2, 4, 5, 7)  # the last squares are cut off
    pooled = F.avg_pool2d(x, 2, ceil_mode=True)
    q, k, v = layer.query(x), layer.key(pooled), layer.value(pooled)
    seen = F.scaled_dot_product_attention(*(t.flatten(2).transpose(1, 2) for t in (q, k, v)))
    torch.testing.assert_close(layer(x), x + seen.transpose(1, 2).view_as(x))


def test_the_blocks_of_bmis_are_dilated_and_have_channel_attention():
    blocks = build_untrained("bmis_edge", context="dilated").context[1]
    assert [block.conv_2[0].dilation for block in blocks] == [(1, 1), (2, 1), (3, 1)]
    assert all(block.eca is not None for block in blocks)


def test_deep_supervision_trains_a_head_that_inference_does_not_need():
    model = build_model("bmis_edge", width=8, deep_supervision=True).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        logits, auxiliary = model.training_logits(x)
        assert torch.equal(logits, model(x))
    assert auxiliary.shape == logits.shape
    assert model.auxiliary_weights == (0.4,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 1}, "width must be 2 or more, got 1"),
        ({"finest": 3}, "finest must be 2 or 4, got 3"),
        ({"dropout": 1.0}, "dropout must be 0 to below 1, got 1.0"),
        ({"context": "wide"}, "context"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model("bmis_edge", **options)
