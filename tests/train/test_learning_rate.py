"""The search of the learning rate: what it suggests, and that it leaves a run as it is."""

import json
import shlex

import numpy as np
import pytest

from bmis.cli.main import main
from bmis.data.phantoms.write import write_phantoms
from bmis.errors import TrainingError
from bmis.train import learning_rate as module
from bmis.train.learning_rate import find_learning_rate, smooth, steepest
from bmis.train.run import train_model
from helpers.tiny import config
from helpers.training import COMMAND

RATES = np.geomspace(1e-5, 1e-1, 81)


def curve(middle, diverges):
    """A loss that falls round one rate and rises from another one on, with noise."""
    places = np.log10(RATES)
    falls = 1.5 - 0.8 / (1 + np.exp(-4 * (places - np.log10(middle))))
    rises = np.maximum(0, places - np.log10(diverges)) ** 2
    return falls + rises + 0.05 * np.random.default_rng(0).standard_normal(len(RATES))


@pytest.mark.parametrize("middle", [1e-4, 1e-3, 5e-3])
def test_the_suggestion_is_where_the_loss_falls_most(middle):
    found = steepest(RATES, smooth(np.log10(RATES), curve(middle, 20 * middle)))
    assert 0.4 < found / middle < 2.5


def test_a_fall_after_the_lowest_loss_does_not_count():
    losses = np.array([1.0, 0.8, 0.5, 9.0, 1.0, 0.9])
    assert steepest(np.geomspace(1e-5, 1, 6), losses) == 1e-3
    assert steepest(RATES, np.linspace(1, 2, 81)) is None
    assert steepest(RATES[:0], np.zeros(0)) is None


def test_on_phantoms_the_loss_falls_at_the_suggested_rate(tmp_path):
    data = write_phantoms(tmp_path / "polyps", modality="endoscopy", count=12, size=(64, 64))
    found = find_learning_rate(config(data, size=(64, 64)), out=tmp_path / "run")
    assert sorted(file.name for file in found.run.iterdir()) == [module.TABLE, module.PLOT]
    assert (found.run / module.PLOT).read_bytes().startswith(b"\x89PNG")
    table = json.loads((found.run / module.TABLE).read_text())
    assert (table["rate"], table["rates"]) == (found.rate, list(found.rates))
    at = int(np.argmin(np.abs(np.log(np.array(found.rates) / found.rate))))
    assert found.smoothed[at] > min(found.smoothed)
    assert found.smoothed[max(at - 5, 0)] > found.smoothed[min(at + 5, len(found.rates) - 1)]


def test_a_run_that_is_there_stays_as_it_is(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "_MOST", 24)
    run = tmp_path / "run"
    train_model(config(dataset), out=run, page=False)
    before = {file.name: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    argv = ["train", str(dataset), "--out", str(run), *COMMAND]
    assert main([*argv, "--find-learning-rate"]) == 0
    after = {file.name: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {module.PLOT, module.TABLE}
    rate = json.loads(after[module.TABLE])["rate"]
    answer = capsys.readouterr().out
    assert f"learning rate: {rate:g}\n" in answer
    assert f"next: bmis {shlex.join(argv)} --learning-rate {rate:g}\n" in answer
    assert train_model(config(dataset), out=run).resumed_after == 2


def test_a_loss_that_never_falls_is_said_and_drawn(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 24)
    monkeypatch.setattr(module, "steepest", lambda rates, smoothed: None)
    with pytest.raises(TrainingError, match=r"falls at no learning rate .*bmis inspect"):
        find_learning_rate(config(dataset), out=tmp_path / "run")
    assert (tmp_path / "run" / module.PLOT).is_file()


def test_a_diverging_loss_ends_the_search(dataset, tmp_path, monkeypatch):
    losses = iter([1.0] * 4 + [1.0, 0.9, 0.8, 0.7, 0.6] + [float("nan")] * 99)
    monkeypatch.setattr(module._Stepper, "__call__", lambda self, rate: next(losses))
    monkeypatch.setattr(module, "_ramp", lambda seconds: RATES.tolist())
    init = module._Stepper.__init__

    def timed(self, *args):
        init(self, *args)
        self.seconds = [1.0, 1.0]

    monkeypatch.setattr(module._Stepper, "__init__", timed)
    found = find_learning_rate(config(dataset), out=tmp_path / "run")
    assert found.losses == (1.0, 0.9, 0.8, 0.7, 0.6)
