"""Which images prove a graph and which help to choose one: never the same where both are there."""

import pytest

from bmis.data.folder import open_dataset
from bmis.errors import DataError
from bmis.export import validation as proof
from bmis.export.gate import Agreement
from bmis.export.validation import ExportedGraph, Validator
from bmis.models import build_model
from helpers.fakes import info
from helpers.tiny import NETWORK, write_dataset

GRAPH = ExportedGraph.of("onnx", "int8", (32, 32), (b"",))


@pytest.fixture
def judged(monkeypatch):
    """Splits of the images that were judged; nothing is run."""
    seen = []

    def compare(graph, network, cases):
        seen.append([case.split for case in cases])
        return Agreement(len(cases), 0.0, 0.99, 0.8, 0.9, 0.8)

    monkeypatch.setattr(proof, "compare", compare)
    monkeypatch.setattr(Validator, "load", lambda *_: None)
    return seen


def made(tmp_path, *splits):
    dataset = open_dataset(write_dataset(tmp_path / "data", splits=splits))
    return Validator(build_model("bmis", **NETWORK), info(), dataset)


def test_test_images_prove_and_validation_images_choose(tmp_path, judged):
    one = made(tmp_path, "train", "val", "val", "test", "test", "test")
    assert one.split == "test"
    one.compare(GRAPH)
    assert one.allowance_used(GRAPH) == pytest.approx(0.5)
    assert judged == [["test"] * 3, ["val"] * 2]


def test_not_all_validation_images_are_needed_to_choose(tmp_path, judged, monkeypatch):
    monkeypatch.setattr(proof, "_CHOICE", 2)
    made(tmp_path, "train", "val", "val", "val", "test").allowance_used(GRAPH)
    assert judged == [["val"] * 2]


def test_where_one_split_is_missing_the_other_does_both(tmp_path, judged):
    one = made(tmp_path / "a", "train", "val", "val")
    assert one.split == "val"
    one.compare(GRAPH)
    made(tmp_path / "b", "train", "test").allowance_used(GRAPH)
    assert judged == [["val"] * 2, ["test"]]


def test_without_either_nothing_is_proven(tmp_path):
    with pytest.raises(DataError, match="no test or validation images to prove the graph on"):
        made(tmp_path, "train", "train")
