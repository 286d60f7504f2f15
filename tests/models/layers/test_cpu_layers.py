"""Gradients in fewer passes against torch's own."""

import copy

import pytest
import torch

from bmis.models import build_model
from bmis.models.layers import cpu_layers
from bmis.models.layers.cpu_layers import TransposedConvolution, with_means
from helpers.maps import FIRST, LAST, maps, nodes


@pytest.mark.parametrize("layout", [LAST, FIRST])
def test_means_and_their_gradients_are_torchs(layout):
    x = maps(2, 5, 4, 6, layout=layout)
    weights = torch.rand(2, 5, 4, 6, dtype=torch.float64)

    def answer(y, means):
        return (weights * y * means.sigmoid()).sum()

    y, means = with_means(x)
    assert torch.equal(y, x)
    assert torch.equal(means, x.mean((2, 3), keepdim=True))
    (got,) = torch.autograd.grad(answer(y, means), x)
    (expected,) = torch.autograd.grad(answer(x, x.mean((2, 3), keepdim=True)), x)
    torch.testing.assert_close(got, expected)


def test_gradients_of_means_stay_in_channels_last():
    x = maps(2, 5, 4, 6)
    y, means = with_means(x)
    seen = []
    x.register_hook(lambda gradient: seen.append(gradient.is_contiguous(memory_format=LAST)))
    (y * means).square().sum().backward()
    assert seen == [True]


def test_means_alone_learn_too():
    x = maps(2, 3, 4, 4)
    (got,) = torch.autograd.grad(with_means(x)[1].sum(), x)
    torch.testing.assert_close(got, torch.full_like(got, 1 / 16))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("layout", [LAST, FIRST])
def test_a_transposed_convolution_learns_as_torchs_own(groups, layout):
    options = {"stride": 2, "padding": 1, "output_padding": 1, "groups": groups}
    ours = TransposedConvolution(4, 6, 3, **options).double()
    theirs = torch.nn.ConvTranspose2d(4, 6, 3, **options).double()
    theirs.load_state_dict(ours.state_dict())
    results = []
    for layer in (ours, theirs):
        x = maps(2, 4, 5, 3, layout=layout)
        y = layer(x)
        gradient = torch.autograd.grad(y.square().sum(), [x, layer.weight, layer.bias])
        results.append((y, *gradient))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("case", ["size", "no bias", "frozen bias", "evaluation"])
def test_a_transposed_convolution_otherwise_is_torchs_own(case):
    ours = TransposedConvolution(4, 6, 3, stride=2, bias=case != "no bias").double()
    theirs = torch.nn.ConvTranspose2d(4, 6, 3, stride=2, bias=case != "no bias").double()
    theirs.load_state_dict(ours.state_dict())
    if case == "frozen bias":
        ours.bias.requires_grad_(False)
    size = [12, 8] if case == "size" else None
    with torch.set_grad_enabled(case != "evaluation"):
        y = ours(maps(2, 4, 5, 3), size)
        assert torch.equal(y, theirs(maps(2, 4, 5, 3), size))
    if case == "frozen bias":
        y.sum().backward()
        assert ours.bias.grad is None


def test_the_biass_gradient_is_summed_and_kept_in_float32_under_autocast():
    layer = TransposedConvolution(1, 1, 2, stride=2)
    x = torch.ones(1, 1, 40, 40, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x).sum().backward()
    assert layer.bias.grad == 6400 + 0 * layer.bias.grad.float()
    assert layer.bias.grad.dtype == torch.float32


def test_a_network_learns_as_it_does_by_torchs_gradients(monkeypatch):
    torch.manual_seed(0)
    model = build_model("bmis", widths=(4, 8, 12)).double()
    x = torch.randn(2, 3, 32, 24, dtype=torch.float64).contiguous(memory_format=LAST)
    learnt = []
    for plain in (False, True):
        if plain:
            monkeypatch.setattr(cpu_layers, "_trains", lambda x: False)
        learner = copy.deepcopy(model).to(memory_format=LAST)
        torch.manual_seed(1)  # dropout
        answer = learner(x)
        names = {type(node).__name__ for node in nodes(answer.grad_fn)}
        assert ("_MeansBackward" in names) is not plain
        assert ("_BiasGradientBackward" in names) is not plain
        answer.square().sum().backward()
        learnt.append([answer, *(p.grad for p in learner.parameters())])
    for got, expected in zip(*learnt, strict=True):
        torch.testing.assert_close(got, expected)


def test_an_exported_network_in_training_has_torchs_own_layers():
    model = build_model("bmis", widths=(4, 8, 12))
    graph = torch.export.export(model, (torch.randn(2, 3, 32, 32),)).graph
    called = {str(node.target) for node in graph.nodes}
    assert "aten.max_pool2d.default" in called
    assert "aten.conv_transpose2d.input" in called
    assert "aten.maximum.default" not in called
    assert not any("Gradient" in name or "autograd" in name for name in called)
