"""What is particular to CMUNeXt; what all models share is in test_contract.py."""

import pytest
import torch

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import count_macs

TINY = {"widths": (4, 6, 8), "depths": (1, 2, 1), "kernels": (3, 5, 7)}


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs"),
    [("cmunext", 3_149_185, 5.536), ("cmunext_s", 417_505, 0.775), ("cmunext_l", 8_286_721, 12.90)],
)
def test_parameters_and_macs_are_as_published(name, parameters, gmacs):
    model = build_model(name, num_classes=1)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert count_macs(model, (224, 224)) == pytest.approx(gmacs * 1e9, rel=1e-3)


def test_a_kernel_reaches_half_its_side_and_no_further():
    block = build_model("cmunext", **TINY).encoders[2][0]  # 6 channels, kernel 7
    x = torch.zeros(1, 6, 17, 17)
    x[..., 8, 8] = 1
    with torch.inference_mode():
        block.eval()
        changed = (block(x) - block(torch.zeros_like(x))).abs().sum((0, 1)) > 0
    rows, columns = changed.nonzero().unbind(1)
    assert rows.unique().tolist() == columns.unique().tolist() == list(range(5, 12))


def test_a_block_with_its_depthwise_part_silenced_still_passes_its_input_on():
    block = build_model("cmunext", **TINY).encoders[2][0].eval()
    for parameter in block.depthwise.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 6, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(block(x), block.pointwise(x))


def test_skip_and_upsampled_features_are_filtered_apart():
    fusion = build_model("cmunext", **TINY).decoders[0].eval()
    seen = []
    fusion.grouped.register_forward_hook(lambda _, __, out: seen.append(out))
    x, skip = torch.randn(1, 8, 4, 4), torch.randn(1, 6, 8, 8)
    with torch.inference_mode():
        fusion(x, skip)
        fusion(x, skip + 1)
        fusion(x + 1, skip)
    first, other_skip, other_x = seen
    assert torch.equal(first[:, 6:], other_skip[:, 6:])
    assert not torch.equal(first[:, :6], other_skip[:, :6])
    assert torch.equal(first[:, :6], other_x[:, :6])
    assert not torch.equal(first[:, 6:], other_x[:, 6:])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"depths": (1, 1)}, r"as many as there are scales, 2 or more, got \[4, 6, 8\], \[1, 1\]"),
        ({"widths": (4,), "depths": (1,), "kernels": (3,)}, "2 or more, got"),
        ({"depths": (1, 0, 1)}, "widths and depths must be 1 or more"),
        ({"widths": (4, 0, 8)}, "widths and depths must be 1 or more"),
        ({"kernels": (3, 4, 7)}, r"kernels must be odd, 1 or more, got \[3, 4, 7\]"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(change, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model("cmunext", **{**TINY, **change})
