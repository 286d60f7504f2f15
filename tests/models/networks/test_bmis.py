"""What is particular to BMIS; what all models share is in test_contract.py."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import peak_bytes
from bmis.models.layers.blocks import _softmax, attend, channel_affinity

LARGE = 4160  # positions: one map of all pairs has 17 million entries, too many to be held


def count(**options) -> int:
    return sum(p.numel() for p in build_model("bmis", **options).parameters())


def awake(**options) -> torch.nn.Module:
    """A seeded BMIS whose attention takes part: gamma is 0 before training."""
    torch.manual_seed(0)
    model = build_model("bmis", **options).eval()
    if model.attention is not None:
        torch.nn.init.ones_(model.attention.spatial.gamma)
        torch.nn.init.ones_(model.attention.channel.gamma)
    return model


class Largest(TorchDispatchMode):
    """Remembers the most entries that any one tensor had."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        self.entries = max(self.entries, *sizes, 0)
        return out


def plain_attention(query, key, value):
    """The formula in float64, a few queries at a time so that the test stays small."""
    query, key, value = query.double(), key.double(), value.double()
    parts = [(q.transpose(1, 2) @ key).softmax(-1) for q in query.split(512, dim=2)]
    return torch.cat([value @ p.transpose(1, 2) for p in parts], dim=2)


def test_parameters_are_as_published():
    assert count() == 874_951


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"in_channels": 1}, 9 * (1 * 15 - 3 * 13) + 2),
        ({"num_classes": 5}, 3 * (16 * 4 + 1)),
        ({"eca": False}, -11 * 5),
        ({"attention": False}, -(2 * (96 * 48 * 3 + 48 + 96) + 96 * 96 + 96 + 2)),
        ({"depths": (6, 4)}, 4 * (64 * 64 * 3 + 64) + 4 * 64 + 5),
        ({"depths": (5, 3)}, -(4 * (96 * 96 * 3 + 96) + 4 * 96 + 5)),
        ({"decoder_depth": 2}, 4 * (80**2 - 2 * 64 * 16) * 3 + 8 * 80 + 10),
        ({"decoder_depth": 0}, -(4 * (80**2 - 2 * 64 * 16) * 3 + 8 * 80 + 10)),
        ({"deep_supervision": True}, 2 * (96 + 64) + 2 * 2),
        # 2 convolutions of 3x3 in place of 4 of length 3: 18 CC + 2 C against 12 CC + 4 C
        ({"asymmetric": False}, sum(6 * c * c - 2 * c for c in [64] * 6 + [96] * 4 + [16])),
    ],
)
def test_options_add_what_the_sum_by_hand_says(options, difference):
    assert count(**options) - count() == difference


def test_widths_reach_every_scale():
    model = build_model("bmis", widths=(8, 12, 20))
    shapes = {name: p.shape for name, p in model.named_parameters()}
    assert shapes["stage_1.0.norm_1.weight"] == (12,)
    assert shapes["stage_2.0.norm_1.weight"] == (20,)
    assert shapes["decoder_2.0.norm_1.weight"] == (8,)


def test_named_sizes_grow():
    sizes = [count_of(name) for name in ("bmis_tiny", "bmis_small", "bmis", "bmis_large")]
    assert sizes == sorted(set(sizes))


def count_of(name: str) -> int:
    return sum(p.numel() for p in build_model(name).parameters())


@pytest.mark.parametrize(
    "options",
    [{"dilations": (1, 1, 1, 1)}, {"dilations": (2, 3, 4, 6)}, {"skip_connections": True}],
)
def test_options_without_weights_of_their_own_change_the_answer(options):
    model, other = awake(), awake(**options)
    other.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert (model(x) - other(x)).abs().max() > 1e-3


def test_dilations_begin_again_when_there_are_more_blocks():
    given = build_model("bmis", depths=(0, 5), dilations=(1, 2))
    convolutions = [block.conv_2[0].dilation for block in given.stage_2]
    assert convolutions == [(1, 1), (2, 1), (1, 1), (2, 1), (1, 1)]


@pytest.mark.parametrize(
    ("options", "of_stages"), [({}, (0.03, 0.3)), ({"dropout": (0, 0.5)}, (0, 0.5))]
)
def test_dropout_is_as_published_or_as_told(options, of_stages):
    model = build_model("bmis", **options)
    for stage, share in zip((model.stage_1, model.stage_2), of_stages, strict=True):
        assert {block.dropout.p for block in stage} == {share}
    assert {block.dropout.p for block in (*model.decoder_1, *model.decoder_2)} == {0}


@pytest.mark.parametrize("scale", [1, 2])
def test_a_skip_connection_carries_detail_past_a_silenced_step(scale):
    """With the upsampling before a decoder silenced, only the skip can tell two images apart."""
    x = torch.randn(2, 3, 32, 32)
    for skips in (False, True):
        model = awake(skip_connections=skips)
        for parameter in getattr(model, f"up_{scale}").parameters():
            torch.nn.init.zeros_(parameter)
        seen = []
        getattr(model, f"decoder_{scale}").register_forward_hook(
            lambda _, __, out, seen=seen: seen.append(out)
        )
        model(x)
        assert torch.equal(seen[0][0], seen[0][1]) is not skips


def test_inner_guesses_are_corrected_where_they_are_made():
    """The guess at 1/8 is none of the decoder's business, that at 1/4 none of the last step's."""
    model = awake(deep_supervision=True)
    x = torch.randn(2, 3, 32, 64)
    answer, *guesses = model.training_logits(x)
    assert [guess.shape for guess in guesses] == [answer.shape] * 2
    assert len(model.auxiliary_weights) == 2
    torch.testing.assert_close(answer, model(x))
    for guess, reached in zip(guesses, ((False, False), (True, False)), strict=True):
        model.zero_grad()
        guess.square().sum().backward(retain_graph=True)
        steps = (model.stage_2[0].conv_1[0], model.up_1[0], model.up_2[0])
        found = [step.weight.grad is not None for step in steps]
        assert found == [True, *reached]


def test_without_inner_supervision_the_answer_alone_is_trained():
    model = awake()
    assert model.auxiliary_weights == ()
    assert len(model.training_logits(torch.randn(1, 3, 32, 32))) == 1


def live_bytes(**options):
    """Of one image of 256 x 256 at inference, weights apart."""

    def forward(model):
        model.eval()
        x = torch.empty(1, 3, 256, 256)

        def step():
            with torch.no_grad():
                model(x)

        return step

    model = build_model("bmis", **options)
    return peak_bytes(model, forward) - sum(4 * p.numel() for p in model.parameters())


def test_features_are_held_only_where_they_are_used():
    """1/2: 16 channels, 1/4: 64; a step that outlives its use would show as much."""
    half, quarter = 4 * 16 * 128**2, 4 * 64 * 64**2
    assert live_bytes() == live_bytes(deep_supervision=True)
    assert live_bytes(skip_connections=True) - live_bytes() >= min(half, quarter)


def test_attention_starts_as_three_times_its_input():
    model = build_model("bmis").eval()
    x = torch.randn(1, 96, 3, 4)
    torch.testing.assert_close(x + model.attention(x), 3 * x)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"widths": (16, 64)}, "widths must be 3 numbers that grow"),
        ({"widths": (16, 64, 64)}, "widths must be 3 numbers that grow"),
        ({"in_channels": 16}, "grow from in_channels=16"),
        ({"depths": (5,)}, "depths must be 2 numbers of blocks"),
        ({"depths": (5, -1)}, "depths must be 2 numbers of blocks"),
        ({"dilations": ()}, "dilations must be 1 or more"),
        ({"dilations": (0,)}, "dilations must be 1 or more"),
        ({"dropout": (0.1,)}, "dropout must be 2 numbers"),
        ({"dropout": (0.1, 1)}, "from 0 to below 1"),
        ({"dropout": (-0.1, 0)}, "from 0 to below 1"),
        ({"num_classes": 0}, "must be at least 1"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(options, problem):
    with pytest.raises(ConfigError, match=problem):
        build_model("bmis", **options)


@pytest.mark.parametrize(("batch", "positions"), [(2, 35), (1, LARGE)])
def test_attention_is_the_published_formula(batch, positions):
    torch.manual_seed(0)
    query, key = torch.randn(2, batch, 6, positions).unbind()
    value = torch.randn(batch, 10, positions)
    expected = plain_attention(query, key, value)
    got = attend(query, key, value)
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("positions", [35, LARGE])
def test_attention_learns_by_the_published_formula(positions):
    torch.manual_seed(0)
    inputs = [torch.randn(1, d, positions, requires_grad=True) for d in (4, 4, 8)]
    weights = torch.randn(1, 8, positions)
    gradients = [
        torch.autograd.grad((f(*inputs) * weights).sum(), inputs) for f in (attend, plain_attention)
    ]
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [(528, 512), (512, 528)])
def test_memory_grows_with_the_pixels_not_with_their_square(size):
    positions = size[0] * size[1] // 64
    assert positions > LARGE
    model = awake()
    with Largest() as largest, torch.inference_mode():
        model(torch.randn(1, 3, *size))
    finest_features = 64 * size[0] * size[1] // 16
    assert largest.entries <= finest_features < positions**2 // 10


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
    """Runtimes fuse and quantise that one; the bundles that ship were proved with it."""

    class Mixing(torch.nn.Module):
        def forward(self, x):
            return mixing(x)

    module = torch.export.export(Mixing(), (torch.randn(1, 6, 16),)).graph_module
    graphs = [part.graph for part in module.modules() if isinstance(part, torch.fx.GraphModule)]
    called = [str(node.target) for graph in graphs for node in graph.nodes]
    assert "aten.softmax.int" in called
    assert not any("clamp" in name for name in called)


def test_answers_stay_finite_in_half_precision():
    model = awake().half()
    x = torch.randn(1, 3, 64, 64).half() * 100
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.float16):
        assert model(x).isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_factors_and_sum_at_the_end_of_a_block_are_one_operation(training):
    block = build_model("bmis").stage_1[0].train(training)
    y = block(torch.randn(2, 64, 8, 8, requires_grad=True))
    (before, _), *_ = y.grad_fn.next_functions
    assert type(y.grad_fn).__name__ == "ReluBackward0"
    assert type(before).__name__ == "AddcmulBackward0"
