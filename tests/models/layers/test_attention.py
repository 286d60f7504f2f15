"""Attention against the formulas of its papers, and what it keeps out of products and memory."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bmis.models.layers.attention import _softmax, attend, channel_affinity, plain_attention

LARGE = 4160  # positions: one map of all pairs has 17 million entries, too many to be held


def formula(query, key, value):
    """The formula in float64, a few queries at a time so that the test stays small."""
    query, key, value = query.double(), key.double(), value.double()
    parts = [(q.transpose(1, 2) @ key).softmax(-1) for q in query.split(512, dim=2)]
    return torch.cat([value @ p.transpose(1, 2) for p in parts], dim=2)


@pytest.mark.parametrize(("batch", "positions"), [(2, 35), (1, LARGE)])
def test_attention_is_the_published_formula(batch, positions):
    torch.manual_seed(0)
    query, key = torch.randn(2, batch, 6, positions).unbind()
    value = torch.randn(batch, 10, positions)
    expected = formula(query, key, value)
    got = attend(query, key, value)
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("positions", [35, LARGE])
def test_attention_learns_by_the_published_formula(positions):
    torch.manual_seed(0)
    inputs = [torch.randn(1, d, positions, requires_grad=True) for d in (4, 4, 8)]
    weights = torch.randn(1, 8, positions)
    gradients = [
        torch.autograd.grad((f(*inputs) * weights).sum(), inputs) for f in (attend, formula)
    ]
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


def channel_formula(x):
    x = x.double()
    affinity = torch.einsum("ncp,ndp->ncd", x, x)
    return ((affinity.amax(-1, keepdim=True) - affinity).softmax(-1)) @ x


def test_channel_affinity_is_the_published_formula():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 12) / 4
    torch.testing.assert_close(channel_affinity(x).double(), channel_formula(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_channel_affinity_stays_in_float32_under_autocast(dtype):
    torch.manual_seed(0)
    x = torch.randn(1, 6, 900).to(dtype) * 20  # the sums reach 360,000: half ends at 65,504
    with torch.autocast("cpu", dtype=dtype):
        got = channel_affinity(x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), channel_formula(x), rtol=1e-4, atol=1e-4)


class Products(TorchDispatchMode):
    """Sees every matrix product of a thread, and counts the denormal numbers that go in."""

    seen, denormal = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.name in ("aten::bmm", "aten::mm"):
            self.seen += 1
            self.denormal += sum(
                int(((t != 0) & (t.abs() < torch.finfo(t.dtype).tiny)).sum()) for t in args
            )
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("mixing", [channel_affinity, lambda x: attend(x, x, x)])
def test_no_product_sees_a_denormal_number(mixing):
    torch.manual_seed(0)
    x = (3 * torch.randn(2, 32, 64)).requires_grad_()  # scores hundreds apart
    with Products() as products:
        mixing(x).square().mean().backward()
    assert products.seen >= 4
    assert products.denormal == 0


def test_faint_weights_change_nothing_but_themselves():
    scores = torch.tensor([[0.0, -1.0, -39.0, -41.0, -95.0]], requires_grad=True)
    weights = _softmax(scores.clone())
    torch.testing.assert_close(weights, scores.softmax(-1), rtol=0, atol=1e-7)
    (gradient,) = torch.autograd.grad(weights[0, 0], scores)
    torch.testing.assert_close(gradient[0, :2], torch.tensor([0.1966, -0.1966]), atol=1e-4, rtol=0)
    assert (gradient[0] != 0).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("mixing", [channel_affinity, lambda x: attend(x, x, x)])
def test_exported_graphs_have_the_plain_softmax(mixing):
    """Runtimes fuse and quantise that one; the shipped bundles were validated with it."""

    class Mixing(torch.nn.Module):
        def forward(self, x):
            return mixing(x)

    module = torch.export.export(Mixing(), (torch.randn(1, 6, 16),)).graph_module
    graphs = [part.graph for part in module.modules() if isinstance(part, torch.fx.GraphModule)]
    called = [str(node.target) for graph in graphs for node in graph.nodes]
    assert "aten.softmax.int" in called
    assert not any("clamp" in name for name in called)


def test_plain_attention_holds_the_map_and_takes_torchs_softmax():
    torch.manual_seed(0)
    x = torch.randn(1, 4, LARGE)
    with torch.no_grad():
        usual = attend(x, x, x)
        with plain_attention(), Called() as called:
            plain = attend(x, x, x)
        with Called() as called_again:
            attend(x, x, x)
    torch.testing.assert_close(plain, usual, rtol=1e-4, atol=1e-4)
    assert "aten::bmm" in called.names
    assert "aten::clamp_" not in called.names
    assert "aten::bmm" not in called_again.names  # outside the fused kernel streams again


def test_plain_attention_ends_with_an_error_too():
    with pytest.raises(ValueError, match="stop"), plain_attention():
        raise ValueError("stop")
    with Called() as called:
        attend(*torch.randn(3, 1, 4, 6))
    assert "aten::clamp_" in called.names


class Called(TorchDispatchMode):
    """Remembers the operations of a thread."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func._schema.name)
        return func(*args, **(kwargs or {}))
