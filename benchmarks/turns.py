"""Two ways to do one thing, timed in turns, so that whatever slows the machine meets both."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def alternate(name: str, ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    """Time two ways in turns, and print how many times faster the second is, by medians."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, work in ways.items():
            start = time.perf_counter()
            work()
            if number:  # the first one allocates
                seconds[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    first, second = medians.values()
    print(f"{name}: {first / second:.2f}x faster", flush=True)
    return {"seconds": seconds, "medians": medians, "speedup": first / second}
