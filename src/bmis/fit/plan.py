"""How the time is shared: how long each training may be, and how many of them there are."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bmis.config import Settings
from bmis.errors import BmisError, ConfigError
from bmis.fit.candidates import Candidate
from bmis.fit.costs import Costed
from bmis.fit.facts import DataFacts
from bmis.fit.settings import FitConfig
from bmis.models import build_untrained, size_options
from bmis.profile.network import profile_model
from bmis.system.processor import usable_cores
from bmis.system.progress import track
from bmis.train.recipes import find_recipe
from bmis.wording import counted, duration

FACTOR = 3  # by which each step of the search trains longer than the one before
FEWEST = FACTOR**2  # epochs of the last training; the first step of the search takes one then
_LAST = 0.4  # share of the time that the last training may take
_MARGIN = 1.3  # times what steps alone take: augmentation, validation, files
_FINISH = 120.0  # seconds for export, timing and scores
_SECONDS = 0.2  # least time of a measurement

SecondsOfEpoch = Callable[[Candidate, int], float]  # with a number of threads


@dataclass(frozen=True)
class Contender(Settings):
    """A candidate that takes part in the search.

    Attributes:
        costed: The candidate and what it costs.
        epoch_seconds: Time of one epoch of its training.

    Example:
        >>> from bmis.fit.candidates import Counted
        >>> one = Costed(Counted(Candidate("unet"), {}, 100, 1), (), True)
        >>> Contender(one, epoch_seconds=3.5).name
        'unet at 224'
    """

    costed: Costed
    epoch_seconds: float

    @property
    def candidate(self) -> Candidate:
        """The candidate itself."""
        return self.costed.candidate

    @property
    def name(self) -> str:
        """Network and size, for people."""
        return self.candidate.name


@dataclass(frozen=True)
class EpochTimes(Settings):
    """How long an epoch of each candidate takes, as far as that was timed.

    Attributes:
        seconds: By the name of the candidate and the number of threads.

    Example:
        >>> EpochTimes({"unet at 224, 1 thread": 3.5}).seconds
        {'unet at 224, 1 thread': 3.5}
    """

    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan(Settings):
    """What is trained for how long.

    Attributes:
        contenders: The candidates that take part, the first to be tried first.
        too_slow: Those whose training would take too long, by name.
        epochs: Of the last training.
        trials: How many trainings the search begins.
        seconds: Time for the search.
        threads: Of each training.
        spent: Seconds that were gone before the search.

    Example:
        >>> Plan((), (), epochs=60, trials=12, seconds=3600.0).steps
        (6, 20)
    """

    contenders: tuple[Contender, ...]
    too_slow: tuple[str, ...]
    epochs: int
    trials: int
    seconds: float
    threads: int = 1
    spent: float = 0.0

    @property
    def steps(self) -> tuple[int, int]:
        """Epochs of a trial's first training, and of its second if the first was good."""
        return max(1, self.epochs // FACTOR**2), max(2, self.epochs // FACTOR)

    def in_words(self) -> str:
        """What will be done, in one sentence."""
        first, second = self.steps
        return (
            f"{counted(len(self.contenders), 'candidate')}; "
            f"{counted(self.trials, 'trial')} of {counted(first, 'epoch')}, the better third goes "
            f"on with {second}, in about {duration(self.seconds)}; then the best is trained for "
            f"{counted(self.epochs, 'epoch')}"
        )


def make_plan(
    found: Sequence[Costed],
    config: FitConfig,
    gone: Callable[[], float],
    epoch_seconds: SecondsOfEpoch,
) -> Plan:
    """Share what is left of the time.

    Args:
        found: The candidates within the budget.
        config: The time, the longest training and perhaps the number of trials.
        gone: Gives the seconds that are gone; timing the candidates takes some too.
        epoch_seconds: How long one epoch of a candidate takes with some threads.

    Raises:
        ConfigError: The time does not suffice for one training.

    Example:
        >>> from bmis.fit.candidates import Counted
        >>> unet = Costed(Counted(Candidate("unet"), {}, 100, 1), (), True)
        >>> config = FitConfig("polyps", max_ms=10, hours=1)
        >>> plan = make_plan([unet], config, lambda: 600.0, epoch_seconds=lambda *_: 10.0)
        >>> plan.epochs, plan.trials
        (60, 17)
    """
    threads = 1
    if config.workers == 1:
        threads = _choose_threads(found[0].candidate, epoch_seconds)
    timed = _time(found, threads, epoch_seconds)
    spent = gone()
    left = 3600 * config.hours - spent - _FINISH
    shortest = min(timed, key=lambda one: one.epoch_seconds)
    if left < 2 * FEWEST * shortest.epoch_seconds:  # a search of nothing is no search
        raise _too_little(config, f"measuring took {duration(spent)}", spent, shortest)
    usual = min(median(one.epoch_seconds for one in timed), _LAST * left / FEWEST)
    epochs = max(FEWEST, min(config.epochs, int(_LAST * left / usual)))
    trained = [one for one in timed if epochs * one.epoch_seconds <= left / 2] or [shortest]
    dearest = max(one.epoch_seconds for one in trained)
    seconds = left - epochs * dearest
    mean = sum(one.epoch_seconds for one in trained) / len(trained)
    first, second = Plan((), (), epochs, 0, 0).steps
    each = mean * (first + second / FACTOR) / config.workers
    trials = config.trials or max(1, int(seconds / each))
    if config.trials:
        seconds = trials * each
    slow = tuple(one.name for one in timed if one not in trained)
    return Plan(tuple(trained), slow, epochs, trials, seconds, threads, spent)


def check_time(one: Costed, config: FitConfig, spent: float, epoch_seconds: SecondsOfEpoch) -> None:
    """Raise ``ConfigError`` if the time does not suffice for one network, before all are measured.

    Args:
        one: The network that trains fastest.
        config: The time.
        spent: Seconds that are gone.
        epoch_seconds: How long one epoch takes with some threads.

    Example:
        >>> from bmis.fit.candidates import Counted
        >>> unet = Costed(Counted(Candidate("unet"), {}, 100, 1), (), False)
        >>> check_time(unet, FitConfig("polyps", max_ms=10, hours=0.1), 10.0, lambda *_: 60.0)
        Traceback (most recent call last):
        bmis.errors.ConfigError: --hours 0.1 is too little: ... give --hours 0.42 or more
    """
    try:
        found = Contender(one, epoch_seconds(one.candidate, 1))
    except BmisError:
        return  # why it cannot be trained is said when all are timed
    if 3600 * config.hours - spent - _FINISH < 2 * FEWEST * found.epoch_seconds:
        finish = f"exporting and timing take about {duration(_FINISH)}"
        raise _too_little(config, finish, spent, found)


def _too_little(config: FitConfig, why: str, spent: float, shortest: Contender) -> ConfigError:
    needed = FEWEST * shortest.epoch_seconds
    hours = (spent + _FINISH + 2.5 * needed) / 3600
    return ConfigError(
        f"--hours {config.hours:g} is too little: {why}, and even {FEWEST} epochs of "
        f"{shortest.name} take about {duration(needed)} here; give --hours "
        f"{math.ceil(100 * hours) / 100:g} or more"
    )


def _choose_threads(candidate: Candidate, epoch_seconds: SecondsOfEpoch) -> int:
    """One thread or one for each core: beside other programs one is often faster."""
    numbers = list(dict.fromkeys((1, usable_cores())))
    if len(numbers) == 1:
        return 1
    try:
        return min(numbers, key=lambda number: epoch_seconds(candidate, number))
    except BmisError:
        return 1  # why it cannot be trained is said when all are timed


def _time(found: Sequence[Costed], threads: int, epoch_seconds: SecondsOfEpoch) -> list[Contender]:
    """The candidates that can be trained here, each with the time of an epoch."""
    timed, errors = list[Contender](), list[str]()
    for one in track(found, "timing training steps"):
        try:
            timed.append(Contender(one, epoch_seconds(one.candidate, threads)))
        except BmisError as error:
            errors.append(f"{one.candidate.name}: {error}")
    if not timed:
        raise ConfigError(f"none of the networks within the budget can be trained; {errors[0]}")
    return timed


def time_epoch(candidate: Candidate, facts: DataFacts, threads: int) -> float:
    """How long one epoch takes here, from the time of a few steps, in seconds.

    Raises:
        BmisError: The network cannot be trained here.

    Example:
        >>> from bmis import open_dataset
        >>> from bmis.fit.facts import read_facts
        >>> facts = read_facts(open_dataset("polyps"))
        >>> time_epoch(Candidate("unet", {"widths": [4, 8]}, (32, 32)), facts, threads=1) > 0
        True
    """
    batch = find_recipe("default").batch_size
    model = build_untrained(
        candidate.model,
        in_channels=facts.channels,
        num_classes=len(facts.classes),
        **size_options(candidate.model, candidate.options, candidate.size),
    )
    (cost,) = profile_model(
        model, size=candidate.size, batches=(batch,), threads=threads, seconds=_SECONDS
    ).batches
    if cost.step_ms is None:
        raise ConfigError(f"not enough memory to train with {counted(batch, 'image')} at once")
    steps = -(-facts.images["train"] * _crops(candidate, facts) // batch)
    checked = facts.images["val"] * candidate.tiles(facts.size, 1) / cost.images_per_second
    return _MARGIN * (steps * cost.step_ms / 1e3 + checked)


def _crops(candidate: Candidate, facts: DataFacts) -> int:
    """Crops of an image in each epoch: about as many as cover it."""
    if candidate.resize != "native":
        return 1
    pixels = facts.size[0] * facts.size[1]
    return max(1, round(pixels / (candidate.size[0] * candidate.size[1])))
