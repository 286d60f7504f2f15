"""The shifted windows against attention written out position by position."""

import math

import pytest
import torch

from bmis.models.layers.swin import PatchMerging, SwinEncoder, WindowAttention


def plain(module: WindowAttention, x: torch.Tensor) -> torch.Tensor:
    """Every position asks those of its window, in float64, without padding or rolling."""
    height, width, channels = x.shape
    heads, size = channels // 32, 32
    move = [module.shift if side > 7 else 0 for side in (height, width)]
    places = [(r, c) for r in range(height) for c in range(width)]
    window = [((r - move[0]) // 7, (c - move[1]) // 7) for r, c in places]
    table = module.bias_table.double().view(13, 13, heads)
    qkv = torch.nn.functional.linear(
        x.double().view(-1, channels), module.qkv.weight.double(), module.qkv.bias.double()
    ).view(-1, 3, heads, size)
    seen = torch.zeros(len(places), heads, size, dtype=torch.float64)
    for p, (r, c) in enumerate(places):
        near = [i for i in range(len(places)) if window[i] == window[p]]
        bias = torch.stack([table[r - places[i][0] + 6, c - places[i][1] + 6] for i in near])
        scores = (qkv[p, 0] * qkv[near, 1]).sum(-1) / math.sqrt(size) + bias  # (near, heads)
        seen[p] = (scores.softmax(0).unsqueeze(-1) * qkv[near, 2]).sum(0)
    out = torch.nn.functional.linear(
        seen.flatten(1), module.projection.weight.double(), module.projection.bias.double()
    )
    return out.view(height, width, channels)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(7, 7), (14, 21), (9, 16), (3, 15), (8, 7), (1, 2)])
def test_windows_are_those_of_the_definition(size, shifted):
    torch.manual_seed(0)
    module = WindowAttention(64, shifted=shifted)
    torch.nn.init.normal_(module.bias_table)
    torch.nn.init.normal_(module.qkv.bias)  # or padding would have keys and values of zero
    x = torch.randn(2, *size, 64)
    got = module(x).double()
    expected = torch.stack([plain(module, image) for image in x])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_four_positions_become_one_column_by_column():
    module = PatchMerging(1)
    module.norm = torch.nn.Identity()
    torch.nn.init.zeros_(module.reduction.weight)
    with torch.no_grad():
        module.reduction.weight[0] = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    square = torch.tensor([[1.0, 3.0], [2.0, 4.0]]).view(1, 2, 2, 1)
    assert module(square).flatten().tolist() == [4321.0, 0.0]


def test_swin_t_has_its_published_parameters():
    classifier, last_norm = 768 * 1000 + 1000, 2 * 768
    model = SwinEncoder(3, 96, (2, 2, 6, 2))
    assert sum(p.numel() for p in model.parameters()) == 28_288_354 - classifier - last_norm


def test_features_are_those_of_four_scales():
    features = SwinEncoder(1, 32, (1, 1, 1, 1))(torch.randn(2, 1, 96, 64))
    expected = [(2, 32, 24, 16), (2, 64, 12, 8), (2, 128, 6, 4), (2, 256, 3, 2)]
    assert [tuple(f.shape) for f in features] == expected
