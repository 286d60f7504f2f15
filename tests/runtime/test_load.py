"""A path is enough: a bundle goes to the engines, what a training left behind to torch."""

import sys

import numpy as np
import pytest
import torch

from bmis.config import RuntimeOptions
from bmis.errors import BundleError, ConfigError, MissingExtraError
from bmis.models import build_model
from bmis.models.checkpoint import save_model
from bmis.runtime.bundle import BundleRuntime
from bmis.runtime.engines import installed_engines
from bmis.runtime.load import load_packages, load_runtime
from bmis.runtime.torch_network import TorchRuntime
from helpers.bundles import manifest, write_tiny
from helpers.fakes import info


def test_a_bundle_is_run_by_an_engine(tmp_path):
    runtime, found = load_runtime(write_tiny(tmp_path / "a.bmis", classes=3))
    assert isinstance(runtime, BundleRuntime)
    assert found == manifest(classes=3).info
    assert runtime(np.zeros((1, 3, 8, 16), np.float32)).shape == (1, 3, 8, 16)


@pytest.fixture
def run(tmp_path):
    save_model(tmp_path / "model.safetensors", build_model("bmis"), info())
    return tmp_path


def test_a_run_folder_is_run_by_torch(run):
    before = torch.get_num_threads()
    try:
        runtime, _ = load_runtime(str(run), RuntimeOptions("cpu", threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert isinstance(runtime, TorchRuntime)


@pytest.mark.parametrize("options", [{"engine": "openvino"}, {"precision": "int8"}])
def test_what_only_bundles_have_is_refused_for_a_run(run, options):
    with pytest.raises(ConfigError, match="torch runs this one in fp32; leave them out, or make"):
        load_runtime(run, RuntimeOptions(**options))


def test_a_missing_file_is_answered_without_torch(tmp_path):
    with pytest.raises(BundleError, match=r"runs: no such file or folder; name a bundle \(.bmis\)"):
        load_runtime(tmp_path / "runs")


def test_without_torch_the_install_line_is_given(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[train\]"'):
        load_runtime(tmp_path)


def test_packages_that_will_be_needed_can_be_loaded_first(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("bmis.runtime.load.require_engine", asked.append)
    load_packages("a.bmis", RuntimeOptions(engine="openvino"))
    assert asked == ["openvino"]
    load_packages("a.bmis", RuntimeOptions())
    assert asked == ["openvino", *installed_engines()]
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[train\]"'):
        load_packages(tmp_path, RuntimeOptions())
