"""What is particular to the networks of MONAI."""

import pytest
import torch
import torch.nn.functional as F
from monai.networks import nets as library

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "side", "millions", "billions"),
    [("monai_dynunet", 256, 33.5, 14.8), ("monai_segresnet", 224, 0.395, 0.753)],
)
def test_size_is_as_listed(name, side, millions, billions):
    model = build_model(name)
    assert count(model) / 1e6 == pytest.approx(millions, rel=0.02)
    assert count_macs(model, (side, side)) / 1e9 == pytest.approx(billions, rel=0.02)


def test_the_widths_of_the_unets_run_from_16_to_256():
    for name in ("monai_unet", "monai_attention_unet"):
        widths = {len(p) for p in build_model(name).parameters() if p.ndim == 1}
        assert {16, 32, 64, 128, 256} <= widths, name
        assert max(widths) == 256
    assert any("residual" in name for name, _ in build_model("monai_unet").named_modules())


def test_it_is_the_librarys_network_by_its_defaults():
    torch.manual_seed(0)
    ours = build_model("monai_basic_unetplusplus", in_channels=1, num_classes=3).eval()
    torch.manual_seed(0)
    theirs = library.BasicUNetPlusPlus(spatial_dims=2, in_channels=1, out_channels=3).eval()
    x = torch.randn(1, 1, 64, 32)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x)[0])


def test_the_heads_of_a_supervision_that_is_off_are_left_out():
    assert count(build_model("monai_basic_unetplusplus")) == 2_410_888 - 3 * 2 * (32 + 1)


def test_a_classifier_that_is_not_used_is_left_out():
    names = [name for name, _ in build_model("monai_flexible_unet").named_parameters()]
    assert not [name for name in names if "_fc" in name or "_conv_head" in name]


def test_dynunet_pads_to_the_size_that_it_can_halve_and_cuts_off_the_rest():
    model = build_model("monai_dynunet", in_channels=1).eval()
    x = torch.randn(1, 1, 96, 160)
    with torch.inference_mode():
        whole = model.network(F.pad(x, (0, 32, 0, 32)))
        assert torch.equal(model(x), whole[..., :96, :160])
        x = torch.randn(1, 1, 128, 192)
        assert torch.equal(model(x), model.network(x))


def test_another_encoder_may_be_had():
    model = build_model("monai_flexible_unet", encoder="resnet10")
    assert model(torch.zeros(2, 3, 32, 64)).shape == (2, 2, 32, 64)


def test_unetr_is_built_for_224_unless_another_size_is_given():
    with torch.device("meta"):
        usual, other = build_model("monai_unetr"), build_model("monai_unetr", size=[32, 64])
    assert (usual.fixed_size, other.fixed_size) == ((224, 224), (32, 64))
    assert count(usual) - count(other) == (14 * 14 - 2 * 4) * 768  # a position embedding


@pytest.mark.parametrize("size", [(224,), (224, 220), (0, 16), (16, 16, 16)])
def test_a_size_that_unetr_cannot_be_built_for_is_refused(size):
    with pytest.raises(ConfigError, match=r"height and width, multiples of 16, got \["):
        build_model("monai_unetr", size=size)


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("monai_unet", {"architecture": "unett"}, r"unknown architecture 'unett' \(did you mean"),
        ("monai_flexible_unet", {"encoder": "resnet11"}, r"unknown encoder 'resnet11' \(did you"),
    ],
)
def test_what_the_library_does_not_have_is_refused(name, options, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model(name, **options)
