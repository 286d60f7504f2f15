"""The run folder: its name, and which folders a training may write into."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bmis.errors import ConfigError, DataError, TrainingError
from bmis.train import session
from bmis.train.run import train_model
from bmis.train.run_folder import default_run_folder
from bmis.train.trainer import Trainer
from helpers.tiny import config


def contents(run):
    """The files of a run by name, those in its folders too."""
    return {file.relative_to(run): file.read_bytes() for file in run.rglob("*") if file.is_file()}


def test_a_finished_run_is_not_trained_again(dataset, tmp_path, monkeypatch):
    first = train_model(config(dataset), out=tmp_path / "run", page=False)
    before = contents(tmp_path / "run")
    monkeypatch.setattr(session, "CachedDataset", None)  # no image is read again
    second = train_model(config(dataset), out=tmp_path / "run", page=False)
    assert second == replace(first, resumed_after=first.epochs)
    assert contents(tmp_path / "run") == before


def test_a_run_whose_settings_are_fewer_is_the_same_run(dataset, tmp_path):
    train_model(config(dataset), out=tmp_path / "run", page=False)
    file = tmp_path / "run" / "config.yaml"
    settings = yaml.safe_load(file.read_text())
    del settings["changes"], settings["patience"]  # as an earlier bmis wrote it
    file.write_text(yaml.safe_dump(settings))
    assert train_model(config(dataset), out=tmp_path / "run").resumed_after == 2
    with pytest.raises(ConfigError, match="changes None, now"):
        train_model(config(dataset, changes={"clip": 0}), out=tmp_path / "run", page=False)


def test_threads_and_logger_may_change_but_for_the_same_bits(dataset, tmp_path):
    train_model(config(dataset, threads=1), out=tmp_path / "run", page=False)
    other = config(dataset, threads=2, logger="tensorboard")
    assert train_model(other, out=tmp_path / "run").resumed_after == 2
    train_model(config(dataset, threads=1, deterministic=True), out=tmp_path / "same", page=False)
    with pytest.raises(ConfigError, match=r"other settings \(threads 1, now 2\); choose"):
        train_model(
            config(dataset, threads=2, deterministic=True), out=tmp_path / "same", page=False
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 4}, "epochs 2, now 4"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"resize": "letterbox"}, "resize 'squash', now 'letterbox'"),
    ],
)
def test_a_folder_with_other_settings_is_refused(dataset, tmp_path, values, message):
    train_model(config(dataset), out=tmp_path / "run", page=False)
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(ConfigError, match=rf"other settings \({message}\); choose another --out"):
        train_model(config(dataset, **values), out=tmp_path / "run", page=False)
    assert (tmp_path / "run" / "config.yaml").read_text() == before


def test_settings_of_a_run_without_an_epoch_may_change(dataset, tmp_path, monkeypatch):
    def fail(*_):
        raise TrainingError("not a number")

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", fail)
        with pytest.raises(TrainingError):
            train_model(config(dataset, learning_rate=0.5), out=tmp_path / "run", page=False)
    train_model(config(dataset, learning_rate=1e-3), out=tmp_path / "run", page=False)
    settings = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert settings["learning_rate"] == 1e-3


@pytest.mark.parametrize("text", ["", "[1, 2", "- a", None])
def test_a_run_whose_settings_are_lost_is_refused(dataset, tmp_path, text):
    train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False)
    file = tmp_path / "run" / "config.yaml"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(ConfigError, match=r"config.yaml cannot be read; choose another --out"):
        train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/bmis"])
def test_a_folder_that_cannot_be_written_is_an_error_before_the_work(dataset, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write here .* choose another output folder"):
        train_model(config(dataset), out=tmp_path / place, page=False)


def test_the_default_folder_names_data_network_recipe_fold_and_seed(tmp_path):
    chosen = config(tmp_path, fold="folds/fold3.csv", seed=7, recipe="paper")
    folder = default_run_folder(chosen, "My data: ISIC/2018")
    assert folder == Path("runs/My-data-ISIC-2018-bmis-paper-fold3-seed7")
    assert default_run_folder(config(tmp_path), "kvasir") == Path("runs/kvasir-bmis-default-seed0")
    mine = config(tmp_path, recipe=str(tmp_path / "mine.yaml"))
    assert default_run_folder(mine, "kvasir") == Path("runs/kvasir-bmis-mine-seed0")
