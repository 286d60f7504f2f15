"""Gradients in fewer passes against torch's own."""

import copy

import pytest
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import nn

from bmis.models import build_model
from bmis.models.layers import cpu_gradients as gradients
from bmis.models.layers.cpu_gradients import (
    TransposedConvolution,
    keep_in_float32,
    prepare_for_cpu,
    use_matmul_weight_gradient,
    with_means,
)
from bmis.models.networks.bmis import _max_pool
from bmis.train.recipes import find_recipe
from bmis.train.trainer import Trainer

LAST, FIRST = torch.channels_last, torch.contiguous_format


def maps(*shape: int, layout: torch.memory_format = LAST) -> torch.Tensor:
    values = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return values.contiguous(memory_format=layout).requires_grad_()


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
            monkeypatch.setattr(gradients, "_trains", lambda x: False)
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


def nodes(start):
    """All functions of a graph of gradients."""
    found, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [following for following, _ in node.next_functions]
    return found


def test_an_exported_network_in_training_has_torchs_own_layers():
    model = build_model("bmis", widths=(4, 8, 12))
    graph = torch.export.export(model, (torch.randn(2, 3, 32, 32),)).graph
    called = {str(node.target) for node in graph.nodes}
    assert "aten.max_pool2d.default" in called
    assert "aten.conv_transpose2d.input" in called
    assert "aten.maximum.default" not in called
    assert not any("Gradient" in name or "autograd" in name for name in called)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [LAST, FIRST])
def test_pooling_is_torchs(channels, layout):
    x = maps(2, channels, 6, 8, layout=layout).detach()
    assert torch.equal(_max_pool(x), F.max_pool2d(x, 2))


def test_of_equal_values_the_first_one_learns():
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(_max_pool(x).sum(), x)
    assert gradient.flatten().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("layout", [LAST, FIRST])
def test_a_relu_in_half_precision_is_torchs(layout):
    special = torch.tensor([0.0, -0.0, 1e-40, -1e-40, torch.inf, -torch.inf, 3e38, -3e38])
    x = maps(2, 5, 4, 6, layout=layout).detach().bfloat16()
    x[0, :, :, :4] = special.view(1, 2, 4).tile(5, 2, 1)
    gradient = maps(2, 5, 4, 6, layout=layout).detach().bfloat16()
    ours = nn.Sequential(nn.ReLU(inplace=True))
    prepare_for_cpu(ours)
    answers = []
    for relu in (ours, nn.ReLU()):
        leaf = x.clone().requires_grad_()
        y = relu(leaf * 1)
        (of_x,) = torch.autograd.grad(y, leaf, gradient)
        answers.append((y.detach(), of_x))
    assert "_IntegerReLU" in type(ours(x.clone().requires_grad_() * 1).grad_fn).__name__
    for got, wanted in zip(*answers, strict=True):
        assert torch.equal(got, wanted)
        assert got.stride() == wanted.stride()


def test_a_relu_stays_torchs_where_it_is_not_quicker():
    relu, apart = (nn.ReLU(inplace=inplace) for inplace in (True, False))
    prepare_for_cpu(nn.Sequential(relu, apart))
    assert type(apart) is nn.ReLU
    half = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    for x in (half.detach(), half.float() * 1):
        assert "Integer" not in type(relu(x).grad_fn).__name__
    called = set()
    graph = torch.export.export(nn.Sequential(relu), (half.detach(),)).graph
    called.update(str(node.target) for node in graph.nodes if node.op == "call_function")
    assert called == {"aten.relu_.default"}


def check_bf16_gradient(conv, *, height, width, dtype=torch.float32):
    """That of the weights, against float64's."""
    torch.manual_seed(0)
    model = nn.Sequential(conv)
    keep_in_float32(model)
    x = torch.randn(2, conv.in_channels, height, width).to(dtype, memory_format=LAST)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = model(x)
    gradient = torch.randn(y.shape).to(y.dtype, memory_format=LAST)
    (got,) = torch.autograd.grad(y, conv.weight, gradient)
    weight = conv.weight.double()
    geometry = (conv.stride, conv.padding, conv.dilation, conv.groups)
    plain = F.conv2d(x.double(), weight, None, *geometry)
    (wanted,) = torch.autograd.grad(plain, weight, gradient.double())
    torch.testing.assert_close(
        got.double(), wanted, rtol=0.02, atol=0.02 * float(wanted.abs().max())
    )


@pytest.mark.parametrize(("channels", "groups"), [(6, 6), (16, 16), (24, 1), (64, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_dilated_kernel_learns_rightly_in_half_precision(dtype, channels, groups):
    """The sizes are those at which oneDNN's own bf16 gradient was seen to be wrong."""
    conv = nn.Conv2d(channels, channels, 3, padding=2, dilation=2, groups=groups)
    check_bf16_gradient(conv, height=48, width=32, dtype=dtype)


def test_only_the_kernels_concerned_leave_half_precision():
    model = nn.Sequential(
        nn.Conv2d(8, 8, 3, stride=(2, 1)),
        nn.Conv2d(8, 8, 3, dilation=2),
        nn.Conv2d(16, 16, 3, dilation=2),
        nn.Conv2d(16, 16, 3, dilation=2, groups=16),
    )
    before = model.state_dict()
    keep_in_float32(model)
    assert [type(m) is nn.Conv2d for m in model] == [True, False, True, False]
    assert model.state_dict().keys() == before.keys()


@pytest.mark.parametrize(
    ("kernel", "stride", "groups", "leaves"),
    [
        (3, 1, 8, False),
        (3, 2, 8, True),
        ((3, 5), 1, 8, True),
        ((7, 3), 1, 8, False),
        (5, 1, 4, False),
        (5, 1, 1, False),
        (3, 2, 1, False),
    ],
)
def test_depthwise_kernels_that_are_slow_in_half_precision_leave_it(kernel, stride, groups, leaves):
    model = nn.Sequential(nn.Conv2d(8, 8, kernel, stride, groups=groups))
    keep_in_float32(model)
    x = torch.randn(1, 8, 16, 16)
    plain = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = model(x)
        assert model(x.bfloat16()).dtype == torch.bfloat16  # as its map came
    assert torch.equal(answer, plain) is leaves


def test_what_strides_across_a_map_leaves_half_precision_over_one_pixel():
    model = nn.Sequential(nn.Conv2d(16, 16, 3, stride=2, padding=1))
    keep_in_float32(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert [model(torch.randn(1, 16, 8, width)).dtype for width in (1, 2)] == [
            torch.float32,
            torch.bfloat16,
        ]
    check_bf16_gradient(nn.Conv2d(48, 64, 3, stride=2, padding=1), height=14, width=1)


def test_training_on_a_cpu_keeps_them():
    model = build_model("malunet")
    Trainer(Fabric(accelerator="cpu"), model, find_recipe("fast"), epochs=1, seed=0)
    assert all(
        type(m) is not nn.Conv2d
        for m in model.modules()
        if isinstance(m, nn.Conv2d) and max(m.dilation) > 1
    )


@pytest.fixture
def avx2(monkeypatch):
    """A processor on which dense kernels learn by products, of however few channels."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(gradients, "_DENSE", 1)


def by_products(model):
    return [
        type(m).__name__ == "_ConvByProducts" for m in model.modules() if not list(m.children())
    ]


@pytest.mark.parametrize("kernel", [(3, 1), (1, 3), (3, 3), (5, 3), (1, 7)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3), (9, 9)])
@pytest.mark.parametrize("layout", [LAST, FIRST])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_kernels_learn_by_products_as_by_torch(avx2, kernel, dilation, layout, bias):
    """Of 9 and more pixels the outer places of the kernel see nothing of a map of 7 x 6."""
    padding = tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
    theirs = nn.Conv2d(4, 5, kernel, padding=padding, dilation=dilation, bias=bias).double()
    ours = copy.deepcopy(theirs)
    use_matmul_weight_gradient(ours)
    assert by_products(ours) == [True]
    results = []
    for layer in (ours, theirs):
        x = maps(2, 4, 7, 6, layout=layout)
        y = layer(x)
        assert (type(y.grad_fn).__name__ == "_ByProductsBackward") is (layer is ours)
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


def test_what_is_frozen_stays_so_by_products(avx2):
    layer = nn.Conv2d(4, 4, 3, padding=1)
    use_matmul_weight_gradient(layer)
    layer.weight.requires_grad_(False)
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(layer.bias.grad, torch.full((4,), 25.0))


def test_only_dense_kernels_learn_by_products(avx2, monkeypatch):
    monkeypatch.setattr(gradients, "_DENSE", 48)
    model = nn.Sequential(
        nn.Conv2d(48, 64, 3, padding=1),
        nn.Conv2d(48, 48, (1, 3), padding=(0, 4), dilation=4),
        nn.Conv2d(48, 47, 3, padding=1),
        nn.Conv2d(16, 64, 3, padding=1),
        nn.Conv2d(48, 48, 1),
        nn.Conv2d(48, 48, 2, padding=1),
        nn.Conv2d(48, 48, 3),
        nn.Conv2d(48, 48, 3, padding="same"),
        nn.Conv2d(48, 48, 3, padding=1, dilation=2),
        nn.Conv2d(48, 48, 3, padding=1, stride=2),
        nn.Conv2d(48, 48, 3, padding=1, groups=2),
        nn.Conv2d(48, 48, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(48, 48, 3, padding=1),
    )
    use_matmul_weight_gradient(model)
    assert by_products(model) == [True, True] + 11 * [False]


@pytest.mark.parametrize("capability", ["DEFAULT", "AVX512", "NEON"])
def test_on_other_processors_none_does(monkeypatch, capability):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    model = build_model("bmis")
    use_matmul_weight_gradient(model)
    assert not any(by_products(model))


def test_in_half_precision_such_a_kernel_is_torchs_own(avx2):
    layer = nn.Conv2d(4, 4, 3, padding=1)
    use_matmul_weight_gradient(layer)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(torch.randn(1, 4, 8, 8, requires_grad=True))
    assert "_ByProductsBackward" not in {type(node).__name__ for node in nodes(y.grad_fn)}


def test_products_can_be_compiled(avx2):
    layer = nn.Conv2d(4, 4, 3, padding=1).double()
    use_matmul_weight_gradient(layer)
    x = maps(2, 4, 7, 6)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    expected, got = (
        torch.autograd.grad(called(x).square().sum(), [x, layer.weight, layer.bias])
        for called in (layer, compiled)
    )
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_training_on_such_a_processor_goes_by_products(avx2):
    model = build_model("bmis", widths=(4, 8, 12))
    Trainer(Fabric(accelerator="cpu"), model, find_recipe("fast"), epochs=1, seed=0)
    assert any(by_products(model))
