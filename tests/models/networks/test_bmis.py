"""What is particular to BMIS; what all models share is in test_contract.py."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bmis.errors import ConfigError
from bmis.models import build_model
from bmis.models.complexity import peak_bytes

LARGE = 2048  # positions whose map of all pairs is still held


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
def test_dropout_is_as_published_or_as_given(options, of_stages):
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


def test_auxiliary_heads_train_what_comes_before_them():
    """The head at 1/8 does not reach the decoder, that at 1/4 not the last step."""
    model = awake(deep_supervision=True)
    x = torch.randn(2, 3, 32, 64)
    logits, *auxiliary = model.training_logits(x)
    assert [head.shape for head in auxiliary] == [logits.shape] * 2
    assert len(model.auxiliary_weights) == 2
    torch.testing.assert_close(logits, model(x))
    for head, reached in zip(auxiliary, ((False, False), (True, False)), strict=True):
        model.zero_grad()
        head.square().sum().backward(retain_graph=True)
        steps = (model.stage_2[0].conv_1[0], model.up_1[0], model.up_2[0])
        found = [step.weight.grad is not None for step in steps]
        assert found == [True, *reached]


def test_without_deep_supervision_only_the_logits_are_trained():
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


class Largest(TorchDispatchMode):
    """Remembers the most entries that any one tensor had."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        self.entries = max(self.entries, *sizes, 0)
        return out


@pytest.mark.parametrize("size", [(528, 512), (512, 528)])
def test_memory_grows_with_the_pixels_not_with_their_square(size):
    positions = size[0] * size[1] // 64
    assert positions > LARGE
    model = awake()
    with Largest() as largest, torch.inference_mode():
        model(torch.randn(1, 3, *size))
    finest_features = 64 * size[0] * size[1] // 16
    assert largest.entries <= finest_features < positions**2 // 10


def test_answers_stay_finite_in_half_precision():
    model = awake().half()
    x = torch.randn(1, 3, 64, 64).half() * 100
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.float16):
        assert model(x).isfinite().all()
