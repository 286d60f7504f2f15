"""What is particular to U-Lite; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs


def tiny(**options) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("ulite", **{"widths": (4, 6, 8), **options}).eval()


def reached(block: torch.nn.Module, channels: int) -> list[list[int]]:
    """The positions, relative to the one pixel that changes, where the answer changes."""
    x = torch.zeros(1, channels, 11, 11)
    x[..., 5, 5] = 1
    with torch.inference_mode():
        changed = (block(x) != block(torch.zeros_like(x))).any(1)[0]
    return (changed.nonzero() - 5).tolist()


def cross(*arms: int) -> list[list[int]]:
    points = {(0, 0)}
    for arm in arms:
        points |= {(arm, 0), (-arm, 0), (0, arm), (0, -arm)}
    return [list(point) for point in sorted(points)]


def test_parameters_and_macs_are_as_published():
    model = build_model("ulite", num_classes=1)
    assert sum(p.numel() for p in model.parameters()) == 878_417
    assert count_macs(model, (224, 224)) == pytest.approx(0.564e9, rel=1e-3)


@pytest.mark.parametrize(("kernel", "arms"), [(7, (1, 2, 3)), (3, (1,))])
def test_an_axial_convolution_looks_along_rows_and_columns(kernel, arms):
    model = tiny(kernel=kernel)
    assert reached(model.encoders[0].axial, 4) == cross(*arms)
    assert reached(model.decoders[1].axial, 4) == cross(*arms)


def test_the_bottleneck_looks_at_three_distances():
    model = tiny()
    assert [reached(branch, 2) for branch in model.bottleneck.branches] == [
        *(cross(1), cross(2), cross(3))
    ]


def test_an_axial_convolution_keeps_its_input():
    axial = tiny().encoders[0].axial
    for parameter in axial.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(axial(x), x)


@pytest.mark.parametrize(("encoder", "decoder"), [(0, 1), (1, 0)])
def test_a_decoder_is_given_the_features_before_halving(encoder, decoder):
    model = tiny()
    seen = []
    model.encoders[encoder].norm.register_forward_hook(lambda _, __, out: seen.append(out))
    model.decoders[decoder].fuse.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.inference_mode():
        model(torch.randn(1, 3, 8, 12))
    features, given = seen
    assert torch.equal(given[:, -features.shape[1] :], features)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"widths": (8,)}, r"widths must be 2 or more numbers .* got \[8\]"),
        ({"widths": (0, 8)}, r"got \[0, 8\]"),
        ({"widths": (4, 6)}, r"the last a multiple of 4, got \[4, 6\]"),
        ({"kernel": 4}, "kernel must be odd, 1 or more, got 4"),
        ({"kernel": -1}, "kernel must be odd, 1 or more, got -1"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        tiny(**options)
