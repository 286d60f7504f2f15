"""The simulated queue of ``benchmarks/cameras.py`` against the theory of queues."""

from itertools import cycle
from math import factorial
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
COUNT = 100_000


@pytest.fixture
def cameras(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import cameras

    return cameras


def poisson(rate):
    return np.random.default_rng(0).exponential(1 / rate, COUNT).cumsum().tolist()


def test_the_mean_wait_is_that_of_one_worker_and_equal_times(cameras):
    load = 0.7
    found = cameras.simulate(poisson(load), cycle([1.0]), workers=1, places=COUNT)
    assert found.dropped == 0
    assert np.mean(found.waits) == pytest.approx(load / (2 * (1 - load)), rel=0.05)  # M/D/1


@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (4, 3.0)])
def test_the_share_of_dropped_frames_without_a_queue_is_erlang_s(cameras, workers, load):
    terms = [load**n / factorial(n) for n in range(workers + 1)]
    found = cameras.simulate(poisson(load), cycle([1.0]), workers=workers, places=workers)
    assert found.dropped == pytest.approx(terms[-1] / sum(terms), rel=0.03)
    assert max(found.waits) == 0


def test_frames_come_at_their_rate_and_are_late_where_the_worker_is_too_slow(cameras):
    arrivals = cameras.frames(cameras=4, rate=5, seconds=10)
    assert len(arrivals) == 200
    assert arrivals == sorted(arrivals)
    fast = cameras.simulate(arrivals, cycle([0.001]), workers=1, places=99)
    assert (fast.dropped, fast.late(0.2)) == (0, 0)
    slow = cameras.simulate(arrivals, cycle([0.06]), workers=1, places=999)  # 1.2 times too much
    assert slow.late(0.2) > 0.8
