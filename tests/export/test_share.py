"""A shared folder: complete, of one training, and without anything that is nobody's business."""

import json
import shutil

import pytest
import yaml

import bmis
from bmis import TrainConfig, export_run, share_run, train_model
from bmis.cli.main import main
from bmis.data.phantoms.write import write_phantoms
from bmis.errors import BmisError, ConfigError, DataError
from bmis.pretrained.lookup import find_model_file
from helpers.tiny import NETWORK

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("share")
    write_phantoms(root / "polyps", modality="endoscopy", count=12, size=(64, 64))
    config = TrainConfig(
        str(root / "polyps"), options=NETWORK, epochs=1, size=(64, 64), device="cpu"
    )
    train_model(config, out=root / "run", page=False)
    return root / "run"


@pytest.fixture(scope="module")
def shared(run):
    return share_run(run, run.parent / "hub", name="clinic/polyps", licence="apache-2.0")


def test_the_folder_is_complete_and_works(run, shared):
    assert sorted(shared.files) == ["README.md", "model.bmis", "model.safetensors"]
    picture = next((run.parent / "polyps" / "images").iterdir())
    masks = [bmis.load(file)(picture).labels for file in (shared.out / "model.bmis", run)]
    assert (masks[0] == masks[1]).mean() > 0.99
    model, _ = bmis.load_model(shared.out / "model.safetensors")
    assert sum(p.numel() for p in model.parameters()) > 0


def test_the_card_has_the_metadata_of_the_hub(shared):
    _, metadata, text = (shared.out / "README.md").read_text("utf-8").split("---\n", 2)
    told = yaml.safe_load(metadata)
    assert (told["license"], told["library_name"]) == ("apache-2.0", "bmis")
    (result,) = told["model-index"][0]["results"]
    assert result["dataset"]["split"] == "test"
    assert {score["type"] for score in result["metrics"]} == {"mean_iou", "dice"}
    assert "Not a medical device" in text
    assert text.count("hf://clinic/polyps") == 3


def test_no_path_of_this_machine_is_shared(run, shared):
    for file in shared.out.iterdir():
        assert str(run.parent).encode() not in file.read_bytes()


def test_a_bundle_of_the_run_is_taken_as_it_is(run, tmp_path):
    done = export_run(run, tmp_path / "own.bmis")
    share_run(run, tmp_path / "hub", bundle=done.path)
    assert (tmp_path / "hub" / "model.bmis").read_bytes() == done.path.read_bytes()


def test_a_bundle_of_another_training_is_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="is not exported from"):
        share_run(run, tmp_path / "hub", bundle=find_model_file("nuclei"))
    assert not (tmp_path / "hub").exists()


def test_a_folder_with_something_in_it_is_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="holds something already"):
        share_run(run, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["polyps", "a/b/c", "/polyps", "clinic/"])
def test_a_name_has_an_owner(run, tmp_path, name):
    with pytest.raises(ConfigError, match="owner/name"):
        share_run(run, tmp_path / "hub", name=name)


def test_nothing_is_left_where_the_export_fails(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with pytest.raises(BmisError):
        share_run(copy, tmp_path / "hub", data=tmp_path / "nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_command_says_how_to_go_on(run, tmp_path, capsys):
    out = str(tmp_path / "hub")
    assert main(["share", str(run), out, "--name", "clinic/polyps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == "hf://clinic/polyps"
