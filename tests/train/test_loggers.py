"""Loggers beside ``log.csv``: TensorBoard itself, and MLflow's interface where it is missing."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from bmis.errors import MissingExtraError, TrainingInterrupted
from bmis.train.run import train_model
from helpers.tiny import config
from helpers.training import interrupt_before, read_log


def test_tensorboard_gets_every_epoch(dataset, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_model(config(dataset, logger="tensorboard"), out=tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("val_iou")] == [1, 2]
    assert events.Scalars("loss")[1].value == pytest.approx(
        read_log(tmp_path / "run")[1]["loss"], 1e-4
    )


def test_without_tensorboard_the_install_line_is_given(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[tensorboard\]"'):
        train_model(config(dataset, logger="tensorboard"), out=tmp_path / "run")
