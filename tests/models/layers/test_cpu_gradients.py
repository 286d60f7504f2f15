"""Layers that are put in for torch's own: which, in whose place, and what they learn."""

import copy

import pytest
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import nn

from bmis.models import build_model
from bmis.models.layers import cpu_gradients
from bmis.models.layers.cpu_gradients import (
    keep_in_float32,
    prepare_for_cpu,
    use_matmul_weight_gradient,
)
from bmis.train.recipes import find_recipe
from bmis.train.trainer import Trainer
from helpers.maps import FIRST, LAST, maps, nodes


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


def test_a_relu_stays_torchs_where_it_is_not_faster():
    model = nn.Sequential(*(nn.ReLU(inplace=inplace) for inplace in (True, False)))
    prepare_for_cpu(model)
    relu, apart = model
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
    monkeypatch.setattr(cpu_gradients, "_DENSE", 1)


def by_products(model):
    return [
        type(m).__name__ == "MatmulGradientConv2d"
        for m in model.modules()
        if not list(m.children())
    ]


@pytest.mark.parametrize("kernel", [(3, 1), (1, 3), (3, 3), (5, 3), (1, 7)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3), (9, 9)])
@pytest.mark.parametrize("layout", [LAST, FIRST])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_kernels_learn_by_products_as_by_torch(avx2, kernel, dilation, layout, bias):
    """Of 9 and more pixels the outer places of the kernel see nothing of a map of 7 x 6."""
    padding = tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
    conv = nn.Conv2d(4, 5, kernel, padding=padding, dilation=dilation, bias=bias)
    theirs = nn.Sequential(conv).double()
    ours = copy.deepcopy(theirs)
    use_matmul_weight_gradient(ours)
    assert by_products(ours) == [True]
    results = []
    for layer in (ours, theirs):
        x = maps(2, 4, 7, 6, layout=layout)
        y = layer(x)
        assert (type(y.grad_fn).__name__ == "_MatmulGradientBackward") is (layer is ours)
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


def matmul_layer() -> nn.Module:
    """A small convolution that learns by products."""
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1))
    use_matmul_weight_gradient(model)
    return model[0]


def test_what_is_frozen_stays_so_by_products(avx2):
    layer = matmul_layer()
    layer.weight.requires_grad_(False)
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(layer.bias.grad, torch.full((4,), 25.0))


def test_only_dense_kernels_learn_by_products(avx2, monkeypatch):
    monkeypatch.setattr(cpu_gradients, "_DENSE", 48)
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
    layer = matmul_layer()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(torch.randn(1, 4, 8, 8, requires_grad=True))
    assert "_MatmulGradientBackward" not in {type(node).__name__ for node in nodes(y.grad_fn)}


def test_products_can_be_compiled(avx2):
    layer = matmul_layer().double()
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


class Twice(nn.Module):
    """One convolution under two names, one of them inside a part that itself has two names."""

    def __init__(self):
        super().__init__()
        self.part = nn.ModuleDict({"conv": nn.Conv2d(8, 8, 3, padding=1)})
        self.again, self.conv = self.part, self.part["conv"]

    def forward(self, x):
        return self.conv(self.again["conv"](x))


def test_a_layer_that_stands_in_several_places_stays_one(avx2):
    model = Twice()
    before = model.state_dict()
    use_matmul_weight_gradient(model)
    assert by_products(model) == [True]
    assert model.conv is model.part["conv"] is model.again["conv"]
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(after[name].data_ptr() == before[name].data_ptr() for name in before)


def test_a_replaced_layer_keeps_parameters_hooks_mode_and_place(avx2):
    model = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True)).eval()
    old, seen = model[0], []
    old.weight.requires_grad_(False)
    handle = old.register_forward_hook(lambda layer, _, __: seen.append(layer))
    parameters = list(model.parameters())
    use_matmul_weight_gradient(model)
    prepare_for_cpu(model)
    assert [type(layer).__name__ for layer in model] == ["MatmulGradientConv2d", "FastReLU"]
    assert type(old) is nn.Conv2d  # what others hold is left as it was
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert not model[0].training
    model(torch.zeros(1, 8, 4, 4))
    handle.remove()
    model(torch.zeros(1, 8, 4, 4))
    assert seen == [model[0]]


def test_a_replaced_layer_can_be_copied(avx2):
    layer = matmul_layer()
    again = copy.deepcopy(layer)
    assert type(again) is type(layer)
    assert torch.equal(again.weight, layer.weight)
    assert again.weight is not layer.weight
