"""What is particular to TinyU-Net; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs

TINY = {"widths": (8, 16), "cascade": 3}


def test_parameters_and_macs_are_as_published():
    model = build_model("tinyu_net", num_classes=1)
    assert sum(p.numel() for p in model.parameters()) == 481_105
    assert count_macs(model, (224, 224)) == pytest.approx(1.195e9, rel=1e-3)


def fields_of(block: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the last pointwise convolution of a block is given."""
    seen = []
    block.expand.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.inference_mode():
        block.eval()(x)
    return seen[0]


def test_every_step_of_the_cascade_sees_a_pixel_further_to_each_side():
    torch.manual_seed(0)
    block = build_model("tinyu_net", **TINY).encoders[1]  # 8 -> 16 channels, 2 for each field
    x = torch.zeros(1, 8, 11, 11)
    x[..., 5, 5] = 1
    changed = fields_of(block, x) != fields_of(block, torch.zeros_like(x))
    sides = [len(field.any(1)[0].any(0).nonzero()) for field in changed.split(2, dim=1)]
    assert sides == [1, 3, 5, 7]


def test_the_first_field_is_the_sum_of_the_half_beside_and_the_half_of_the_cascade():
    torch.manual_seed(0)
    block = build_model("tinyu_net", **TINY).encoders[1].eval()
    x = torch.randn(1, 8, 6, 6)
    with torch.inference_mode():
        reduced = block.reduce(x)
    fields = fields_of(block, x)
    assert fields.shape[1] == 8
    torch.testing.assert_close(fields[:, :2], reduced[:, :2] + reduced[:, 2:])


@pytest.mark.parametrize(("encoder", "decoder"), [(0, 1), (1, 0)])
def test_a_decoder_is_given_the_features_of_its_scale(encoder, decoder):
    model = build_model("tinyu_net", **TINY).eval()
    seen = []
    model.encoders[encoder].register_forward_hook(lambda _, __, out: seen.append(out))
    model.decoders[decoder].register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.inference_mode():
        model(torch.randn(1, 3, 16, 16))
    features, given = seen
    assert torch.equal(given[:, 16:], features)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cascade": 0}, "cascade must be 1 or more, got 0"),
        ({"widths": ()}, r"multiples of 2 \* \(cascade \+ 1\) = 8, got \[\]"),
        ({"widths": (8, 12)}, r"= 8, got \[8, 12\]"),
        ({"widths": (0, 8)}, r"= 8, got \[0, 8\]"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(change, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model("tinyu_net", **{**TINY, **change})
