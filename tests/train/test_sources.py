"""Trained weights by what users call them."""

import pytest
import torch

import bmis
from bmis.errors import BundleError, ConfigError
from bmis.models.checkpoint import read_checkpoint
from bmis.pretrained import lookup
from bmis.train.sources import canonical_source, find_source


@pytest.mark.parametrize("name", lookup.shipped_names())
def test_a_network_that_comes_with_the_package_is_loaded_by_its_name(name):
    model, info = bmis.load_model(name)
    expected, described = read_checkpoint(lookup.find_weights(name))
    assert info == described
    assert not model.training
    for key, tensor in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], tensor, rtol=0, atol=0)


def test_its_licence_is_said(monkeypatch):
    said = []
    monkeypatch.setattr("bmis.train.sources.log_licence", lambda *words: said.append(words))
    _, info = bmis.load_model("nuclei")
    assert said == [("nuclei", info.provenance["licence"])]


def test_a_run_folder_of_that_name_is_meant_first(tmp_path, monkeypatch):
    """As it is for ``bmis.load``."""
    model, info = bmis.load_model("nuclei")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dermoscopy").mkdir()
    bmis.save_model("dermoscopy/model.safetensors", model, info)
    for source in ("dermoscopy", tmp_path / "dermoscopy", "dermoscopy/model.safetensors"):
        assert bmis.load_model(source)[1] == info


def test_its_files_stand_for_it():
    """`bmis export dermoscopy` names the bundle's path, which may be pasted."""
    for path in map(str, (lookup.FOLDER / "nuclei.bmis", lookup.find_weights("nuclei"))):
        assert find_source(path).name == "nuclei.safetensors"
        assert canonical_source(path) == "nuclei"


def test_what_is_not_there_is_answered_with_the_names(tmp_path):
    with pytest.raises(BundleError, match=r"^dermoscop: no such file or .* \(did you mean 'dermos"):
        bmis.load_model("dermoscop")
    (tmp_path / "a.bmis").write_bytes(b"PK")
    with pytest.raises(ConfigError, match="a bundle holds no weights"):
        bmis.load_model(tmp_path / "a.bmis")
