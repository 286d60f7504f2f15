"""ImageNet weights: the file in the package, kernels for other channels, wrong files."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.errors import BundleError, ConfigError
from bmis.models import build_model, imagenet
from bmis.models.checkpoint import read_checkpoint, save_model
from bmis.models.layers.efficientnet_lite import EfficientNetLite

FILE = Path(imagenet.__file__).parent / "weights" / "efficientnet_lite0.safetensors"


def trunk(channels: int = 3, stages: int = 5, weights: str = "imagenet") -> EfficientNetLite:
    network = EfficientNetLite(channels, "lite0", stages).eval()
    imagenet.load_trunk(network, "lite0", weights)
    return network


def test_the_file_is_small_and_holds_what_the_trunk_needs():
    assert FILE.stat().st_size < 2 * 10**6
    assert FILE.with_name("NOTICE").is_file()
    state = trunk().state_dict()
    stored = load_file(FILE)
    assert set(stored) == {name for name in state if not name.endswith("num_batches_tracked")}
    assert all(torch.equal(state[name], tensor.float()) for name, tensor in stored.items())


def test_fewer_stages_are_the_first_ones():
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        for few, many in zip(trunk(stages=3)(x), trunk()(x), strict=False):
            assert torch.equal(few, many)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_a_grey_image_gives_the_same_maps_whatever_the_channels(channels):
    grey = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        maps = trunk(channels)(grey.expand(-1, channels, -1, -1))
        for mine, other in zip(maps, trunk()(grey.expand(-1, 3, -1, -1)), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-3)


def test_none_leaves_the_weights_as_they_are():
    network = EfficientNetLite(3, "lite0", 4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    imagenet.load_trunk(network, "lite0", "none")
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def test_a_file_of_ones_own_is_read(tmp_path):
    state = load_file(FILE)
    state["stem.1.bias"] *= 2
    save_file(state, tmp_path / "mine.safetensors")
    mine = trunk(weights=str(tmp_path / "mine.safetensors"))
    assert torch.equal(mine.stem[1].bias, trunk().stem[1].bias * 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk": "lite2"}, "of the first 5 stages of lite0, not of 5 stages of lite2; use"),
        ({"stages": 6}, "not of 6 stages of lite0; use weights=none"),
        ({"weights": "imagnet"}, "weights must be imagenet, none or a .safetensors file, got"),
    ],
)
def test_weights_that_there_are_not_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build_model("bmis_edge", **options)


def test_a_damaged_file_and_one_of_another_trunk_are_refused(tmp_path):
    half = tmp_path / "half.safetensors"
    half.write_bytes(FILE.read_bytes()[:100_000])
    with pytest.raises(BundleError, match=r"half.safetensors: cannot be read \(.*copy it again"):
        build_model("bmis_edge", weights=str(half))
    state = load_file(FILE)
    del state["stages.4.2.body.0.0.weight"]
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(BundleError, match=r"has no tensor 'stages.4.2.body.0.0.weight' of shape"):
        build_model("bmis_edge", weights=str(tmp_path / "other.safetensors"))


def test_a_checkpoint_is_read_without_them(tmp_path, monkeypatch):
    model = build_model("bmis_edge", width=8)
    info = ModelInfo(ModelConfig("bmis_edge", 3, 2, {"width": 8}), InputSpec(), ("rest", "polyp"))
    save_model(tmp_path / "model.safetensors", model, info)
    monkeypatch.setattr(imagenet, "_FOLDER", tmp_path / "gone")
    found, _ = read_checkpoint(tmp_path)
    assert all(torch.equal(t, model.state_dict()[n]) for n, t in found.state_dict().items())
