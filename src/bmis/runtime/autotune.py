"""Which of several engines is the fastest here: measured once, then remembered.

What was found is kept in ``engines.json``, see ``cache``.
"""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bmis.errors import BmisError
from bmis.system.cache import recall, remember

Judge = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_J = TypeVar("_J", bound=Judge)
_WARM_UP = 2  # calls that are not counted: they compile and fill caches
_CALLS = 5  # at most, that are; the fastest tells best what the engine can do
_SECONDS = 0.2  # for them, for each engine
_BETTER = 1.1  # times as quick must an engine be to be taken instead of the first
_FILE = "engines.json"


def fastest(
    question: str, starts: Mapping[str, Callable[[], _J]], image: NDArray[np.float32]
) -> _J:
    """Start the engine that was the fastest for this question, or find out which that is.

    An engine that cannot be started or run is passed over while another one can. The first is
    taken where none is clearly quicker.

    Args:
        question: Everything that the answer depends on: network, precision, threads, machine.
        starts: Starts each engine, by its name.
        image: A batch of the network's usual size.

    Raises:
        BmisError: No engine can be started and run; what the first one says.
    """
    answers = recall(_FILE)
    known = answers.get(question, "")
    if known in starts:
        return starts[known]()
    times: dict[str, float] = {}
    started: dict[str, _J] = {}
    faults: list[BmisError] = []
    for name, start in starts.items():
        try:
            started[name] = start()
            times[name] = _seconds(started[name], image)
        except BmisError as error:
            faults.append(error)
    if not times:
        raise faults[0]
    first = next(iter(times))
    best = min(times, key=lambda name: times[name] * (1 if name == first else _BETTER))
    if not faults:  # what failed for want of memory may be the fastest the next time
        remember(_FILE, {**answers, question: best})
    return started[best]


def _seconds(infer: Judge, image: NDArray[np.float32]) -> float:
    """The fastest of some calls."""
    for _ in range(_WARM_UP):
        infer(image)
    best, begun = float("inf"), time.perf_counter()
    for _ in range(_CALLS):
        before = time.perf_counter()
        infer(image)
        after = time.perf_counter()
        best = min(best, after - before)
        if after - begun > _SECONDS:
            break
    return best
