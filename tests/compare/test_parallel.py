"""Trials side by side: the records of a serial comparison, a process that dies, Ctrl-C."""

import json
import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from bmis.compare import parallel
from bmis.compare.parallel import run_side_by_side
from bmis.compare.run import compare_methods
from bmis.compare.settings import CompareConfig
from bmis.compare.spec import TrialSpec
from bmis.compare.worker import to_plain
from bmis.errors import ConfigError, TrainingInterrupted
from bmis.records import Conditions, Trial, read_records
from helpers.tiny import write_dataset

TINY = "bmis:widths=[4,8,12],depths=[1,1],dilations=[2]"
CONDITIONS = Conditions(recipe="fast", epochs=2, size=(32, 32))
DIES = """
import os
from torch import nn
from bmis import SegmentationModel, register

@register("dies")
class Dies(SegmentationModel):
    def __init__(self, in_channels=3, num_classes=2):
        super().__init__(in_channels, num_classes, stride=1)
        self.head = nn.Conv2d(in_channels, num_classes, 1)

    def forward(self, x):
        if len(x) == 4 and os.environ.get("OMP_NUM_THREADS") == "1" and self.training:
            os.kill(os.getpid(), 9)
        return self.head(x)
"""


@pytest.fixture
def quick(monkeypatch):
    """Costs that take no time to measure."""
    for module in ("parallel", "trial"):
        monkeypatch.setattr(
            f"bmis.compare.{module}.measure_costs", lambda spec, dataset: {"parameters": 7}
        )


def settings(data, *methods, **values):
    base = {"conditions": CONDITIONS, "device": "cpu", "precision": "32"}
    return CompareConfig((str(data),), methods or (TINY,), **{**base, **values})


@pytest.mark.slow
def test_records_are_those_of_a_serial_comparison_and_a_death_is_one_failed_trial(
    tmp_path, quick, caplog
):
    caplog.set_level(logging.INFO, "bmis")
    data = write_dataset(tmp_path / "squares")
    (tmp_path / "dies.py").write_text(DIES)
    plugins = (str(tmp_path / "dies.py"),)
    config = settings(data, TINY, "dies", parallel=2, plugins=plugins)
    side, dead = compare_methods(config, out=tmp_path / "side").records
    (alone,) = compare_methods(settings(data), out=tmp_path / "alone").records
    assert (dead.status, side.status) == ("failed", "done")
    assert dead.reason.startswith("its process ended with code -9")
    assert f"{side.trial}: epoch 2/2" in caplog.text
    assert (side.cases, side.summary, side.masks) == (alone.cases, alone.summary, alone.masks)
    assert side.costs == {"parameters": 7}
    assert side.environment["threads"] == 1
    for record in (side, alone):
        for row in record.training["log"]:
            del row["seconds"], row["train_seconds"]
    assert side.training["log"] == alone.training["log"]
    assert len(read_records(tmp_path / "side")) == 2


WAITS = """
import json, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
spec = json.loads(sys.stdin.readline())
print(json.dumps({"log": [20, "epoch 1/9  loss 1"]}), flush=True)
sys.stdin.read()
open(spec["data"], "a").write("stopped ")
"""


def specs(tmp_path, count):
    return [
        TrialSpec(
            Trial("polyps", "bmis", seed=seed), Conditions(), str(tmp_path / "log"), "bmis", {},
            tmp_path / str(seed),
        )
        for seed in range(count)
    ]  # fmt: skip


def test_ctrl_c_stops_all_and_begins_no_other(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(parallel, "open_dataset", lambda *_, **__: None)
    monkeypatch.setattr(parallel, "_COMMAND", (sys.executable, "-c", WAITS))
    shown = []

    def show(states):
        shown.append(list(states))
        if len(states) == 2:
            os.kill(os.getpid(), signal.SIGINT)  # of the process, so that the main thread has it

    begin = time.monotonic()
    # a shell that starts tests in the background lets them ignore Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(TrainingInterrupted, match="give the same command again"):
            list(run_side_by_side(specs(tmp_path, 4), 2, show))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "log").read_text() == "stopped stopped "
    assert shown[-1] == ["bmis epoch 1/9"] * 2
    assert time.monotonic() - begin < 20


def test_a_network_that_cannot_be_measured_is_a_failed_trial(tmp_path, monkeypatch):
    def fail(spec, dataset):
        raise ConfigError("not enough memory")

    monkeypatch.setattr(parallel, "open_dataset", lambda *_, **__: None)
    monkeypatch.setattr(parallel, "measure_costs", fail)
    records = list(run_side_by_side(specs(tmp_path, 2), 2, print))
    assert [record.reason for record in records] == ["not enough memory"] * 2


def test_two_ways_to_run_several_trials_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="--parallel is for this machine, --ray"):
        compare_methods(settings("d", parallel=2), out=tmp_path / "out", ray="local")
    with pytest.raises(ConfigError, match="parallel must be 1 or more, got 0"):
        settings("d", parallel=0)


@pytest.mark.slow
def test_a_trial_stops_when_its_comparison_is_gone(tmp_path):
    """Its stdin ends then; what it trained is kept."""
    data = write_dataset(tmp_path / "squares")
    conditions = Conditions(recipe="fast", epochs=100_000, size=(32, 32))
    options = {"widths": [4, 8, 12], "depths": [1, 1], "dilations": [2]}
    spec = TrialSpec(
        Trial("squares", "bmis"), conditions, str(data), "bmis", options, tmp_path / "work",
        threads=1, costs={},
    )  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(
        parallel._COMMAND, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        process.stdin.write(json.dumps(to_plain(spec)) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if "epoch 1/" in line:
                break
        process.stdin.close()
        assert '"record"' not in process.stdout.read()
        assert process.wait(60) == 0
    assert (tmp_path / "work" / "last.ckpt").exists()
