"""The number of threads of a training: which is chosen, when again, and what a run notes of it."""

import json
import logging

import pytest
import torch

from bmis.config import TrainConfig
from bmis.train import threads
from bmis.train.run import train_model
from bmis.train.threads import ThreadSearch, chooses_threads, training_threads
from helpers.tiny import config


class Machine:
    """A clock, and steps of 8 images whose seconds depend on the number of threads."""

    def __init__(self, most, seconds):
        self.now, self.used, self.seconds = 0.0, [], seconds
        self.search = ThreadSearch(most, clock=lambda: self.now, use=self.used.append)
        self.search.begin()

    def step(self):
        self.now += self.seconds[self.used[-1]]
        self.search.step_done(8)

    def run(self, steps):
        for _ in range(steps):
            self.step()
        return self.search.chosen


IDLE = {1: 0.4, 2: 0.2, 4: 0.1, 6: 0.08}
BUSY = {1: 0.5, 2: 3.0, 4: 40.0, 6: 90.0}


@pytest.mark.parametrize(
    ("seconds", "chosen", "tried"), [(IDLE, 6, [1, 2, 4, 6, 6]), (BUSY, 1, [1, 2, 1])]
)
def test_the_fastest_is_kept_and_slow_ones_are_not_tried(seconds, chosen, tried):
    machine = Machine(6, seconds)
    assert machine.run(40) == chosen
    assert machine.used == tried


def test_little_time_is_lost_in_the_search():
    for seconds in (IDLE, BUSY):
        machine = Machine(6, seconds)
        steps = 0
        while not machine.search.chosen:
            machine.step()
            steps += 1
        assert machine.now - steps * min(seconds.values()) < 5


def test_the_first_step_and_pauses_between_epochs_do_not_count():
    machine = Machine(2, {1: 0.3, 2: 0.2})
    machine.now += 100  # the first step
    machine.search.step_done(8)
    machine.step()
    machine.now += 100  # a validation
    machine.search.begin()
    assert machine.run(20) == 2


def test_a_rate_that_halves_or_rises_starts_another_search(caplog):
    caplog.set_level(logging.INFO, "bmis")
    machine = Machine(2, {1: 0.4, 2: 0.2})
    assert machine.run(400) == 2
    machine.seconds = {1: 0.5, 2: 5.0}
    assert machine.run(40) == 1
    assert machine.run(200) == 1
    assert machine.used == [1, 2, 2, 1, 2, 1]
    machine.seconds = {1: 0.2, 2: 0.1}
    assert machine.run(400) == 2
    said = [line for line in caplog.messages if line.startswith("computing with")]
    assert said[:2] == [
        "computing with 2 threads (images/s by threads: 1: 20.0, 2: 40.0)",
        "computing with 1 thread (images/s by threads: 1: 16.0, 2: 1.6)",
    ]
    assert len(said) == 3


def test_a_rate_that_stays_starts_none():
    machine = Machine(2, {1: 0.4, 2: 0.2})
    machine.run(2000)
    assert machine.used == [1, 2, 2]


@pytest.mark.parametrize(
    ("values", "cores", "wanted"),
    [
        ({}, 2, True),
        ({}, 1, False),
        ({"threads": 2}, 2, False),
        ({"deterministic": True}, 2, False),
        ({"compile": True}, 2, False),
        ({"devices": 2}, 2, False),
    ],
)
def test_the_number_is_searched_for_where_it_may_change(monkeypatch, values, cores, wanted):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    assert chooses_threads(TrainConfig("polyps", device="cpu", **values)) is wanted
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert not chooses_threads(TrainConfig("polyps", device="cpu", **values))


def test_the_number_before_comes_back_and_the_same_bits_keep_that_of_the_run():
    before = torch.get_num_threads()
    for values, earlier, used in [
        ({"threads": before + 2}, None, before + 2),
        ({"deterministic": True}, before + 1, before + 1),
        ({"deterministic": True, "threads": before + 2}, before + 1, before + 2),
        ({}, before + 1, before),
    ]:
        with training_threads(TrainConfig("polyps", device="cpu", **values), earlier):
            assert torch.get_num_threads() == used
        assert torch.get_num_threads() == before


def test_the_choice_is_noted_in_the_run(dataset, tmp_path, monkeypatch):
    used = [2]
    monkeypatch.setattr(threads, "chooses_threads", lambda config: True)
    monkeypatch.setattr(threads, "_LONG", 0.0)  # one step for each number
    monkeypatch.setattr(torch, "get_num_threads", lambda: used[-1])
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    train_model(config(dataset), out=tmp_path / "run", page=False)
    noted = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert noted["threads_measured"] is True
    assert noted["threads"] == used[-2]
    assert used[:3] == [2, 1, 2]
    assert used[-1] == 2  # as it was before


def test_the_first_step_of_a_process_says_nothing_of_its_threads():
    """Libraries start in it: it would make one thread look slow, and two fast."""
    machine = Machine(2, {1: 0.3, 2: 0.5})
    machine.now += 60
    assert machine.run(20) == 1
