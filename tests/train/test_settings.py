"""The settings of a training: recorded whole, and refused before any work is done."""

from dataclasses import replace

import pytest
import yaml

from bmis.config import TrainConfig
from bmis.errors import ConfigError
from bmis.models.checkpoint import read_checkpoint
from bmis.train.run import train_model
from helpers.tiny import config


def test_recorded_settings_can_be_read_back_and_are_valid_from_any_folder(
    dataset, tmp_path, monkeypatch
):
    monkeypatch.chdir(dataset.parent)
    (dataset / "mine.csv").write_text((dataset / "splits.csv").read_text())
    (dataset / "mine.yaml").write_text("base: fast")
    changes = {"augmentation.flip": [0, 0.5]}
    given = config(
        "data",
        epochs=1,
        fold="data/mine.csv",
        seed=5,
        learning_rate=1e-3,
        recipe="data/mine.yaml",
        changes=changes,
    )
    run = train_model(given, out="run", page=False).run
    recorded = TrainConfig.from_dict(yaml.safe_load((tmp_path / "run/config.yaml").read_text()))
    fold, recipe = str(dataset / "mine.csv"), str(dataset / "mine.yaml")
    assert recorded == replace(given, data=str(dataset), fold=fold, recipe=recipe)
    assert train_model(given, out=run).resumed_after == 1  # the same settings
    assert read_checkpoint(run)[1].provenance["recipe"]["augmentation"]["flip"] == [0.0, 0.5]
    assert read_checkpoint(tmp_path / "run")[1].provenance["recipe"]["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "bmsi"}, r"unknown model 'bmsi' \(did you mean 'bmis'\?\)"),
        ({"recipe": "papre"}, r"unknown recipe 'papre' \(did you mean 'paper'\?\)"),
        ({"options": {"depht": 3}}, "'depht'"),
        ({"options": {"widths": [4]}}, "widths must be 3 numbers"),
        (
            {"size": (30, 32)},
            "bmis does not take 30x32 pixels; the next size that it takes is --size 32,32",
        ),
        ({"size": (33, 45)}, "takes is --size 40,48"),
        ({"batch_size": 0}, "batch size must be 1 or more"),
        ({"learning_rate": 7.0}, "learning rate must lie between 0 and 1"),
    ],
)
def test_wrong_settings_are_refused_before_the_data_set_is_opened(tmp_path, values, message):
    with pytest.raises(ConfigError, match=message):
        train_model(
            replace(config(tmp_path / "nowhere"), **values), out=tmp_path / "run", page=False
        )
    assert not (tmp_path / "run").exists()
