"""The authors' weights in our networks: what the reference gives, to 1e-4 in float32."""

import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bmis.errors import BundleError, ConfigError
from bmis.models import load_published

GOLDEN = Path(__file__).parents[1] / "golden"
PLAIN = runpy.run_path(str(GOLDEN / "make_bmis_taps.py"))  # the second, plain implementation
DSU_NET = runpy.run_path(str(GOLDEN / "dsu_net_weights.py"))
DSU_NET_FIRST = ("stemk.conv.weight", "patch_embeds3.proj.weight")  # those that see the image
REAL = Path(__file__).parents[3] / "shared" / "golden" / "bmis_reference.safetensors"
STEPS = {
    "after_stem": "stem",
    "after_down_1": "down_1",
    "after_stage_1": "stage_1",
    "after_down_2": "down_2",
    "after_stage_2": "stage_2",
    "attention_output": "attention",
    "after_up_1": "up_1",
    "after_decoder_1": "decoder_1",
    "after_up_2": "up_2",
    "after_decoder_2": "decoder_2",
    "logits": "head",
}


def steps_of(model: torch.nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The output of every named step of ours, under the reference's names."""
    seen: dict[str, torch.Tensor] = {}
    for name, module in STEPS.items():
        model.get_submodule(module).register_forward_hook(
            lambda _, __, out, name=name: seen.__setitem__(name, out.clone())
        )
    with torch.inference_mode():
        model(x)
    return seen


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got.double(), expected.double(), rtol=0, atol=1e-4)


def stored_taps() -> tuple[dict, torch.Tensor, dict, int]:
    """Weights, image, taps and how many values lie from one kept one to the next."""
    with np.load(GOLDEN / "bmis_taps.npz") as stored:
        taps = {name: torch.from_numpy(value) for name, value in stored.items()}
    return PLAIN["weights"](), PLAIN["picture"](), taps, PLAIN["STEP"]


def authors_taps() -> tuple[dict, torch.Tensor, dict, int]:
    tensors = load_file(REAL)
    weights = {k: v for k, v in tensors.items() if k.startswith("state_dict.")}
    taps = {k[4:]: v.flatten() for k, v in tensors.items() if k.startswith("tap.")}
    return weights, tensors["input"], taps, 1


# The authors' own taps are not ours to ship: they are read where they lie beside the checkout.
@pytest.mark.parametrize("reference", [stored_taps, *([authors_taps] if REAL.exists() else [])])
def test_every_step_matches_the_reference(reference):
    weights, x, taps, step = reference()
    seen = steps_of(load_published("bmis", weights), x)
    assert set(taps) == set(seen) == set(STEPS)
    for name, value in taps.items():
        close(seen[name].flatten()[::step], value)


@pytest.mark.parametrize(("channels", "classes"), [(1, 4), (3, 1)])
def test_channels_and_classes_follow_the_tensors(channels, classes):
    weights, x = PLAIN["weights"](channels, classes), PLAIN["picture"](channels, (24, 56))
    model = load_published("bmis", weights)
    assert (model.in_channels, model.num_classes) == (channels, classes)
    expected = PLAIN["taps"](weights, x)
    for name, value in steps_of(model, x).items():
        close(value, expected[name])


@pytest.mark.parametrize("prefix", ["module.", "state_dict.", "state_dict.module."])
def test_wrapped_names_are_unwrapped(prefix):
    weights = PLAIN["weights"]()
    plain = load_published("bmis", weights).state_dict()
    wrapped = load_published("bmis", {prefix + k: v for k, v in weights.items()}).state_dict()
    assert all(torch.equal(plain[name], wrapped[name]) for name in plain)


def test_the_model_comes_ready_to_predict():
    assert not load_published("bmis", PLAIN["weights"]()).training


def test_counters_that_old_checkpoints_lack_may_be_missing():
    weights = {k: v for k, v in PLAIN["weights"]().items() if "num_batches" not in k}
    assert load_published("bmis", weights).num_classes == 2


def without(name):
    return lambda t: {k: v for k, v in t.items() if k != name}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without("encoder_2_4.eca.conv.weight"), r"'encoder_2_4\.eca\.conv\.weight' is missing"),
        (without("output_conv.weight"), r"'output_conv\.weight' is missing"),
        (lambda t: t | {"encoder_1_6.bn1.bias": torch.zeros(64)}, r"'encoder_1_6\.bn1\.bias' is n"),
        (lambda t: t | {"stem.conv.bias": torch.zeros(13)}, r"'stem\.conv\.bias' is not one of"),
        (lambda t: t | {"module.up_1.bn.bias": torch.zeros(64)}, r"'up_1\.bn\.bias' is there twi"),
        (
            lambda t: t | {"up_1.bn.bias": torch.zeros(63)},
            r"'up_1\.bn\.bias' has shape \(63,\), \(64,\) is wanted",
        ),
        (
            lambda t: t | {"encoder_1_1.eca.conv.weight": torch.zeros(1, 1, 3)},
            r"'encoder_1_1\.eca\.conv\.weight' has shape \(1, 1, 3\), \(1, 1, 5\) is wanted",
        ),
        (
            lambda t: t | {"initial_block.conv.weight": torch.zeros(1, 99, 3, 3)},
            r"'initial_block\.conv\.weight' has shape \(1, 99, 3, 3\)",
        ),
        (
            lambda t: t | {"output_conv.weight": torch.zeros(2)},
            r"'output_conv\.weight' has shape \(2,\)",
        ),
        (lambda t: {}, "is missing; use the checkpoint as"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(change, problem):
    with pytest.raises(BundleError, match=problem):
        load_published("bmis", change(PLAIN["weights"]()))


@cache
def dsu_net_weights() -> dict[str, torch.Tensor]:
    return DSU_NET["weights"]()


def test_dsu_net_gives_what_the_authors_network_gives():
    with np.load(GOLDEN / "dsu_net_reference.npz") as stored:
        reference = {name: torch.from_numpy(value).double() for name, value in stored.items()}
    model = load_published("dsu_net", dsu_net_weights())
    with torch.inference_mode():
        fine, coarse = model.training_logits(reference["x"].float())
    kept = reference["outs"] > 0.5
    assert 0.2 < kept.double().mean() < 0.8  # of a map that keeps all or nothing none would notice
    close(coarse.sigmoid(), reference["outs"])
    # A coarse value at 0.5 may fall to the other side elsewhere, and change its surroundings.
    off = (fine.sigmoid() - reference["out"]).abs() > 1e-4
    assert off.double().mean() <= 0.001


def test_dsu_net_follows_the_channels_and_classes_of_its_tensors():
    change = {name: dsu_net_weights()[name][:, :1] for name in DSU_NET_FIRST}
    for name in ("final_conv4", "sfinal_conv4"):
        change |= {f"{name}.weight": torch.randn(3, 32, 3, 3), f"{name}.bias": torch.randn(3)}
    model = load_published("dsu_net", dsu_net_weights() | change)
    assert (model.in_channels, model.num_classes) == (1, 3)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without("layer3.5.mlp.fc2.bias"), r"'layer3\.5\.mlp\.fc2\.bias' is missing"),
        (without("final_conv4.weight"), r"'final_conv4\.weight' is missing; use the"),
        (lambda t: t | {"layer3.6.norm1.bias": torch.zeros(384)}, r"'layer3\.6\.norm1\.bias' is n"),
        (
            lambda t: t | {"patch_embeds3.proj.weight": torch.zeros(96, 1, 4, 4)},
            r"'patch_embeds3\.proj\.weight' has shape .*, \(96, 3, 4, 4\) is wanted",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_dsu_net_is_named(change, problem):
    with pytest.raises(BundleError, match=problem):
        load_published("dsu_net", change(dsu_net_weights()))


def test_a_network_without_published_weights_is_refused():
    with pytest.raises(ConfigError, match=r"no published weights of 'bmsi' \(did you mean 'bmis'"):
        load_published("bmsi", {})
