"""Settings: plain values in and out, checked when made."""

import json
from pathlib import Path

import pytest
import yaml

from bmis.config import InputSpec, ModelConfig, ModelInfo, TrainConfig
from bmis.errors import ConfigError

INFO = ModelInfo(
    ModelConfig("bmis", 1, 3, {"widths": (4, 8, 12), "attention": False}),
    InputSpec((32, 48), 1, (0.25,), (0.5,), "native"),
    ("background", "disc", "cup"),
    {"seed": 3},
)
TRAIN = TrainConfig("data", options={"widths": [4, 8, 12]}, size=(64, 32), fold="folds/a.csv")


@pytest.mark.parametrize("settings", [INFO, INFO.input, TRAIN, TrainConfig("data", fold=3)])
@pytest.mark.parametrize("text", [json, yaml])
def test_settings_survive_json_and_yaml(settings, text):
    dump, load = (json.dumps, json.loads) if text is json else (yaml.safe_dump, yaml.safe_load)
    plain = load(dump(settings.to_dict()))
    again = type(settings).from_dict(plain)
    assert again.to_dict() == settings.to_dict()
    assert again == settings or settings is INFO  # tuples inside free options come back as lists
    assert type(again) is type(settings)


def test_nested_settings_and_tuples_come_back_as_such():
    again = ModelInfo.from_dict(json.loads(json.dumps(INFO.to_dict())))
    assert isinstance(again.model, ModelConfig)
    assert isinstance(again.input, InputSpec)
    assert again.input.size == (32, 48)
    assert again.classes == INFO.classes


def test_the_papers_scaling_is_the_default():
    assert InputSpec().mean == (0.5, 0.5, 0.5)
    assert InputSpec(channels=1).std == (0.5,)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (InputSpec, {"resize": "sqash"}, r"unknown resize 'sqash' \(did you mean 'squash'"),
        (InputSpec, {"size": (224,)}, r"size must be \(height, width\)"),
        (InputSpec, {"size": (224, 7)}, "each from 8 to 16384"),
        (InputSpec, {"size": (224, 20000)}, "each from 8 to 16384"),
        (InputSpec, {"size": 7}, r"got \(7, 7\)"),
        (InputSpec, {"size": True}, r"got True"),
        (InputSpec, {"size": (224.5, 224)}, "size must be"),
        (InputSpec, {"channels": 33}, "channels must be a number from 1 to 32, got 33"),
        (InputSpec, {"mean": (0.5,)}, r"mean needs 3 finite numbers, got \(0.5,\)"),
        (InputSpec, {"mean": (0.5, 0.5, float("nan"))}, "finite"),
        (InputSpec, {"std": (0.5, 0.5, 0.0)}, "std must be finite numbers above 0"),
        (TrainConfig, {}, "the setting 'data' of TrainConfig is missing"),
        (TrainConfig, {"data": "d", "epoch": 3}, r"'epoch' of TrainConfig \(did you mean 'epochs'"),
        (TrainConfig, {"data": "d", "epochs": 0}, "epochs must be 1 or more, got 0"),
        (TrainConfig, {"data": "d", "devices": 0}, "devices must be 1 or more"),
        (TrainConfig, {"data": "d", "nodes": -1}, "nodes must be 1 or more"),
        (TrainConfig, {"data": "d", "seed": -1}, "seed must be 0 or more, got -1"),
        (TrainConfig, {"data": "d", "size": 224.0}, r"size must be \(height, width\)"),
        (TrainConfig, {"data": "d", "device": "gpu"}, "unknown device 'gpu' .*; available: auto"),
        (TrainConfig, {"data": "d", "precision": "16"}, "unknown precision '16'"),
        (TrainConfig, {"data": "d", "resize": "crop"}, "unknown resize 'crop'"),
        (TrainConfig, {"data": "d", "options": {"num_classes": 3}}, "follows from the data set"),
        (ModelInfo, {**INFO.to_dict(), "classes": ["a"]}, "1 class name for 3 classes"),
        (ModelInfo, {**INFO.to_dict(), "input": {"channels": 3}}, "takes 1 channel, its input"),
        (ModelInfo, {**INFO.to_dict(), "input": {"chanels": 3}}, "did you mean 'channels'"),
        (ModelInfo, {**INFO.to_dict(), "model": 5}, "model must be names and values, got 5"),
        (ModelInfo, {**INFO.to_dict(), "model": {"in_channels": True}}, "in_channels must be a wh"),
        (ModelInfo, {**INFO.to_dict(), "model": {"options": [1]}}, "options must be names and"),
        (ModelInfo, {**INFO.to_dict(), "classes": "abc"}, "classes must be a list, got 'abc'"),
        (ModelInfo, {**INFO.to_dict(), "ood": {"limit": 1}}, "setting 'mean' of OodReference"),
    ],
)
def test_wrong_values_are_refused_when_they_are_given(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind.from_dict(values)


def test_the_docstring_lists_every_field_that_is_described():
    assert "Attributes:\n    data: Dataset folder.\n    model: " in TrainConfig.__doc__
    assert "    mean: Mean of each channel" in InputSpec.__doc__


def test_a_path_is_as_good_as_its_text():
    config = TrainConfig(Path("a") / "b", fold=Path("folds/fold1.csv"))
    assert (config.data, config.fold) == ("a/b", "folds/fold1.csv")
    assert yaml.safe_load(yaml.safe_dump(config.to_dict()))["data"] == "a/b"


def test_one_number_is_the_side_of_a_square():
    assert InputSpec(size=96).size == TrainConfig("data", size=96).size == (96, 96)
