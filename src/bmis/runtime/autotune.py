"""Which of several engines is the fastest on this machine: measured once, then remembered.

The result is kept in ``engines.json``; see ``system.cache``.
"""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bmis.errors import BmisError, MissingExtraError, NoMemoryError
from bmis.system.cache import recall, remember

Infer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_I = TypeVar("_I", bound=Infer)
_WARM_UP = 2  # calls that are not counted: they compile and fill caches
_CALLS = 5  # at most, that are counted; the fastest shows best what the engine can do
_SECONDS = 0.2  # for the calls of each engine that are counted
_BETTER = 1.04  # so many times faster must an engine be to be taken instead of the first
_FILE = "engines.json"


def fastest(
    question: str, starts: Mapping[str, Callable[[], _I]], image: NDArray[np.float32]
) -> _I:
    """Start the engine that was the fastest for this question, or find out which that is.

    An engine that is not there or lacks the memory is passed over as long as another one runs. What
    one engine refuses is refused: no other gets to see a graph that may be hostile. The first
    engine is taken where no other is clearly faster.

    Args:
        question: Everything that the answer depends on: network, precision, threads, machine.
        starts: Functions that start an engine, by the name of the engine.
        image: A batch of the network's usual size.

    Raises:
        BmisError: An engine refuses the graph, or none can be started and run. This is the error
            of the first.

    Example:
        >>> image = np.zeros((1, 1, 8, 8), np.float32)
        >>> chosen = fastest("example", {"negative": lambda: np.negative}, image)
        >>> chosen is np.negative
        True
    """
    answers = recall(_FILE)
    known = answers.get(question, "")
    if known in starts:
        return starts[known]()
    started: dict[str, _I] = {}
    errors: list[BmisError] = []
    for name, start in starts.items():
        try:
            engine = start()
            _call(engine, image, _WARM_UP)
            started[name] = engine
        except (MissingExtraError, NoMemoryError) as error:
            errors.append(error)
    if not started:
        raise errors[0]
    times = _in_turns(started, image)
    first = next(iter(times))
    best = min(times, key=lambda name: times[name] * (1 if name == first else _BETTER))
    if not errors:  # what failed for want of memory may be the fastest the next time
        remember(_FILE, {**answers, question: best})
    return started[best]


def seconds_of(infer: Infer, image: NDArray[np.float32]) -> float:
    """Time of the fastest of some calls, after some that do not count.

    Example:
        >>> seconds_of(np.negative, np.zeros((1, 1, 8, 8), np.float32)) < 0.1
        True
    """
    _call(infer, image, _WARM_UP)
    return _in_turns({"it": infer}, image)["it"]


def _in_turns(started: Mapping[str, Infer], image: NDArray[np.float32]) -> dict[str, float]:
    """Time of the fastest call of each, in turns, so that what slows the machine meets all."""
    best, spent = dict.fromkeys(started, float("inf")), dict.fromkeys(started, 0.0)
    for _ in range(_CALLS):
        for name in (name for name in started if spent[name] <= _SECONDS):
            seconds = _call(started[name], image)
            best[name], spent[name] = min(best[name], seconds), spent[name] + seconds
    return best


def _call(infer: Infer, image: NDArray[np.float32], times: int = 1) -> float:
    """Seconds of some calls."""
    before = time.perf_counter()
    for _ in range(times):
        infer(image)
    return time.perf_counter() - before
