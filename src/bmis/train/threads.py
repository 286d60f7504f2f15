"""How many threads a training computes with: the number that is fastest on this machine, now.

On an idle machine that is one for each core. Beside other work it is often one: threads that wait
for one another lose many times what they bring.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch

from bmis.config import TrainConfig
from bmis.train.fabric import wants_cuda
from bmis.wording import counted

_log = logging.getLogger("bmis")
_STEPS, _SECONDS = 3, 0.4  # that a number is tried for at least ...
_LONG = 1.0  # ... unless its steps have taken as many seconds by then
_WORSE = 0.9  # a number with this share of the best rate, or less, ends the search
_WINDOW = 30.0  # seconds of each measurement of the rate afterwards
_SAME = (0.5, 1.5)  # shares of the first of these between which no other search begins


class ThreadSearch:
    """Tries numbers of threads on the training's own steps, and keeps the fastest.

    It tries 1, 2, 4 and so on, and ends where the steps become slower: one thread is never slow by
    more than the number of cores, but too many may be by any amount. When the rate halves, other
    work has begun, and when it rises by half, other work has ended: then it tries again. The number
    changes nothing but the order in which floats are added.

    Attributes:
        chosen: The last number that was chosen; None while the first search goes on.

    Example:
        >>> now, used = [0.0], []
        >>> search = ThreadSearch(4, clock=lambda: now[0], use=used.append)
        >>> search.begin()
        >>> while not search.chosen:
        ...     now[0] += (0.4 - used[-1] / 10) ** 2 + 0.1  # 4 threads are as fast as 2
        ...     search.step_done(8)
        >>> used
        [1, 2, 4, 4]
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float] = time.perf_counter,
        use: Callable[[int], None] | None = None,
    ) -> None:
        """Begin with one thread.

        Args:
            most: The highest number that is tried.
            clock: Seconds since some moment.
            use: Sets the number of threads; by default that of torch.
        """
        self.chosen: int | None = None
        self._numbers = [*(n for n in (2**k for k in range(10)) if n < most), most]
        self._clock, self._use = clock, use or torch.set_num_threads
        self._last, self._warm = clock(), False
        self._first_rate: float | None = None  # images a second, soon after the choice
        self._start()

    def _start(self) -> None:
        """Begin a search."""
        self._rates: dict[int, float] = {}  # images a second by number
        self._steps: list[tuple[int, float]] = []  # images and seconds
        self._searching = True
        self._use(self._numbers[0])

    def begin(self) -> None:
        """Note that the steps of an epoch begin: the time since the last one does not count."""
        self._last = self._clock()

    def step_done(self, images: int) -> None:
        """Note that a step of so many images is done, and change the number if it is time to."""
        now = self._clock()
        seconds, self._last = now - self._last, now
        if not self._warm:  # the first step of a process takes longer than all others
            self._warm = True
            return
        self._steps.append((images, seconds))
        if self._searching:
            self._try()
        else:
            self._watch()

    def _try(self) -> None:
        """Go on to the next number once this one has been tried for long enough."""
        seconds = sum(time for _, time in self._steps)
        if seconds < _LONG and (len(self._steps) < _STEPS or seconds < _SECONDS):
            return
        number = self._numbers[len(self._rates)]
        counted_steps = self._steps[1:] or self._steps  # threads start in the first
        self._rates[number] = median(images / time for images, time in counted_steps)
        self._steps = []
        if number == self._numbers[-1] or self._rates[number] < _WORSE * max(self._rates.values()):
            self._choose(max(self._rates, key=self._rates.__getitem__))
        else:
            self._use(self._numbers[len(self._rates)])

    def _choose(self, number: int) -> None:
        self._use(number)
        if number != self.chosen:
            tried = ", ".join(f"{n}: {rate:.1f}" for n, rate in sorted(self._rates.items()))
            _log.info(
                "computing with %s (images/s by threads: %s)", counted(number, "thread"), tried
            )
        self.chosen, self._searching, self._first_rate = number, False, None

    def _watch(self) -> None:
        """Begin another search if the rate has changed much."""
        seconds = sum(time for _, time in self._steps)
        if seconds < _WINDOW:
            return
        rate = sum(images for images, _ in self._steps) / seconds
        self._steps = []
        if self._first_rate is None:
            self._first_rate = rate
        elif not _SAME[0] <= rate / self._first_rate <= _SAME[1]:
            self._start()


def chooses_threads(config: TrainConfig) -> bool:
    """Whether a training finds its number of threads itself.

    It does not where the number is given, by ``OMP_NUM_THREADS`` too; where the same bits are
    wanted, which depend on it; on a GPU; with several processes, which share the cores; and in a
    compiled network, which is made for one number.

    Example:
        >>> chooses_threads(TrainConfig("polyps", threads=2))
        False
    """
    return not (
        config.threads
        or config.deterministic
        or config.compile
        or config.devices * config.nodes > 1
        or "OMP_NUM_THREADS" in os.environ
        or torch.get_num_threads() == 1
        or wants_cuda(config)
    )


@contextmanager
def training_threads(config: TrainConfig, earlier: int | None) -> Iterator[ThreadSearch | None]:
    """Set the number of threads for a training, and set it back afterwards.

    Args:
        config: Its settings.
        earlier: Threads of the session before, if the training goes on: the same bits need them.

    Yields:
        A search, to be told of each step; None where the number stays.

    Example:
        >>> with training_threads(TrainConfig("polyps", threads=1), None) as search:
        ...     torch.get_num_threads(), search
        (1, None)
    """
    before = torch.get_num_threads()
    number = config.threads or (earlier if config.deterministic else None)
    try:
        if number:
            torch.set_num_threads(number)
        yield ThreadSearch(before) if chooses_threads(config) else None
    finally:
        torch.set_num_threads(before)
