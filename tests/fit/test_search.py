"""The search: the same end however often it is killed, and what stops a trial."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import wraps

import optuna
import psutil
import pytest

import bmis.fit.search as running
from bmis.errors import ConfigError, DataError, TrainingInterrupted
from bmis.fit.candidates import Candidate, Counted
from bmis.fit.clock import Clock
from bmis.fit.costs import Costed
from bmis.fit.plan import Contender, Plan, make_plan
from bmis.fit.result import trend
from bmis.fit.search import search
from bmis.fit.settings import FitConfig
from bmis.fit.study import Study
from helpers.scores import narrow_dies, narrow_is_good, takes_forever

CONFIG = FitConfig("polyps", max_ms=10, hours=1)
COSTED = [
    Costed(Counted(Candidate("bmis_edge", {"width": width}), {}, 100, 1), (), True)
    for width in (16, 32, 48, 64)
]
PLAN = Plan(tuple(Contender(one, 1.0) for one in COSTED), (), epochs=9, trials=6, seconds=60.0)


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def killed_every_second_time(calls):
    def kill(config, run):
        calls.append(config)
        if len(calls) % 2:
            raise Killed
        return narrow_is_good(config, run)

    return kill


def searched(plan, config, folder, score):
    """A search whose clock stands still."""
    return search(plan, config, folder, score, Clock(folder))


def told(trials):
    return [(t.contender, t.recipe, t.rate, t.scores, t.ended) for t in trials.trials]


def test_a_search_that_is_killed_in_every_training_ends_as_if_it_never_was(tmp_path):
    whole = searched(PLAN, CONFIG, tmp_path / "whole", narrow_is_good)
    kill = killed_every_second_time([])
    for _ in range(20):
        try:
            parts = searched(PLAN, CONFIG, tmp_path / "parts", kill)
            break
        except Killed:
            continue

    assert told(parts) == told(whole)
    assert whole.best[0].contender == PLAN.contenders[0].name
    assert [t.contender for t in whole.trials[:4]] == [one.name for one in PLAN.contenders]
    assert "stopped" in {t.ended for t in whole.trials}


def killed_after_every(number, method):
    calls = []

    @wraps(method)
    def kill(*args):
        found = method(*args)
        calls.append(args)
        if len(calls) % number == 0:
            raise Killed
        return found

    return kill


def test_a_search_that_is_killed_between_any_two_notes_ends_as_if_it_never_was(
    tmp_path, monkeypatch
):
    config = replace(CONFIG, seed=2**32 - 1)
    plan = replace(PLAN, contenders=PLAN.contenders[:2], trials=5)  # three are proposed
    whole = searched(plan, config, tmp_path / "whole", narrow_is_good)
    places = [(Study, name, 2) for name in ("begin", "report", "is_good", "end")]
    for cls, name, number in (*places, (optuna.Trial, "suggest_categorical", 3)):
        monkeypatch.setattr(cls, name, killed_after_every(number, getattr(cls, name)))
    killed = 0
    for _ in range(60):
        try:
            parts = searched(plan, config, tmp_path / "parts", narrow_is_good)
            break
        except Killed:
            killed += 1
    assert killed > 8
    assert told(parts) == told(whole)


def test_only_the_recipes_that_are_named_are_tried(tmp_path):
    found = searched(
        replace(PLAN, trials=5), replace(CONFIG, recipes=("robust",)), tmp_path, narrow_is_good
    )
    assert {one.recipe for one in found.trials} == {"robust"}


def test_a_file_that_cannot_be_written_stops_the_search_and_no_trial_is_lost(tmp_path):
    def full(config, run):
        raise DataError("last.ckpt: cannot be written (No space left on device)")

    plan = replace(PLAN, trials=1)
    with pytest.raises(DataError, match="No space left"):
        searched(plan, CONFIG, tmp_path, full)
    (trial,) = searched(plan, CONFIG, tmp_path, narrow_is_good).trials
    assert trial.ended == "done"


@pytest.fixture
def importable(monkeypatch):
    """Other processes find what this one does."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_workers_share_the_trials_and_one_that_dies_stops_no_other(tmp_path, importable):
    found = searched(PLAN, replace(CONFIG, workers=2), tmp_path, narrow_dies)
    assert [one.number for one in found.trials] == list(range(PLAN.trials))
    ended = {one.contender: one.ended for one in found.trials[:4]}
    assert ended.pop(PLAN.contenders[0].name).startswith("its process died")
    assert set(ended.values()) <= {"done", "stopped"}
    assert "done" in ended.values()


def test_after_ctrl_c_the_workers_are_gone_and_their_trials_go_on(
    tmp_path, importable, monkeypatch
):
    def pressed(futures):
        while len(list(tmp_path.glob("trials/*/*"))) < 2:
            time.sleep(0.05)
        raise KeyboardInterrupt

    config, plan = replace(CONFIG, workers=2), replace(PLAN, trials=3)
    with monkeypatch.context() as patch:
        patch.setattr(running, "as_completed", pressed)
        with pytest.raises(TrainingInterrupted, match="give the same command again"):
            searched(plan, config, tmp_path, takes_forever)
    assert not any("bmis.fit.worker" in one.cmdline() for one in psutil.Process().children())
    assert len(Study(plan, config, tmp_path).running()) == 2
    found = searched(plan, replace(config, workers=1), tmp_path, narrow_is_good)
    assert [one.number for one in found.trials] == [0, 1, 2]
    assert {one.ended for one in found.trials} <= {"done", "stopped"}


def test_a_worker_dies_with_the_fit_that_is_killed(tmp_path, importable):
    code = (
        "from bmis.config import TrainConfig; from bmis.fit.workers import Worker\n"
        "from helpers.scores import takes_forever\n"
        "worker = Worker(takes_forever)\n"
        "print(worker.pid, flush=True)\n"
        "worker(TrainConfig('data'), sys.argv[1])"
    )
    argv = [sys.executable, "-c", f"import sys; {code}", str(tmp_path / "run")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as fit:
        worker = psutil.Process(int(fit.stdout.readline()))
        while not (tmp_path / "run").exists():
            time.sleep(0.05)
        os.kill(fit.pid, signal.SIGKILL)
    worker.wait(60)  # raises if it lives on


def test_a_trial_that_fails_stops_nothing(tmp_path):
    def fails(config, run):
        if config.options["width"] == 16:
            raise ConfigError("not enough memory")
        return narrow_is_good(config, run)

    found = searched(PLAN, CONFIG, tmp_path, fails)
    assert len(found.trials) == PLAN.trials
    assert found.trials[0].ended == "not enough memory"
    assert found.best[0].contender != PLAN.contenders[0].name


def test_no_trial_begins_when_the_time_is_over(tmp_path):
    plan = replace(PLAN, seconds=0.0)
    with Clock(tmp_path) as clock:
        assert len(search(plan, CONFIG, tmp_path, narrow_is_good, clock).trials) == 1


def test_a_number_of_trials_is_met_however_long_they_take(tmp_path):
    config = replace(CONFIG, trials=5)
    plan = make_plan(COSTED, config, lambda: 0.0, lambda *_: 10.0)
    assert plan.trials == 5
    with Clock(tmp_path) as clock:
        found = search(replace(plan, seconds=0.0), config, tmp_path, narrow_is_good, clock)
    assert [one.number for one in found.trials] == list(range(5))


def test_the_time_of_calls_that_were_killed_counts(tmp_path):
    earlier = Clock(tmp_path)
    with earlier:
        time.sleep(0.05)
    assert Clock(tmp_path).seconds == earlier.seconds >= 0.05
    with Clock(tmp_path) as later:
        assert later.seconds > earlier.seconds
    (tmp_path / "time.json").write_text('{"seconds": NaN}')
    assert Clock(tmp_path).seconds == 0


def test_no_trial_begins_when_earlier_calls_took_the_time(tmp_path):
    (tmp_path / "time.json").write_text('{"seconds": 160}')
    plan = replace(PLAN, spent=80.0)  # of 1.25 times 60 seconds 80 are gone
    assert len(searched(plan, CONFIG, tmp_path, narrow_is_good).trials) == 1


@pytest.mark.parametrize(
    ("hours", "epoch", "epochs", "least"),
    [(1.0, 1.0, 60, 20), (0.2, 5.0, 48, 1)],
)
def test_the_last_training_and_the_search_share_the_time(hours, epoch, epochs, least):
    config = FitConfig("polyps", max_ms=10, hours=hours)
    plan = make_plan(COSTED, config, lambda: 0.0, lambda *_: epoch)
    assert plan.epochs == epochs
    assert plan.trials >= least
    first, second = plan.steps
    training = plan.trials * (first + second / 3) * epoch + plan.epochs * epoch
    assert training <= 3600 * hours


def test_workers_train_with_one_thread_each_and_try_more():
    def plan(workers, seconds):
        return make_plan(COSTED, replace(CONFIG, workers=workers), lambda: 0.0, seconds)

    assert plan(2, lambda _, threads: 10.0 / threads).threads == 1
    one, two = (plan(workers, lambda *_: 10.0).trials for workers in (1, 2))
    assert two == pytest.approx(2 * one, abs=1)


def test_what_would_train_too_long_does_not_take_part():
    def seconds(one, threads):
        return threads * (100.0 if one.options["width"] == 64 else 5.0)

    plan = make_plan(COSTED, CONFIG, lambda: 0.0, seconds)
    assert plan.threads == 1
    assert plan.too_slow == (COSTED[3].candidate.name,)
    assert len(plan.contenders) == 3


def test_the_time_of_timing_the_candidates_is_gone_before_the_search():
    timed = []

    def seconds(one, threads):
        timed.append(one)
        return 10.0

    plan = make_plan(COSTED, CONFIG, lambda: 60.0 * len(timed), seconds)
    assert plan.spent == 60.0 * len(timed) > 0


def test_a_trend_counts_only_what_no_cheaper_network_surpasses():
    assert trend([(1, 0.5), (2, 0.6), (3, 0.1), (4, 0.7)]) == pytest.approx(0.1)
    assert trend([(1, 0.7), (2, 0.6), (4, 0.5)]) is None
