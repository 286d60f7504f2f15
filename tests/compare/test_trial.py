"""What a trial is trained with, and what one that fails leaves behind."""

import pytest

from bmis.compare import trial as trial_module
from bmis.compare.spec import TrialSpec
from bmis.errors import DataError
from bmis.records import Conditions, Trial
from bmis.train.recipes import find_recipe


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DataError("a.png: truncated"), "a.png: truncated"),
        (RuntimeError("this network\ncannot be"), "RuntimeError: this network cannot be"),
        (KeyError(), "KeyError"),
        (MemoryError(), "not enough memory; choose a smaller size or a larger machine"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
            "not enough memory; choose a smaller size or a larger machine",
        ),
    ],
)
def test_the_reason_is_one_line(tmp_path, monkeypatch, error, reason):
    def fail(_):
        raise error

    monkeypatch.setattr(trial_module, "_run", fail)
    spec = TrialSpec(Trial("polyps", "bmis"), Conditions(), "d", "bmis", {}, work=tmp_path)
    record = trial_module.run_trial(spec)
    assert (record.status, record.reason) == ("failed", reason)


@pytest.mark.parametrize(("asked", "rate"), [(None, 2e-3), (6e-3, 6e-3)])
def test_a_trial_is_trained_at_the_rate_that_it_is_given(tmp_path, asked, rate):
    spec = TrialSpec(
        Trial("polyps", "bmis"),
        Conditions(),
        "polyps",
        "bmis",
        {},
        work=tmp_path,
        learning_rate=asked,
    )
    config = trial_module.train_config(spec)
    assert find_recipe(config.recipe, learning_rate=config.learning_rate).learning_rate == rate
