"""Networks that come with the package are used by their names, wherever a path may stand."""

import json

import numpy as np
import pytest

import bmis.pretrained.lookup
from bmis.bundle import read_bundle
from bmis.cli.main import main
from bmis.data.images import read_mask, write_image
from bmis.errors import BundleError, MissingExtraError
from bmis.pretrained.lookup import find_model_file, find_weights, is_shipped, shipped_names
from bmis.runtime.load import load_runtime
from helpers.bundles import manifest, write_tiny
from helpers.folders import make_folder

LICENCE = "CC0 1.0 for tests"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """One shipped network, "spots"; the working directory is empty."""
    info = manifest().info.to_dict() | {"provenance": {"data": "d", "licence": LICENCE}}
    check = {"iou": 0.8, "dice": 0.9}
    graph = manifest().graphs[0].to_dict() | {"check": check}
    folder = tmp_path / "weights"
    folder.mkdir()
    write_tiny(
        folder / "spots.bmis",
        info=info,
        graphs=(graph,),
        quality={"data": "d", "images": 7, "worst_change": {"name": "grey", "change": -0.037}},
    )
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bmis.pretrained.lookup, "FOLDER", folder)
    monkeypatch.setattr("bmis.pretrained.listing.FOLDER", folder)
    return folder


def test_a_name_is_the_network_of_that_name(folder):
    assert shipped_names() == ("spots",)
    assert find_model_file("spots") == folder / "spots.bmis"
    assert is_shipped(find_model_file("spots"))
    for other in ("spot", "./sub/spots", "spots.bmis", folder.parent / "spots"):
        assert str(find_model_file(other)) == str(other).removeprefix("./")
        assert not is_shipped(find_model_file(other))


def test_a_run_of_that_name_comes_first_but_not_a_folder_of_results(tmp_path, folder):
    here = tmp_path / "work" / "spots"
    here.mkdir()
    assert is_shipped(find_model_file("spots"))
    (here / "model.safetensors").touch()
    assert str(find_model_file("spots")) == "spots"


def test_its_masks_are_predicted_and_the_licence_is_shown_once(tmp_path, capfd):
    write_image(tmp_path / "a.png", np.zeros((40, 30, 3), np.uint8))
    argv = ["predict", "spots", str(tmp_path / "a.png"), "--out", "masks"]
    assert main(argv) == 0
    first = capfd.readouterr().err
    assert first.count(LICENCE) == 1
    assert "not a medical device" in first
    assert main(argv) == 0
    assert LICENCE not in capfd.readouterr().err
    assert read_mask(tmp_path / "work" / "masks" / "a.png").shape == (40, 30)


def test_another_licence_is_shown_again(folder, tmp_path, caplog):
    load_runtime("spots")
    load_runtime("spots")
    assert len(caplog.records) == 1
    shown = tmp_path / "cache" / "bmis" / "licences.json"
    shown.write_text(json.dumps({"spots": "another"}))
    load_runtime("spots")
    assert len(caplog.records) == 2


def test_a_bundle_of_the_user_shows_no_licence(tmp_path, folder, caplog):
    load_runtime(write_tiny(tmp_path / "own.bmis"))
    assert caplog.records == []


def test_its_scores_on_own_images_go_to_a_folder_of_its_name(tmp_path):
    data = make_folder(tmp_path / "data")
    assert main(["evaluate", "spots", str(data), "--split", "all"]) == 0
    assert (tmp_path / "work" / "spots" / "metrics.json").is_file()
    assert main(["evaluate", "spots", str(data), "--split", "all"]) == 0  # the folder is no run


@pytest.mark.slow
def test_it_is_profiled_by_its_name(capsys):
    assert main(["profile", "spots", "--batch", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == manifest().parameters


def test_the_list_shows_scores_size_and_licence(folder, capsys):
    assert main(["models", "--pretrained"]) == 0
    out = capsys.readouterr().out
    for words in ("spots", "class 1", "0.800", "0.900", "-0.037", LICENCE, "float32"):
        assert words in out
    assert main(["models", "--pretrained", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["bytes"] == (folder / "spots.bmis").stat().st_size
    assert found["dice"] == 0.9
    assert 0 < found["milliseconds"] < 1000
    assert found["images"] == 7


def test_weights_to_start_from_are_found_by_name_in_their_own_package(tmp_path, monkeypatch):
    package = tmp_path / "elsewhere" / "some_weights"
    monkeypatch.setattr("bmis.pretrained.lookup._WEIGHTS", "some_weights")
    with pytest.raises(MissingExtraError, match=r"^spots: .* pip install \./weights$"):
        find_weights("spots")
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(package.parent)
    assert find_weights("spots") == package / "spots.safetensors"
    assert is_shipped(find_weights("spots"))
    with pytest.raises(BundleError, match=r"spot: no network of that name.*spots"):
        find_weights("spot")


def test_an_unknown_name_is_answered_with_those_that_there_are():
    answer = r"spott: no such file or folder;.* \(did you mean 'spots'\?\); available: spots"
    with pytest.raises(BundleError, match=answer):
        load_runtime("spott")


def test_what_really_comes_with_the_package_is_whole_and_small(monkeypatch):
    monkeypatch.undo()
    assert "dermoscopy" in shipped_names()
    for name in shipped_names():
        info = read_bundle(bmis.pretrained.lookup.FOLDER / f"{name}.bmis").manifest.info
        assert info.provenance["licence"]
        assert info.ood is not None
        assert find_weights(name).stat().st_size < 2e6
    assert sum(file.stat().st_size for file in bmis.pretrained.lookup.FOLDER.glob("*")) < 15e6
