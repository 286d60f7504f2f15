"""What is saved comes back the same, and every damaged or other file is refused by one line."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.errors import BundleError, ConfigError, DataError, NoMemoryError
from bmis.models import SegmentationModel, build_model, checkpoint
from bmis.models.checkpoint import choose_device, read_checkpoint, save_model

OPTIONS = {"widths": (4, 6, 8), "depths": (1, 1), "attention": False}
INFO = ModelInfo(
    model=ModelConfig("bmis", 1, 3, OPTIONS),
    input=InputSpec(size=(32, 24), channels=1, resize="letterbox"),
    classes=("background", "disc", "cup"),
    provenance={"epochs": 3, "data": "phantoms"},
)


@pytest.fixture
def model() -> SegmentationModel:
    torch.manual_seed(0)
    network = build_model("bmis", in_channels=1, num_classes=3, **OPTIONS)
    network(torch.randn(2, 1, 32, 24))  # moves the running statistics off their start
    return network.eval()


@pytest.fixture
def saved(model, tmp_path):
    save_model(tmp_path / "model.safetensors", model, INFO)
    return tmp_path / "model.safetensors"


def meta(**changes):
    values = {"bmis_version": "1", "bmis_info": json.dumps(INFO.to_dict()), **changes}
    return {name: value for name, value in values.items() if value is not None}


def refused(path, match):
    with pytest.raises(BundleError, match=match) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("by_folder", [True, False])
def test_weights_and_info_come_back(model, saved, by_folder):
    again, info = read_checkpoint(saved.parent if by_folder else saved)
    x = torch.randn(1, 1, 32, 24)
    assert torch.equal(again(x), model(x))
    assert info.to_dict() == INFO.to_dict()
    assert not again.training


def test_the_same_content_is_the_same_bytes(model, saved):
    names = "\N{LATIN SMALL LETTER E WITH ACUTE}t\u00e9 \U0001f600", 'a "quoted" name'
    info = replace(INFO, provenance={"data": names[0], "licence": names[1]})
    for file in (files := [saved.with_name(str(number)) for number in range(8)]):
        save_model(file, model, info)  # of six orders of the metadata at least two come by chance
    assert len({file.read_bytes() for file in files}) == 1
    assert read_checkpoint(files[0])[1].to_dict() == info.to_dict()
    with safe_open(files[0], "pt") as opened:
        assert sorted(opened.keys()) == sorted(model.state_dict())


def test_weights_may_be_read_by_whoever_may_read_other_files(saved):
    other = saved.with_name("other")
    other.touch()
    assert saved.stat().st_mode == other.stat().st_mode


def test_channels_last_and_shared_tensors_are_saved_right(model, tmp_path):
    x = torch.randn(1, 1, 32, 24)
    other = build_model("bmis", in_channels=1, num_classes=3, **OPTIONS)
    other.load_state_dict(model.state_dict())
    other.stage_1[0].norm_1.weight = other.stage_1[0].norm_2.weight  # one tensor, two names
    expected = other.eval()(x)
    save_model(tmp_path / "m.safetensors", other.to(memory_format=torch.channels_last), INFO)
    torch.testing.assert_close(read_checkpoint(tmp_path / "m.safetensors")[0](x), expected)


def test_a_failed_save_leaves_the_old_file(model, saved):
    before = saved.read_bytes()
    model.head.bias.data[0] = float("nan")
    with pytest.raises(BundleError, match=r"head\.bias is not finite"):
        save_model(saved, model, INFO)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_an_unwritable_place_is_one_line(model, tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        save_model(tmp_path / "absent" / "m.safetensors", model, INFO)


def test_info_of_another_network_is_refused(model, tmp_path):
    info = ModelInfo(ModelConfig("bmis", 1, 2, OPTIONS), INFO.input, ("a", "b"))
    with pytest.raises(ConfigError, match="3 classes, its info declares 1 and 2"):
        save_model(tmp_path / "m.safetensors", model, info)


def test_provenance_that_json_cannot_hold_is_refused(model, tmp_path):
    info = ModelInfo(INFO.model, INFO.input, INFO.classes, {"loss": float("nan")})
    with pytest.raises(ConfigError, match="plain finite values"):
        save_model(tmp_path / "m.safetensors", model, info)


@pytest.mark.parametrize("cut", [0, 6, 300, -1])
def test_a_truncated_file_is_refused(saved, cut):
    saved.write_bytes(saved.read_bytes()[:cut])
    refused(saved, "not a whole safetensors file")


def test_a_text_file_and_no_file_are_refused(tmp_path):
    (tmp_path / "a.safetensors").write_text("hello, I am no checkpoint at all")
    refused(tmp_path / "a.safetensors", "not a whole safetensors file")
    refused(tmp_path / "b.safetensors", "no such file; name a run folder")
    refused(tmp_path, "no such file; name a run folder")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_unread(tmp_path, zipped):
    path = tmp_path / "best.pth.tar"
    if zipped:
        torch.save({"a": torch.ones(1)}, path)
    else:
        path.write_bytes(pickle.dumps({"a": 1}))
    refused(path, "a pickle.*bmis convert")


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ({"bmis_version": None}, "not of bmis.*bmis convert"),
        ({"bmis_version": "2"}, "format version 2, this bmis reads up to 1; update bmis"),
        ({"bmis_info": "{"}, "description cannot be read"),
        ({"bmis_info": "[1]"}, "description cannot be read"),
        ({"bmis_info": json.dumps({**INFO.to_dict(), "colour": 1})}, "unknown setting 'colour'"),
    ],
)
def test_other_newer_and_damaged_descriptions_are_refused(model, tmp_path, metadata, match):
    path = tmp_path / "m.safetensors"
    save_file({k: v.clone() for k, v in model.state_dict().items()}, path, meta(**metadata))
    refused(path, match)


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"name": "bmiss"}, "network 'bmiss' does not come with this bmis: give --plugin FILE"),
        ({"options": {"widths": [8, 4, 2]}}, "cannot be built.*widths"),
        ({"options": {"in_channels": 3, "depth": 1}}, "cannot be built"),
        ({"options": {"widths": ["a", "b", "c"]}}, "cannot be built"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(tmp_path, config, match):
    values = INFO.to_dict()
    values["model"].update(config)
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.ones(1)}, path, meta(bmis_info=json.dumps(values)))
    refused(path, match)


def test_weights_that_do_not_fit_are_named(model, tmp_path):
    path = tmp_path / "m.safetensors"
    state = {k: v.clone() for k, v in model.state_dict().items()}
    state["extra"] = state.pop("head.bias")
    state["head.weight"] = torch.ones(4, 2, 2, 2)
    save_file(state, path, meta())
    refused(path, r"head\.bias is missing; extra is unknown; head\.weight is 4x2x2x2, not 4x3x2x2")


def test_weights_that_are_not_finite_are_refused(model, tmp_path):
    path = tmp_path / "m.safetensors"
    state = {k: v.clone() for k, v in model.state_dict().items()}
    state["head.bias"][1] = float("inf")
    save_file(state, path, meta())
    refused(path, r"head\.bias is not finite")


def test_devices_by_name():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("tpux", "meta", "cuda:99"):
        with pytest.raises(ConfigError, match="use auto, cpu, cuda or mps"):
            choose_device(name)


NO_MEMORY = [
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    OSError(12, "Cannot allocate memory"),
]


@pytest.mark.parametrize("error", NO_MEMORY)
@pytest.mark.parametrize("place", ["safe_open", "build_untrained"])
def test_memory_that_runs_out_is_no_damaged_file(saved, monkeypatch, error, place):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(checkpoint, place, fail)
    with pytest.raises(NoMemoryError) as caught:
        read_checkpoint(saved)
    assert str(caught.value).startswith(f"{saved}: not enough memory to read it; close other")
