"""What a training says of each epoch."""

import logging
from types import SimpleNamespace

import pytest

from bmis.errors import TrainingInterrupted
from bmis.train import epochs
from bmis.train.run import train_model
from helpers.tiny import config
from helpers.training import interrupt_before


def test_each_epoch_tells_the_time_of_the_whole_training(dataset, tmp_path, monkeypatch, caplog):
    """Epochs of earlier calls count: the first ones after a start are slower than the others."""
    clock = iter(range(0, 10**6, 10))  # an epoch takes 20 s by this clock
    monkeypatch.setattr(epochs, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    settings = config(dataset, epochs=4)
    with caplog.at_level(logging.INFO, "bmis"):
        with interrupt_before(3), pytest.raises(TrainingInterrupted):
            train_model(settings, out=tmp_path / "run", page=False)
        train_model(settings, out=tmp_path / "run", page=False)
    lines = [line for line in caplog.messages if line.startswith("epoch ")]
    assert [line.rpartition("  ")[2] for line in lines] == [
        "20.0 s (20 s so far, about 1 min 0 s left)",
        "20.0 s (40 s so far, about 40 s left)",
        "20.0 s (1 min 0 s so far, about 20 s left)",
        "20.0 s (1 min 20 s in all)",
    ]


def test_patience_ends_a_training_that_gets_no_better(dataset, tmp_path, monkeypatch):
    scores = iter([0.3, 0.5, 0.4, 0.5, 0.45, 0.9])

    def validate(trainer, images):
        score = next(scores)
        return {"val_iou": score, "val_dice": score}

    monkeypatch.setattr("bmis.train.trainer.Trainer.validate", validate)
    settings = config(dataset, epochs=9, patience=3)
    done = train_model(settings, out=tmp_path / "run", page=False)
    assert (done.epochs, done.best_epoch) == (5, 2)
    assert train_model(settings, out=tmp_path / "run").resumed_after == 5  # it is over
