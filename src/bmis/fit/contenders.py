"""Which candidates take part in the search: measured step by step, those over budget dropped."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from bmis.config import Settings
from bmis.errors import ConfigError
from bmis.fit.candidates import OWN, Counted, evenly, group_of
from bmis.fit.costs import (
    Costed,
    Measure,
    Measured,
    Prices,
    Ways,
    cost_all,
    overshoot,
    try_to_measure,
)
from bmis.fit.device import costs_in_words
from bmis.fit.settings import FitConfig
from bmis.system.progress import progress_bar
from bmis.wording import short

_log = logging.getLogger(__name__)
_ANCHORS = 3  # candidates that are measured before anything is predicted
_EACH = {"bmis_edge": 4, "bmis": 2}  # sizes of a group that take part; of others one
_OTHERS = 6  # other networks that take part
_MOST = 24  # candidates that are measured
_SHARE = 0.25  # of the time that measuring may take, and twice as much if nothing fits
SURE = 1.1  # times its predicted costs that a candidate that is not measured must fit with
_NEAREST = 3


@dataclass(frozen=True)
class Measurements(Settings):
    """What was measured so far.

    Attributes:
        measured: In the order of measuring.

    Example:
        >>> Measurements(()).seconds
        0
    """

    measured: tuple[Measured, ...] = ()

    @property
    def seconds(self) -> float:
        """Time that the measuring took."""
        return sum(one.seconds for one in self.measured)


def measure_contenders(
    counted: Sequence[Counted],
    config: FitConfig,
    measure: Measure,
    *,
    known: Measurements,
    save: Callable[[Measurements], None],
) -> Measurements:
    """Measure candidates one after the other, each time the one that then matters most.

    Args:
        counted: All candidates.
        config: The budget.
        measure: Measures one candidate.
        known: What was measured before.
        save: Is told after each measurement.

    Example:
        >>> from bmis.fit.candidates import Candidate
        >>> from bmis.fit.device import WayCost
        >>> unet = Counted(Candidate("unet"), {"dense": 4.0}, 1000, 1)
        >>> config = FitConfig("polyps", max_ms=10)
        >>> done = measure_contenders([unet], config, lambda c: (WayCost("openvino", "int8", 2.0),),
        ...                           known=Measurements(), save=lambda now: None)
        >>> len(done.measured)
        1
    """
    measured = list(known.measured)
    with progress_bar("measuring candidates", _MOST, initial=len(measured)) as bar:
        while (following := _next(counted, measured, config)) is not None:
            bar.set_description(f"measuring {following.candidate.name}")
            measured.append(_measure(following, measured, counted, measure))
            save(Measurements(tuple(measured)))
            bar.update()
            _log.info("  %s", describe(measured[-1]))
    return Measurements(tuple(measured))


def describe(one: Measured) -> str:
    """What was measured of a candidate, in one line.

    Example:
        >>> from bmis.fit.candidates import Candidate
        >>> describe(Measured(Candidate("unet"), (), error="cannot be exported"))
        'unet at 224: cannot be exported'
    """
    if one.error or not one.ways:
        return f"{one.candidate.name}: {one.error or 'no engine runs it'}"
    best = min(one.ways, key=lambda way: way.ms)
    guess = one.predicted.get(best.name)
    before = f", predicted {short(guess)}" if guess is not None else ""
    return f"{one.candidate.name}: {short(best.ms)} ms by {best.name}{before}"


def _measure(
    one: Counted, measured: Sequence[Measured], counted: Sequence[Counted], measure: Measure
) -> Measured:
    predicted = {}
    if len(measured) >= _ANCHORS and (rows := rows_of(measured, counted)):
        predicted = {way.name: way.ms for way in Prices(rows).predict(one)}
    begun = time.monotonic()
    ways, error = try_to_measure(one.candidate, measure)
    return Measured(one.candidate, ways, predicted, error, time.monotonic() - begun)


def rows_of(measured: Sequence[Measured], counted: Sequence[Counted]) -> list[tuple[Counted, Ways]]:
    """What was measured, each with what the network computes.

    Example:
        >>> rows_of([], [])
        []
    """
    known = {one.candidate.name: one for one in counted}
    return [
        (known[one.candidate.name], one.ways)
        for one in measured
        if one.ways and one.candidate.name in known
    ]


def _next(
    counted: Sequence[Counted], measured: Sequence[Measured], config: FitConfig
) -> Counted | None:
    """The candidate to measure now; None if enough is known."""
    done = {one.candidate.name for one in measured}
    for anchor in _anchors(counted):
        if anchor.candidate.name not in done and len(rows_of(measured, counted)) < _ANCHORS:
            return anchor
    rows = rows_of(measured, counted)
    if not rows:
        return None
    costed = cost_all(counted, measured, Prices(rows), config)
    share = sum(one.seconds for one in measured) / (3600 * config.hours)
    fits = contenders([one for one in costed if one.measured], config)
    wanted = contenders(costed, config) or nearest(costed, config)
    following = next((one.counted for one in wanted if not one.measured), None)
    if following and (len(measured) >= _MOST or share > (_SHARE if fits else 2 * _SHARE)):
        _log.info("  enough time went into measuring: what is not measured takes no part")
        return None
    return following


def _anchors(counted: Sequence[Counted]) -> Iterator[Counted]:
    """Candidates of little, middle and much work; then all others, should these not run."""
    own = [one for one in counted if one.candidate.model in OWN] or list(counted)
    by_work = sorted(own, key=lambda one: one.work)
    yield from evenly(by_work[: max(_ANCHORS, 2 * len(by_work) // 3)], _ANCHORS)
    yield from by_work


def contenders(costed: Sequence[Costed], config: FitConfig, *, sure: float = 1.0) -> list[Costed]:
    """The candidates within the budget that take part in the search, the first to be tried first.

    Of each network and size that is the variant with the most work, for more of it rarely harms.
    BMIS Edge takes part at four sizes, BMIS at two, and six other networks at one.

    Args:
        costed: All candidates with their costs.
        config: The budget.
        sure: Times its costs that a candidate which was not measured must fit with.

    Example:
        >>> contenders([], FitConfig("polyps", max_ms=10))
        []
    """
    inside = [
        one
        for one in costed
        if overshoot(one.ways[0], config) <= (1.0 if one.measured else 1 / sure)
    ]
    ordered = sorted(inside, key=lambda one: group_of(one.candidate))
    groups = {
        name: _best_of_sizes(list(members))
        for name, members in groupby(ordered, key=lambda one: group_of(one.candidate))
    }
    mine = [one for name in OWN for one in evenly(groups.get(name, []), _EACH[name])[::-1]]
    others = [found[-1] for name, found in groups.items() if name not in OWN]
    others.sort(key=lambda one: -one.counted.work)
    return [*mine, *others[:_OTHERS]]


def _best_of_sizes(members: list[Costed]) -> list[Costed]:
    """Of each size the variant with the most work, smallest size first."""
    members.sort(key=lambda one: (one.candidate.size, one.counted.work))
    best = {one.candidate.size: one for one in members}
    return list(best.values())


def nearest(costed: Sequence[Costed], config: FitConfig) -> list[Costed]:
    """The candidates that come nearest to the budget.

    Example:
        >>> nearest([], FitConfig("polyps", max_ms=10))
        []
    """
    return sorted(costed, key=lambda one: overshoot(one.ways[0], config))[:_NEAREST]


def check_budget(costed: Sequence[Costed], config: FitConfig, found: Sequence[Costed]) -> None:
    """Raise ``ConfigError`` if nothing fits, with what comes nearest and what that needs.

    Args:
        costed: All candidates that the engine runs.
        config: The budget.
        found: Those of them that are within it.

    Example:
        >>> from bmis.fit.candidates import Candidate
        >>> from bmis.fit.device import WayCost
        >>> way = WayCost("openvino", "int8", ms=2.0, mb=0.5)
        >>> unet = Costed(Counted(Candidate("unet"), {}, 1000, 1), (way,), True)
        >>> check_budget([unet], FitConfig("polyps", max_ms=1), [])
        Traceback (most recent call last):
        bmis.errors.ConfigError: no network meets the budget; the nearest: unet at 224 (2.00 ms, ...
    """
    if found:
        return
    if not costed:
        raise ConfigError(f"no candidate runs by {config.engine}; choose another --engine")
    close = "; ".join(
        f"{one.candidate.name} ({costs_in_words(one.ways[0])})" for one in nearest(costed, config)
    )
    raise ConfigError(
        f"no network meets the budget; the nearest: {close}; allow as much with --max-ms"
        f"{', --max-mb' if config.max_mb else ''}{', --max-memory' if config.max_memory else ''}"
    )
