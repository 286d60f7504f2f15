"""Test images validate a graph and validation images help to choose one, where both exist."""

import pytest

from bmis.data.folder import open_dataset
from bmis.errors import DataError
from bmis.export import validation
from bmis.export.gate import Agreement
from bmis.export.validation import ExportedGraph, Validator
from bmis.models import build_model
from helpers.fakes import info
from helpers.tiny import NETWORK, write_dataset

GRAPH = ExportedGraph.of("onnx", "int8", (32, 32), (b"",))


@pytest.fixture
def compared(monkeypatch):
    """The splits of the images in each comparison; nothing is run."""
    seen = []

    def compare(graph, network, cases):
        seen.append([case.split for case in cases])
        return Agreement(len(cases), 0.0, 0.99, 0.8, 0.9, 0.8)

    monkeypatch.setattr(validation, "compare", compare)
    monkeypatch.setattr(Validator, "load", lambda *_: None)
    return seen


def make_validator(tmp_path, *splits):
    dataset = open_dataset(write_dataset(tmp_path / "data", splits=splits))
    return Validator(build_model("bmis", **NETWORK), info(), dataset)


def test_test_images_validate_and_validation_images_choose(tmp_path, compared):
    validator = make_validator(tmp_path, "train", "val", "val", "test", "test", "test")
    assert validator.split == "test"
    validator.compare(GRAPH)
    assert validator.allowance_used(GRAPH) == pytest.approx(0.5)
    assert compared == [["test"] * 3, ["val"] * 2]


def test_only_some_validation_images_are_used_to_choose(tmp_path, compared, monkeypatch):
    monkeypatch.setattr(validation, "_CHOICE", 2)
    make_validator(tmp_path, "train", "val", "val", "val", "test").allowance_used(GRAPH)
    assert compared == [["val"] * 2]


def test_one_split_serves_for_both_where_the_other_is_missing(tmp_path, compared):
    validator = make_validator(tmp_path / "a", "train", "val", "val")
    assert validator.split == "val"
    validator.compare(GRAPH)
    make_validator(tmp_path / "b", "train", "test").allowance_used(GRAPH)
    assert compared == [["val"] * 2, ["test"]]


def test_a_data_set_with_neither_split_is_refused(tmp_path):
    with pytest.raises(DataError, match="no test or validation images to validate the graph on"):
        make_validator(tmp_path, "train", "train")
