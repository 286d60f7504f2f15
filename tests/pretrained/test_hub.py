"""Networks on the Hub: what is asked of the library, and every way in which it fails."""

import huggingface_hub
import numpy as np
import pytest

import bmis
from bmis.cli.main import main
from bmis.data.images import write_image
from bmis.errors import BundleError, ConfigError, MissingExtraError
from bmis.evaluate.training_data import output_dir
from bmis.pretrained.hub import BUNDLE, fetch
from bmis.pretrained.lookup import find_model_file
from bmis.train.sources import canonical_source, find_source
from helpers.bundles import write_tiny
from helpers.fakes import hide

ADDRESS = "hf://clinic/polyps"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A cache of the Hub with one bundle; the questions that the library was asked."""
    folder = tmp_path / "hub" / "models--clinic--polyps" / "snapshots" / "0a1b"
    folder.mkdir(parents=True)
    write_tiny(folder / BUNDLE)
    questions = []

    def download(place, file, *, revision=None):
        questions.append((place, file, revision))
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    return questions


def test_a_network_of_the_hub_predicts(asked):
    pixels = np.zeros((20, 30, 3), np.uint8)
    assert bmis.load(ADDRESS)(pixels).labels.shape == (20, 30)
    assert asked == [("clinic/polyps", "model.bmis", None)]


def test_a_revision_is_passed_on(asked):
    find_model_file(f"{ADDRESS}@v1.2")
    assert asked == [("clinic/polyps", "model.bmis", "v1.2")]


def test_a_training_starts_from_the_weights(asked):
    assert find_source(ADDRESS).name == "model.safetensors"
    assert canonical_source(ADDRESS) == ADDRESS


def test_results_are_not_written_into_the_cache(asked):
    assert str(output_dir(find_model_file(ADDRESS))) == "polyps"


def test_a_bundle_from_there_is_untrusted(asked, tmp_path, capsys):
    write_image(tmp_path / "photo.png", np.zeros((20, 30, 3), np.uint8))
    find_model_file(ADDRESS).write_bytes(b"no bundle")
    assert main(["predict", ADDRESS, "photo.png", "--out", "masks"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "model.bmis" in line


@pytest.mark.parametrize(
    "address", ["hf://polyps", "hf://a/b/c", "hf://a/../b", "hf://", "hf://a/b c"]
)
def test_other_addresses_are_refused(asked, address):
    with pytest.raises(ConfigError, match="give hf://owner/name"):
        fetch(address, BUNDLE)
    assert not asked


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("GatedRepoError", "accept its terms"),
        ("RepositoryNotFoundError", "there is no such place"),
        ("RevisionNotFoundError", "no such revision"),
        ("EntryNotFoundError", "holds no model.bmis"),
        ("LocalEntryNotFoundError", r"cannot be fetched \(no network\)"),
    ],
)
def test_failures_are_one_line_with_advice(monkeypatch, name, advice):
    def fail(*_, **__):
        raise type(name, (Exception,), {})("no network\nmore lines")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(BundleError, match=advice) as error:
        fetch(ADDRESS, BUNDLE)
    assert "\n" not in str(error.value)


def test_without_the_library_there_is_an_install_line(monkeypatch):
    hide(monkeypatch, "huggingface_hub")
    with pytest.raises(MissingExtraError, match="hub"):
        fetch(ADDRESS, BUNDLE)
