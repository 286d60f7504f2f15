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
_WINDOW = 5.0  # seconds over which the rate is watched afterwards
_HALVED = 0.5  # share of the first rate at which another search begins ...
_AGAIN = 600.0  # ... as it does after this many seconds: the other work may have ended


class ThreadSearch:
    """Tries numbers of threads on the training's own steps, and keeps the fastest.

    It goes from the highest number down, by halves, and ends where the steps become slower. So no
    step is wasted, and few are slow. The number changes nothing but the order in which floats are
    added.

    Example:
        >>> now, used = [0.0], []
        >>> search = ThreadSearch(4, clock=lambda: now[0], use=used.append)
        >>> search.begin()
        >>> while not search.chosen:
        ...     now[0] += 0.2 * used[-1]  # the more threads, the slower
        ...     search.step_done(8)
        >>> used
        [4, 2, 1, 1]
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float] = time.perf_counter,
        use: Callable[[int], None] = torch.set_num_threads,
    ) -> None:
        """Begin with the highest number.

        Args:
            most: The highest number that is tried.
            clock: Seconds since some moment.
            use: Sets the number of threads.
        """
        self.chosen: int | None = None  # the last choice, also while another search goes on
        self._numbers = [most, *(n for n in (2**k for k in range(10, -1, -1)) if n < most)]
        self._clock, self._use = clock, use
        self._last, self._warm = clock(), False
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
        if number == 1 or self._rates[number] < _WORSE * max(self._rates.values()):
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
        self.chosen, self._searching, self._since = number, False, self._last

    def _watch(self) -> None:
        """Begin another search if the rate has halved, or after some minutes."""
        seconds = sum(time for _, time in self._steps)
        if seconds < _WINDOW or self.chosen is None:
            return
        rate = sum(images for images, _ in self._steps) / seconds
        self._steps = []
        if rate < _HALVED * self._rates[self.chosen] or self._last - self._since > _AGAIN:
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
