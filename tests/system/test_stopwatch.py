"""Times of single calls, on a device and a clock that are played."""

import pytest

from bmis.system.stopwatch import time_calls


class Stage:
    """A device and a clock that write down what is done with them; each call takes a second."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.now = 0.0

    def step(self) -> None:
        first = "step" not in self.events
        self.events.append("step")
        self.now += 1000 if first else 1  # the first call is slow, as on a GPU

    def synchronise(self) -> None:
        self.events.append("synchronise")

    def clock(self) -> float:
        self.events.append("clock")
        return self.now


def run_stage(seconds: float) -> tuple[Stage, list[float]]:
    stage = Stage()
    times = time_calls(
        stage.step, seconds=seconds, synchronise=stage.synchronise, clock=stage.clock
    )
    return stage, times


# An error in the paper's own code: times taken without waiting for the GPU, first call included.
def test_every_look_at_the_clock_waits_for_the_device():
    events = run_stage(1.0)[0].events
    looks = [i for i, event in enumerate(events) if event == "clock"]
    assert looks
    assert all(events[i - 1] == "synchronise" for i in looks)


def test_the_first_calls_are_not_counted():
    stage, times = run_stage(101.0)
    assert max(times) == 1.0
    assert stage.events.count("step") == len(times) + 3


def test_a_slow_step_is_warmed_up_once():
    stage, times = run_stage(1.0)  # its first call takes a thousand times that
    assert max(times) == 1.0
    assert stage.events.count("step") == len(times) + 1


@pytest.mark.parametrize(("seconds", "calls"), [(0.0, 3), (0.5, 5), (1.0, 10), (25.0, 25)])
def test_calls_are_repeated_until_they_fill_the_time(seconds, calls):
    assert len(run_stage(seconds)[1]) == calls
