"""Rewritten networks give the same logits without the layers that runtimes are slow at."""

import pytest
import torch
from torch import nn

from bmis.export.rewrite import rewrite
from bmis.models import SegmentationModel, build_model


class OneLayer(SegmentationModel):
    """A network that is a single layer."""

    def __init__(self, layer):
        super().__init__(3, 5, stride=1)
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        (2, {"stride": 2}),
        (3, {"stride": 2, "padding": 1, "output_padding": 1}),
        (4, {"stride": 2, "padding": 1}),
        (4, {"stride": 4}),
        (6, {"stride": 2, "padding": 2, "bias": False}),
        ((2, 4), {"stride": 2, "padding": (0, 1)}),
        (5, {"stride": 3, "padding": 1}),
    ],
)
def test_transposed_convolutions_become_convolutions_with_the_same_result(kernel, options):
    torch.manual_seed(0)
    model = OneLayer(nn.ConvTranspose2d(3, 5, kernel, **options))
    x = torch.randn(2, 3, 5, 7)
    plain = rewrite(model)
    assert not any(isinstance(part, nn.ConvTranspose2d) for part in plain.modules())
    torch.testing.assert_close(plain(x), model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2},  # one row more than twice
        {"stride": (2, 1), "padding": 1, "output_padding": (1, 0)},
        {"stride": 2, "padding": 1, "output_padding": 1, "groups": 3},
        {"stride": 2, "padding": 2, "output_padding": 1, "dilation": 2},
    ],
)
def test_other_transposed_convolutions_stay_as_they_are(options):
    channels = 3 if "groups" in options else 5
    model = OneLayer(nn.ConvTranspose2d(3, channels, 3, **options))
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(rewrite(model)(x), model(x))


def test_a_bicubic_enlargement_becomes_a_convolution_with_the_same_result():
    model = OneLayer(nn.Upsample(scale_factor=2, mode="bicubic"))
    x = torch.randn(2, 3, 5, 7)
    plain = rewrite(model)
    assert not any(isinstance(part, nn.Upsample) for part in plain.modules())
    torch.testing.assert_close(plain(x), model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"scale_factor": 2, "mode": "bilinear"},
        {"scale_factor": 3, "mode": "bicubic"},
        {"scale_factor": 2, "mode": "bicubic", "align_corners": True},
    ],
)
def test_other_enlargements_stay_as_they_are(options):
    model = OneLayer(nn.Upsample(**options))
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(rewrite(model)(x), model(x))


def test_the_network_that_is_given_stays_as_it_is():
    model = build_model("lv_unet", linear=True)
    before = [*model.state_dict()]
    rewrite(model)
    assert [*model.state_dict()] == before
    assert model.training


def test_layers_that_a_network_can_merge_are_merged():
    model = build_model("lv_unet", linear=True)
    assert count(rewrite(model)) < count(model)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())
