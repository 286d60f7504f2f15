"""Times of single calls, the same way for every kind of runtime."""

import time
from collections.abc import Callable

Step = Callable[[], object]

_WARM_UP = 3  # calls that are not counted: they allocate, choose kernels and fill caches
_LEAST = 10  # calls that are counted
_FEWEST = 3  # of slow calls,
_SLOW = 10  # that is, when their sum is so many times the least sum


def time_calls(
    step: Step,
    *,
    seconds: float,
    synchronise: Step = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Time single calls, after some that are not counted, until they add up to ``seconds``.

    Args:
        step: What to time.
        seconds: Least sum of the times. At least ten calls are counted; of slow steps only as many
            as take ten times this, but three at least.
        synchronise: Waits until the device has done all that it was given. It is called before
            every look at the clock.
        clock: Gives the time in seconds.

    Returns:
        Seconds of each call.

    Example:
        >>> times = time_calls(lambda: sum(range(100)), seconds=0.0)
        >>> len(times) >= 3
        True
    """

    def timed() -> float:
        synchronise()
        start = clock()
        step()
        synchronise()
        return clock() - start

    warm_up = [timed()]
    while len(warm_up) < _WARM_UP and sum(warm_up) < _SLOW * seconds:
        warm_up.append(timed())
    times: list[float] = []
    while (
        sum(times) < seconds
        or len(times) < _FEWEST
        or (len(times) < _LEAST and sum(times) < _SLOW * seconds)
    ):
        times.append(timed())
    return times
