"""First and last layers by their role; those of all networks are in models/test_contract.py."""

import pytest
import torch
from torch import nn

from bmis.models import SegmentationModel, build_model
from bmis.train.outer_layers import outer_weights


def found(model):
    names = {id(weight): name.removesuffix(".weight") for name, weight in model.named_parameters()}
    return {names[id(weight)] for weight in outer_weights(model)}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("attention_unet", {"encoders.0.0.0", "head"}),
        ("malunet", {"encoders.0.0", "head.0"}),
        ("ege_unet", {"encoders.0.0", "head.0", *(f"auxiliary_heads.{i}" for i in range(5))}),
        ("contextnet", {"context.0.0", "detail.0.0", "head.3"}),
        ("mk_unet_t", {"encoders.0.expand.0", "encoders.0.shortcut", "head"}),
        ("tv_lraspp", {"backbone.0.0", "classifier.low_classifier", "classifier.high_classifier"}),
        ("monai_unet", {"0.conv.unit0.conv", "0.residual", "2.0.conv", "2.1.conv.unit0.conv"}),
        ("bmis_tiny", {"stem.conv", "head"}),
        pytest.param(
            "dsu_net",
            {
                *("coarse_encoder.patches.conv", "fine_encoder.stem.conv"),
                *("coarse_decoder.head.8", "fine_decoder.head.8"),
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_stems_and_heads_are_found_whatever_the_order_of_registration(name, wanted):
    got = {
        layer.removeprefix("network.").removeprefix("model.") for layer in found(build_model(name))
    }
    assert got == wanted


def test_auxiliary_heads_are_found():
    model = build_model("bmis_tiny", deep_supervision=True)
    assert found(model) == {"stem.conv", "head", "auxiliary_heads.0", "auxiliary_heads.1"}


def test_lednet_multiplies_its_scores_by_maps():
    scores = {"decoder.scores.0", "decoder.image_scores.0"}
    assert scores <= found(build_model("lednet"))


class Odd(SegmentationModel):
    """Made in the order last, inner, first; the image is shrunk and filtered on its way."""

    def __init__(self):
        super().__init__(3, 2, stride=4)
        self.last = nn.Conv2d(8, 2, 1)
        self.unused = nn.Conv2d(8, 8, 1)
        self.inner = nn.Linear(8, 8)
        self.norm = nn.BatchNorm2d(3)
        self.dropout = nn.Dropout(0.5)
        self.first = nn.ConvTranspose2d(3, 8, 2, stride=2)

    def forward(self, x):
        y = self.first(nn.functional.avg_pool2d(self.norm(x), 2))
        y = self.dropout(self.inner(y.movedim(1, -1)).movedim(-1, 1)) + y
        return self.last(y).mul(2).flip(3)


def test_what_stands_between_does_not_hide_a_layer():
    assert found(Odd()) == {"first", "last"}


def test_a_layer_that_is_used_without_being_called_is_found():
    model = Odd()
    model.forward = lambda x: nn.functional.conv2d(x, model.unused.weight[:2, :3] * 2)
    assert found(model) == {"unused"}


def test_model_and_random_numbers_stay_as_they_are():
    model = Odd()
    model.norm.eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    numbers = torch.get_rng_state()
    with torch.no_grad():
        assert found(model) == {"first", "last"}
    assert torch.equal(torch.get_rng_state(), numbers)
    assert model.training
    assert model.dropout.training
    assert not model.norm.training
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
