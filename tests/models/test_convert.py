"""The authors' checkpoints in, our files out; nothing in a pickle is run."""

import os
import pickle
import runpy
import tarfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bmis.errors import BundleError, ConfigError, DataError, NoMemoryError
from bmis.models import load_published
from bmis.models.checkpoint import read_checkpoint
from bmis.models.convert import convert_checkpoint

GOLDEN = Path(__file__).parents[1] / "golden"
PLAIN = runpy.run_path(str(GOLDEN / "make_bmis_taps.py"))
DSU_NET = runpy.run_path(str(GOLDEN / "dsu_net_weights.py"))


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (os.system, (f"touch {self.mark}",))


def bare(path, weights):
    torch.save(weights, path)


def wrapped(path, weights):
    state = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"epoch": 250, "best": 0.83, "state_dict": state, "optimizer": {"a": [1]}}, path)


def before_zip(path, weights):
    torch.save({"state_dict": weights}, path, _use_new_zipfile_serialization=False)


def safetensors(path, weights):
    save_file({f"state_dict.{name}": value for name, value in weights.items()}, path)


@pytest.mark.parametrize("write", [bare, wrapped, before_zip, safetensors])
def test_a_checkpoint_becomes_the_same_network(tmp_path, write):
    weights = PLAIN["weights"]()
    source = tmp_path / ("a.safetensors" if write is safetensors else "BMIS.pth.tar")
    write(source, weights)
    out = convert_checkpoint(source, model="bmis", out=tmp_path / "new" / "model.safetensors")
    assert out == tmp_path / "new" / "model.safetensors"
    model, info = read_checkpoint(out)
    expected = load_published("bmis", weights).state_dict()
    assert all(torch.equal(expected[name], v) for name, v in model.state_dict().items())
    assert (info.model.name, info.classes) == ("bmis", ("background", "foreground"))
    assert info.provenance["converted_from"] == source.name


@pytest.mark.slow
def test_dsu_net_is_converted_with_its_one_class(tmp_path):
    weights = DSU_NET["weights"]()
    wrapped(tmp_path / "DSU_Net.pth.tar", weights)
    out = tmp_path / "model.safetensors"
    convert_checkpoint(tmp_path / "DSU_Net.pth.tar", model="dsu_net", out=out)
    model, info = read_checkpoint(out)
    assert torch.equal(model.fine_decoder.head[-1].bias, weights["final_conv4.bias"])
    assert torch.equal(model.coarse_decoder.head[-1].bias, weights["sfinal_conv4.bias"])
    assert (info.model.name, info.classes) == ("dsu_net", ("foreground",))


def test_the_file_says_how_the_authors_made_their_input(tmp_path):
    bare(tmp_path / "a.pth", PLAIN["weights"](1, 3))
    _, info = read_checkpoint(
        convert_checkpoint(tmp_path / "a.pth", out=tmp_path / "b.safetensors")
    )
    assert (info.input.size, info.input.resize) == ((224, 224), "squash")
    assert (info.input.channels, info.input.mean, info.input.std) == (1, (0.5,), (0.5,))
    assert info.classes == ("background", "class 1", "class 2")


def test_another_size_is_written_down(tmp_path):
    bare(tmp_path / "a.pth", PLAIN["weights"]())
    out = convert_checkpoint(tmp_path / "a.pth", out=tmp_path / "b.safetensors", size=(96, 128))
    assert read_checkpoint(out)[1].input.size == (96, 128)


@pytest.mark.parametrize("place", ["alone", "beside the weights", "old format", "plain pickle"])
def test_a_hostile_pickle_runs_nothing(tmp_path, place):
    source, mark = tmp_path / "a.pth.tar", tmp_path / "was_run"
    hostile = Hostile(mark)
    if place == "plain pickle":
        source.write_bytes(pickle.dumps(hostile, protocol=2))
    else:
        content = hostile if place == "alone" else {"state_dict": PLAIN["weights"](), "x": hostile}
        torch.save(content, source, _use_new_zipfile_serialization=place != "old format")
    with pytest.raises(BundleError, match=r"a\.pth\.tar: would run \w+\.system") as caught:
        convert_checkpoint(source, out=tmp_path / "b.safetensors")
    assert "\n" not in str(caught.value)
    assert not mark.exists()
    assert not (tmp_path / "b.safetensors").exists()
    pickle.loads(pickle.dumps(hostile))  # it runs where nothing stops it
    assert mark.exists()


@pytest.mark.parametrize(
    ("extra", "name"), [(np.float64(0.8), "scalar"), (Namespace(lr=0.1), r"argparse\.Namespace")]
)
def test_harmless_extras_are_named_with_the_fix(tmp_path, extra, name):
    torch.save({"state_dict": PLAIN["weights"](), "best": extra}, tmp_path / "a.pth")
    fix = r"save them so: torch\.save\(torch\.load\(FILE, weights_only=False\)\['state_dict'\], NEW"
    with pytest.raises(BundleError, match=rf"holds a Python object .*{name}.*{fix}") as caught:
        convert_checkpoint(tmp_path / "a.pth", out=tmp_path / "b.safetensors")
    assert "\n" not in str(caught.value)


def truncated(path: Path) -> None:
    bare(path, PLAIN["weights"]())
    path.write_bytes(path.read_bytes()[:100_000])


def truncated_old(path: Path) -> None:
    before_zip(path, PLAIN["weights"]())
    path.write_bytes(path.read_bytes()[:100_000])


def tar(path: Path) -> None:
    path.with_name("storages").write_text("x")
    with tarfile.open(path, "w") as archive:
        archive.add(path.with_name("storages"), "storages")


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda p: p.write_bytes(b""), "not a whole checkpoint of torch"),
        (lambda p: p.write_text("this is a text file"), "not a "),
        (lambda p: p.write_bytes(bytes(range(256)) * 9), "not a "),
        (truncated, "not a whole checkpoint of torch"),
        (truncated_old, "not a whole checkpoint of torch"),
        (tar, "not a whole checkpoint of torch"),
        (lambda p: torch.save([1, 2], p), "holds a list, not named tensors"),
        (lambda p: torch.save({}, p), "holds a dict, not named tensors"),
        (lambda p: torch.save({"epoch": 3}, p), r"'epoch' is not a named tensor \(int\)"),
        (lambda p: torch.save({0: torch.zeros(1)}, p), r"0 is not a named tensor \(Tensor\)"),
        (lambda p: torch.save({"a": torch.zeros(1)}, p), r"'initial_block\.conv\.weight' is miss"),
        (lambda p: bare(p, PLAIN["weights"](40)), "numbers that grow from in_channels=40"),
        (lambda p: None, "no such file"),
    ],
)
def test_what_is_not_the_authors_checkpoint_is_refused(tmp_path, write, problem):
    source = tmp_path / "a.pth"
    write(source)
    with pytest.raises((BundleError, ConfigError), match=problem) as caught:
        convert_checkpoint(source, out=tmp_path / "b.safetensors")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b.safetensors").exists()
    if isinstance(caught.value, BundleError):
        assert str(caught.value).startswith(f"{source}: ")
        assert str(caught.value).count(str(source)) == 1


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x10" * 40)
    with pytest.raises(BundleError, match=r"a\.safetensors: not a whole safetensors file"):
        convert_checkpoint(tmp_path / "a.safetensors", out=tmp_path / "b.safetensors")


def test_names_are_checked(tmp_path):
    bare(tmp_path / "a.pth", PLAIN["weights"]())
    with pytest.raises(ConfigError, match=r"must end in \.safetensors"):
        convert_checkpoint(tmp_path / "a.pth", out=tmp_path / "b.pth")
    with pytest.raises(ConfigError, match="no published weights of 'bmsi'"):
        convert_checkpoint(tmp_path / "a.pth", model="bmsi", out=tmp_path / "b.safetensors")
    with pytest.raises(DataError, match="cannot write here"):
        convert_checkpoint(tmp_path / "a.pth", out=tmp_path / "a.pth" / "b.safetensors")


@pytest.mark.parametrize(("name", "reader"), [("a.pth", "torch.load"), ("a.safetensors", None)])
def test_memory_that_runs_out_is_no_damaged_file(tmp_path, monkeypatch, name, reader):
    def fail(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    (tmp_path / name).write_bytes(b"PK")
    monkeypatch.setattr(reader or "bmis.models.convert.load_file", fail)
    with pytest.raises(NoMemoryError, match=rf"{name}: not enough memory to read it"):
        convert_checkpoint(tmp_path / name, out=tmp_path / "model.safetensors")
