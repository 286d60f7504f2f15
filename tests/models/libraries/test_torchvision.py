"""What is particular to the networks of torchvision."""

import pytest
import torch
from torchvision.models import segmentation as library

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_size_is_as_listed():
    model = build_model("tv_lraspp")
    assert count(model) / 1e6 == pytest.approx(3.22, rel=0.02)
    assert count_macs(model, (224, 224)) / 1e9 == pytest.approx(0.377, rel=0.02)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("tv_lraspp", library.lraspp_mobilenet_v3_large),
        ("tv_deeplabv3", library.deeplabv3_mobilenet_v3_large),
        ("tv_fcn", library.fcn_resnet50),
    ],
)
def test_it_is_the_librarys_network_without_auxiliary_head(name, theirs):
    torch.manual_seed(0)
    ours = build_model(name, num_classes=3).eval()
    torch.manual_seed(0)
    theirs = theirs(weights=None, weights_backbone=None, num_classes=3).eval()
    x = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x)["out"])
    assert ours.auxiliary_weights == ()


@pytest.mark.parametrize(("name", "widths"), [("tv_lraspp", (16, 3)), ("tv_fcn", (64, 7))])
def test_another_number_of_channels_changes_the_first_convolution_alone(name, widths):
    width, side = widths
    wide, usual = build_model(name, in_channels=5), build_model(name)
    assert count(wide) - count(usual) == (5 - 3) * width * side**2
    first = next(iter(wide.parameters()))
    assert first.std().item() == pytest.approx((2 / (width * side**2)) ** 0.5, rel=0.1)


def test_another_encoder_may_be_had():
    model = build_model("tv_deeplabv3", encoder="resnet50")
    assert (model.stride, build_model("tv_deeplabv3").stride) == (8, 16)
    assert model(torch.zeros(2, 3, 16, 24)).shape == (2, 2, 16, 24)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"architecture": "fnc"}, r"unknown architecture 'fnc' \(did you mean 'fcn'\?\)"),
        ({"encoder": "resnet50"}, "unknown encoder of lraspp 'resnet50'.*mobilenet_v3_large"),
    ],
)
def test_what_the_library_does_not_have_is_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model("tv_lraspp", **options)
