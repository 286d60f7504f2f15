"""What is particular to the networks of segmentation-models-pytorch."""

import pytest
import segmentation_models_pytorch as library
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "millions", "billions"),
    [
        ("smp_linknet", 4.32, 0.426),
        ("smp_deeplabv3plus", 4.38, 1.134),
        ("smp_segformer", 3.71, 1.325),
    ],
)
def test_size_is_as_listed(name, millions, billions):
    model = build_model(name)
    assert count(model) / 1e6 == pytest.approx(millions, rel=0.02)
    assert count_macs(model, (224, 224)) / 1e9 == pytest.approx(billions, rel=0.02)


def test_it_is_the_librarys_network_by_its_defaults():
    torch.manual_seed(0)
    ours = build_model("smp_unet", in_channels=1, num_classes=3).eval()
    torch.manual_seed(0)
    theirs = library.Unet(encoder_weights=None, in_channels=1, classes=3).eval()
    x = torch.randn(1, 1, 64, 32)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


def test_stages_without_use_are_left_out():
    whole = library.PSPNet(encoder_weights=None, classes=2)
    ours = build_model("smp_pspnet")
    idle = count(whole.encoder.layer3) + count(whole.encoder.layer4)
    assert count(ours) == count(whole) - idle


def test_another_encoder_may_be_had():
    small = build_model("smp_unet", encoder="mobilenet_v2")
    assert count(small) < count(build_model("smp_unet")) / 3
    assert small(torch.zeros(2, 3, 32, 64)).shape == (2, 2, 32, 64)


def test_one_of_timm_too():
    model = build_model("smp_unet", encoder="tu-resnet10t")
    assert model(torch.zeros(2, 3, 32, 64)).shape == (2, 2, 32, 64)


def test_the_vision_transformer_takes_images_of_any_size():
    assert build_model("smp_dpt", encoder="tu-vit_tiny_patch16_224").fixed_size is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"encoder": "resnet35"}, r"unknown encoder 'resnet35' \(did you mean 'resnet[35]"),
        ({"architecture": "UNet"}, r"unknown architecture 'UNet' \(did you mean 'Unet'\?\)"),
        ({"encoder": "tu-resnet35"}, "Unet on encoder 'tu-resnet35': Unknown model"),
        ({"architecture": "DPT"}, "DPT on encoder 'resnet34': Only Timm encoders"),
        ({"architecture": "UnetPlusPlus", "encoder": "mit_b0"}, "on encoder 'mit_b0': .*not supp"),
    ],
)
def test_what_the_library_does_not_have_is_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model("smp_unet", **options)
