"""Loggers beside ``log.csv``: TensorBoard itself, and MLflow's interface where it is missing."""

import re
import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest
from lightning.fabric.loggers.logger import Logger

from bmis.errors import ConfigError, MissingExtraError, TrainingInterrupted
from bmis.train.run import train_model
from helpers.fakes import hide
from helpers.tiny import config
from helpers.training import interrupt_before, read_log


def test_tensorboard_gets_every_epoch(dataset, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_model(config(dataset, logger="tensorboard"), out=tmp_path / "run", page=False)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("val_iou")] == [1, 2]
    assert events.Scalars("loss")[1].value == pytest.approx(
        read_log(tmp_path / "run")[1]["loss"], 1e-4
    )


def test_without_tensorboard_the_install_line_is_given(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[tensorboard\]"'):
        train_model(config(dataset, logger="tensorboard"), out=tmp_path / "run", page=False)


class FakeClient:
    """The part of MLflow's client that finds earlier runs."""

    runs: ClassVar = []

    def __init__(self, where):
        self.where = where

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id="1") if name == "bmis" and self.runs else None

    def search_runs(self, experiments, wanted, max_results):
        (folder,) = re.findall("= '(.*)'", wanted)
        return [
            SimpleNamespace(info=SimpleNamespace(run_id=run.run_id))
            for run in self.runs
            if run.tags["bmis.run_folder"] == folder
        ]


class FakeLogger(Logger):
    """Lightning's ``MLFlowLogger``, as far as it is called."""

    name, version = "bmis", 0

    def __init__(self, *, experiment_name, run_name, tracking_uri, tags, run_id):
        self.where, self.tags = tracking_uri, tags
        self.run_id, self.went_on = run_id or f"run {len(FakeClient.runs)}", run_id
        self.settings, self.rows, self.ended = {}, [], None
        FakeClient.runs.append(self)

    def log_hyperparams(self, params):
        self.settings = params

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))

    def finalize(self, status):
        self.ended = status


@pytest.fixture
def mlflow(monkeypatch):
    """MLflow and Lightning's logger for it as fakes; the runs that were logged."""
    fakes = {
        "mlflow": {},
        "mlflow.tracking": {"MlflowClient": FakeClient},
        "lightning.pytorch.loggers.mlflow": {"MLFlowLogger": FakeLogger},
    }
    for name, values in fakes.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**values))
    for name in ("lightning.pytorch", "lightning.pytorch.loggers"):  # slow to import
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(FakeClient, "runs", [])
    return FakeClient.runs


def test_mlflow_gets_settings_and_epochs_and_goes_on_in_the_same_run(dataset, tmp_path, mlflow):
    settings, run = config(dataset, logger="mlflow"), tmp_path / "run"
    with interrupt_before(1), pytest.raises(TrainingInterrupted):
        train_model(settings, out=run, page=False)
    train_model(settings, out=run, page=False)
    first, second = mlflow
    assert first.where == second.where == f"sqlite:///{run / 'mlflow.db'}"
    assert (first.settings["epochs"], first.settings["recipe"]["loss"]) == (2, "ce_dice")
    assert (first.ended, second.ended) == ("failed", "success")
    assert (first.went_on, second.went_on) == (None, first.run_id)
    assert [step for step, _ in first.rows + second.rows] == [1, 2]
    assert second.rows[0][1]["val_iou"] == pytest.approx(read_log(run)[1]["val_iou"], rel=1e-5)


def test_a_server_of_mlflow_is_taken_from_its_own_variable(dataset, tmp_path, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    train_model(config(dataset, logger="mlflow", epochs=1), out=tmp_path / "run", page=False)
    assert mlflow[0].where == "http://tracking:5000"


def test_a_server_that_fails_is_one_line_at_the_start_and_a_warning_later(
    dataset, tmp_path, mlflow, monkeypatch
):
    def fail(*_, **__):
        raise OSError("no route\nto host")

    with monkeypatch.context() as patch:
        patch.setattr(FakeLogger, "__init__", fail)
        with pytest.raises(ConfigError, match=r"cannot write to .*db \(no route\); set MLFLOW_TR"):
            train_model(config(dataset, logger="mlflow"), out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(FakeLogger, "log_metrics", fail)
    with pytest.warns(UserWarning, match=r"epoch [12] is not logged \(no route\); log.csv has it"):
        train_model(config(dataset, logger="mlflow"), out=tmp_path / "run", page=False)
    assert len(read_log(tmp_path / "run")) == 2


def test_without_mlflow_the_install_line_is_given_and_nothing_is_left(
    dataset, tmp_path, monkeypatch
):
    hide(monkeypatch, "mlflow")
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[mlflow\]"'):
        train_model(config(dataset, logger="mlflow"), out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()
