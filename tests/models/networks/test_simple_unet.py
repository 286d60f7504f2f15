"""What is particular to SimpleUNet; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs


def count(**options) -> int:
    return sum(p.numel() for p in build_model("simple_unet", num_classes=1, **options).parameters())


def test_parameters_and_macs_are_as_published():
    model = build_model("simple_unet", num_classes=1)
    assert count() == 63_570
    assert count_macs(model, (224, 224)) == pytest.approx(0.540e9, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"scales": 6}, (9 * 32 * 32 + 64) + (32 * 16 + 32) + 32 + (9 * 32 * 16 + 32)),
        # 8 of 32 channels kept: the four selections and their factors, the bottleneck, the four
        # decoders, the head
        (
            {"kept": 0.25},
            -(4 * (32 * 8 + 16 + 16) + 9 * 32 * 8 + 16 + 4 * (9 * (512 - 128) + 16) + 8),
        ),
    ],
)
def test_options_add_what_the_sum_by_hand_says(options, difference):
    assert count(**options) - count() == difference


@pytest.mark.parametrize("source", ["skip", "up"])
def test_each_channel_of_skip_and_upsampled_features_has_its_own_factor(source):
    torch.manual_seed(0)
    fusion = build_model("simple_unet", width=8).decoders[0].eval()
    seen = []
    fusion.conv.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    x, skip = torch.rand(1, 4, 3, 3), torch.rand(1, 8, 6, 6)
    with torch.inference_mode():
        fusion(x, skip)
        getattr(fusion, f"{source}_factor")[2] = 3.0
        fusion(x, skip)
    factors = torch.ones(8)
    factors[2 if source == "skip" else 6] = 3.0
    torch.testing.assert_close(seen[1], seen[0] * factors[:, None, None])


def test_upsampling_aligns_the_corners():
    fusion = build_model("simple_unet", width=4).decoders[0].eval()
    seen = []
    fusion.conv.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    x = torch.arange(2.0).expand(1, 2, 2, 2)  # each row: 0 1
    with torch.inference_mode():
        fusion(x, torch.zeros(1, 4, 4, 4))
    torch.testing.assert_close(seen[0][0, 2, 0], torch.tensor([0, 1 / 3, 2 / 3, 1]))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"scales": 1}, "scales must be 2 or more, got 1"),
        ({"kept": 0.02}, r"kept must be a share of the width, .* got 0\.02 of 32"),
        ({"kept": 1.5}, r"got 1\.5 of 32"),
        ({"width": 0}, r"got 0\.5 of 0"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model("simple_unet", **options)
