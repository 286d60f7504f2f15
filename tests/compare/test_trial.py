"""What a trial that fails leaves behind."""

import pytest

from bmis.compare import trial as trial_module
from bmis.compare.spec import TrialSpec
from bmis.errors import DataError
from bmis.records import Conditions, Trial


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
