"""The command ``fit``: the best network for some images within a time and a size.

Each step leaves its file in the output folder, so that a call that was killed goes on when it is
repeated.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bmis.data.cases import Dataset
from bmis.data.folder import open_dataset
from bmis.errors import ConfigError, TrainingInterrupted
from bmis.fit.busy import warn_if_busy
from bmis.fit.candidates import Candidate, Counts, Network, count_candidates, list_networks
from bmis.fit.checks import (
    check_packages,
    check_teacher,
    find_device,
    inputs_of,
    with_absolute_paths,
)
from bmis.fit.clock import Clock
from bmis.fit.contenders import (
    SURE,
    Measurements,
    check_budget,
    contenders,
    measure_contenders,
    rows_of,
)
from bmis.fit.costs import (
    Costed,
    Prices,
    Ways,
    cost_all,
    overshoot,
    prediction_error,
    rows_of_device,
    warn_if_unlike,
)
from bmis.fit.device import DeviceFile
from bmis.fit.facts import DataFacts, read_facts
from bmis.fit.finish import Finish, TestScores, finish, score_test
from bmis.fit.page import write_page
from bmis.fit.plan import EpochTimes, Plan, check_time, make_plan, time_epoch
from bmis.fit.result import RECORD, Fitted, make_rows, outlook, refused_rows
from bmis.fit.search import search, train_and_score
from bmis.fit.settings import FitConfig
from bmis.fit.state import PLAN, claim_folder, only_here, recalled, remembered
from bmis.fit.trials import Trials
from bmis.fit.untrained import BENCH, measure_untrained
from bmis.fit.workers import Score
from bmis.importing.suggest import point_to_import
from bmis.system.files import output_folder, write_json
from bmis.wording import counted, duration

_log = logging.getLogger(__name__)
_STEPS = 5


@dataclass(frozen=True)
class Tools:
    """What a fit tries and measures with; tests bring faster ones.

    Attributes:
        networks: Names and options of the candidates; BMIS and the light networks if not given.
        measure: Gives the costs of an untrained candidate: ``measure(candidate, channels=,
            classes=, threads=)``.
        epoch_seconds: Gives the time of an epoch of a candidate on some data with some threads.
        score: Trains with some settings in a folder, and gives the validation IoU.

    Example:
        >>> Tools().score.__name__
        'train_and_score'
    """

    networks: Sequence[Network] | None = None
    measure: Callable[..., Ways] = measure_untrained
    epoch_seconds: Callable[[Candidate, DataFacts, int], float] = time_epoch
    score: Score = train_and_score


def fit_model(config: FitConfig, *, out: Path | str = "fit", tools: Tools | None = None) -> Fitted:
    """Find, train and export the best network for some images within a budget.

    Leaves ``best.bmis``, the run folder that it came from, ``report.html`` and ``fit.json`` in
    ``out``. A call that was stopped or killed goes on where it was when it is repeated, and ends
    with the same network.

    Args:
        config: Data, budget and time.
        out: Folder of the fit.
        tools: What it tries and measures with, if not the usual ones.

    Raises:
        ConfigError: Nothing meets the budget, the time does not suffice for one training, or the
            folder holds a fit with other settings, or one that runs now.
        DataError: The data set or the device file cannot be used.
        BundleError: No finalist passes the gate of the export within the budget.
        MissingExtraError: Optuna, an engine or what the export needs is not installed.
        TrainingInterrupted: Ctrl-C.

    Example:
        >>> fit_model(FitConfig("nowhere", max_ms=10))
        Traceback (most recent call last):
        bmis.errors.DataError: ...nowhere: there is no such folder; ...
    """
    config = with_absolute_paths(config)
    check_packages(config)
    device = find_device(config)
    point_to_import(Path(config.data))
    dataset = open_dataset(config.data, seed=config.seed)
    for split in ("train", "val"):
        dataset.split(split)
    inputs = inputs_of(config, dataset)
    folder = output_folder(Path(out))
    with only_here(folder):
        claim_folder(folder, config, inputs)
        with Clock(folder) as clock:
            try:
                return _Fit(config, folder, dataset, device, tools or Tools(), clock).run()
            except KeyboardInterrupt:
                raise TrainingInterrupted("stopped; give the same command again to go on") from None


class _Fit:
    """The steps of one fit, each of which leaves a file."""

    def __init__(
        self,
        config: FitConfig,
        folder: Path,
        dataset: Dataset,
        device: DeviceFile | None,
        tools: Tools,
        clock: Clock,
    ) -> None:
        self.config, self.folder, self.dataset = config, folder, dataset
        self.device, self.tools, self.clock = device, tools, clock

    def run(self) -> Fitted:
        """Do the steps that are not done yet, and write the result."""
        self._say(1, "reading the data")
        facts = remembered(self.folder / "data.json", DataFacts, lambda: read_facts(self.dataset))
        for sentence in facts.in_words():
            _log.info("  %s", sentence)
        check_teacher(self.config, facts, self.dataset)
        self._say(2, "measuring before training")
        planned = (self.folder / PLAN).exists()
        if self.device is None and not planned:
            warn_if_busy()
        counts = self._count(facts)
        if not planned:
            self._check_time(counts, facts)
        measurements = self._measure(counts, facts)
        costed = self._cost(counts, measurements)
        self._say(3, "search")
        plan = self._plan(facts, costed)
        _log.info("  %s", plan.in_words())
        trials = self._search(plan)
        self._say(4, "training, exporting and timing the best")
        ends = self._finish(trials, plan, facts)
        self._say(5, "writing the report")
        out, config = self.folder, self.config
        found = Fitted(
            out=str(out),
            config=config,
            facts=facts,
            plan=plan.in_words(),
            finish=ends[0],
            test=ends[1],
            rows=(
                *make_rows(config, costed, measurements, plan, trials, ends[0]),
                *refused_rows(counts.refused),
            ),
            candidates=(len(costed), sum(overshoot(one.ways[0], config) <= 1 for one in costed)),
            latency_error=prediction_error(measurements.measured),
            outlook=tuple(outlook(config, costed, plan, trials)),
        )
        write_json(out / RECORD, found.to_dict())
        write_page(found, self.dataset)
        return found

    def _say(self, number: int, what: str) -> None:
        """Name a step and the time that is left, of which earlier calls have spent some."""
        left = duration(max(0.0, 3600 * self.config.hours - self.clock.seconds))
        _log.info("step %d of %d: %s (%s left)", number, _STEPS, what, left)

    def _networks(self) -> Sequence[Network]:
        return list_networks() if self.tools.networks is None else self.tools.networks

    def _count(self, facts: DataFacts) -> Counts:
        make = partial(count_candidates, self._networks(), facts)
        found = remembered(self.folder / "candidates.json", Counts, make)
        for name, reason in found.refused.items():
            _log.info("  %s cannot be a candidate: %s", name, reason)
        if not found.candidates:
            raise ConfigError(f"no network can be a candidate; {'; '.join(found.refused.values())}")
        return found

    def _epoch_seconds(self, facts: DataFacts, one: Candidate, threads: int) -> float:
        """Time of an epoch, which is measured once: timing all candidates takes minutes."""
        path, key = self.folder / "timed.json", f"{one.name}, {counted(threads, 'thread')}"
        known = dict((recalled(path, EpochTimes) or EpochTimes()).seconds)
        if key not in known:
            known[key] = self.tools.epoch_seconds(one, facts, threads)
            write_json(path, EpochTimes(known).to_dict())
        return known[key]

    def _check_time(self, counts: Counts, facts: DataFacts) -> None:
        least = min(counts.candidates, key=lambda one: one.work)
        seconds = partial(self._epoch_seconds, facts)
        check_time(Costed(least, (), False), self.config, self.clock.seconds, seconds)

    def _measure(self, counts: Counts, facts: DataFacts) -> Measurements:
        """What candidates cost here; nothing is measured for another machine."""
        if self.device is not None:
            return Measurements()
        path = self.folder / "measured.json"
        measure = partial(
            self.tools.measure,
            channels=facts.channels,
            classes=len(facts.classes),
            threads=self.config.threads,
        )
        return measure_contenders(
            counts.candidates,
            self.config,
            measure,
            known=recalled(path, Measurements) or Measurements(),
            save=lambda now: write_json(path, now.to_dict()),
        )

    def _cost(self, counts: Counts, measurements: Measurements) -> list[Costed]:
        bench = [(one.model, one.options) for one in BENCH]
        rows = (
            rows_of(measurements.measured, counts.candidates)
            if self.device is None
            else rows_of_device(self.device, [*self._networks(), *bench])
        )
        if not rows:
            raise ConfigError(f"no candidate can be measured; {measurements.measured[0].error}")
        prices = Prices(rows)
        if self.device is not None:
            warn_if_unlike(prices, rows, Path(self.config.device or "").name)
        return cost_all(counts.candidates, measurements.measured, prices, self.config)

    def _plan(self, facts: DataFacts, costed: Sequence[Costed]) -> Plan:
        sure = 1.0 if self.device is None else SURE
        known = costed if self.device else [one for one in costed if one.measured]
        taking_part = contenders(known, self.config, sure=sure)
        check_budget(costed, self.config, taking_part)
        make = partial(
            make_plan,
            taking_part,
            self.config,
            lambda: self.clock.seconds,
            partial(self._epoch_seconds, facts),
        )
        return remembered(self.folder / PLAN, Plan, make)

    def _search(self, plan: Plan) -> Trials:
        make = partial(search, plan, self.config, self.folder, self.tools.score, self.clock)
        return remembered(self.folder / "trials.json", Trials, make)

    def _finish(self, trials: Trials, plan: Plan, facts: DataFacts) -> tuple[Finish, TestScores]:
        config, folder = self.config, self.folder
        make = partial(finish, trials, plan, config, facts, folder)
        done = remembered(folder / "finish.json", Finish, make)
        test = partial(score_test, done, config, facts, folder)
        return done, remembered(folder / "test.json", TestScores, test)
