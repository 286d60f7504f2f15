"""The search: short trainings of the contenders, the better ones longer, on validation images.

``study`` says what is tried and which trials go on. A trial's proposal depends on the seed, its
number and the trials before it alone, and trainings are deterministic. So a search of one worker
that was killed ends as one that was not. With several workers, what was there before a trial
depends on which of them came first.
"""

import logging
import math
import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from bmis.config import TrainConfig
from bmis.data.folder import open_dataset
from bmis.errors import (
    BmisError,
    DataError,
    TrainingInterrupted,
    is_disk_full,
    is_out_of_memory,
)
from bmis.evaluate.validation import score_validation
from bmis.fit.clock import Clock
from bmis.fit.plan import Contender, Plan
from bmis.fit.settings import FitConfig
from bmis.fit.study import Study
from bmis.fit.trials import TrialResult, Trials
from bmis.fit.workers import Score, Worker
from bmis.system.progress import progress_bar
from bmis.train.recipes import find_recipe
from bmis.train.run import train_model
from bmis.wording import counted, time_left

if TYPE_CHECKING:
    from optuna import Trial

_log = logging.getLogger(__name__)
_OVERTIME = 1.25  # times the planned seconds after which no further trial begins


def search(plan: Plan, config: FitConfig, folder: Path, score: Score, clock: Clock) -> Trials:
    """Try the contenders, or go on with a search that is in the folder.

    Args:
        plan: The contenders, and how long they may be trained.
        config: Data, recipes, workers and seed.
        folder: Folder of the fit: ``search.db`` and ``trials/`` are in it.
        score: Trains with some settings in a folder, and gives the validation IoU. Several workers
            import it.
        clock: Counts the time of the fit, that of earlier calls too.

    Raises:
        DataError: A file cannot be read or written; the same call goes on when that is mended.
        MissingExtraError: Optuna is not installed.
        TrainingInterrupted: Ctrl-C; the same call goes on from there.

    Example:
        >>> from bmis.fit.candidates import Candidate, Counted
        >>> from bmis.fit.costs import Costed
        >>> unet = Contender(Costed(Counted(Candidate("unet"), {}, 100, 1), (), True), 1.0)
        >>> plan = Plan((unet,), (), epochs=9, trials=2, seconds=60.0)
        >>> Path("fit").mkdir()
        >>> asked, clock = FitConfig("polyps", max_ms=10), Clock(Path("fit"))
        >>> found = search(plan, asked, Path("fit"), lambda config, out: 0.5, clock)
        >>> [(one.contender, one.iou) for one in found.trials]
        [('unet at 224', 0.5), ('unet at 224', 0.5)]
    """
    found = _Search(plan, config, folder, clock)
    try:
        return found.run(score) if config.workers == 1 else found.run_side_by_side(score)
    except BmisError:
        raise
    except Exception as error:  # of the database
        if not is_disk_full(error):
            raise
        raise DataError(f"{folder}: the disk is full; make room, and go on") from error


def train_config(
    contender: Contender,
    config: FitConfig,
    *,
    recipe: str,
    rate: float,
    epochs: int,
    threads: int = 1,
) -> TrainConfig:
    """The settings of a training: deterministic, so that it can be resumed to the same end.

    Example:
        >>> from bmis.fit.candidates import Candidate, Counted
        >>> from bmis.fit.costs import Costed
        >>> unet = Contender(Costed(Counted(Candidate("unet"), {}, 100, 1), (), True), 1.0)
        >>> asked = FitConfig("polyps", max_ms=10)
        >>> train_config(unet, asked, recipe="fast", rate=0.5, epochs=6).learning_rate
        0.0015
    """
    candidate = contender.candidate
    return TrainConfig(
        config.data,
        candidate.model,
        candidate.options,
        recipe=recipe,
        learning_rate=rate * find_recipe(recipe).learning_rate,
        epochs=epochs,
        size=candidate.size,
        resize=candidate.resize,
        seed=config.seed,
        deterministic=True,
        threads=threads,
    )


def train_and_score(config: TrainConfig, run: Path) -> float:
    """Train, and give the mean IoU of the validation images at their own size.

    Raises:
        BmisError: See ``train_model``.

    Example:
        >>> config = TrainConfig("polyps", "unet", {"widths": [4, 8]}, epochs=1, size=(64, 64))
        >>> 0 <= train_and_score(config, Path("trial")) <= 1
        True
    """
    train_model(config, out=run, page=False)
    dataset = open_dataset(config.data, seed=config.seed)
    scores = score_validation(run, dataset, fold=None, seed=config.seed, device=config.device)
    return float(scores.summary["cases"]["iou"]["mean"] or 0.0)


class _Search:
    """Runs the trials of a study, in one thread or in several."""

    def __init__(self, plan: Plan, config: FitConfig, folder: Path, clock: Clock) -> None:
        self.plan, self.config, self.folder, self.clock = plan, config, folder, clock
        self.study = Study(plan, config, folder)
        self._killed = self.study.running()  # by what ended the call before; taken up first
        self._lock, self._stopped = Lock(), False  # no two threads begin a trial at once

    def run_side_by_side(self, score: Score) -> Trials:
        """Run as many trials at once as there are workers."""
        workers = [Worker(score) for _ in range(self.config.workers)]
        with ThreadPoolExecutor(len(workers)) as pool:
            futures = [pool.submit(self.run, worker) for worker in workers]
            try:
                for future in as_completed(futures):
                    future.result()
            except KeyboardInterrupt:
                raise TrainingInterrupted("stopped; give the same command again to go on") from None
            finally:
                self._stopped = True
                for worker in workers:
                    worker.stop()
        return Trials(self.study.ended())

    def run(self, score: Score) -> Trials:
        """Run trial after trial until all are begun or the time is over."""
        total = self.plan.trials
        with progress_bar("searching", total, initial=len(self.study.ended())) as bar:
            while (trial := self._next()) is not None:
                last = self._try(trial, score)
                done = len(self.study.ended())
                bar.update()
                bar.set_description(f"searching  last: {last.in_words()}")
                left = time_left(self._used(), done, min(total, self._reachable(done)))
                _log.info("  trial %d of %d: %s (%s)", done, total, last.in_words(), left)
        return Trials(self.study.ended())

    def _used(self) -> float:
        """Seconds of the search so far."""
        return max(0.0, self.clock.seconds - self.plan.spent)

    def _reachable(self, done: int) -> int:
        """How many trials there may be in all before the time is over."""
        used = self._used()
        if not used or self.config.trials:
            return self.plan.trials
        room = _OVERTIME * self.plan.seconds - used
        return done + max(0, math.ceil(room / used * done))

    def _next(self) -> "Trial | None":
        """A trial that was killed, else a new one; None at the end."""
        with self._lock:
            if self._stopped:
                return None
            if self._killed:
                return self.study.resume(self._killed.pop(0))
            if self.study.begun() >= self.plan.trials or self._is_late():
                return None
            trial = self.study.begin()
            shutil.rmtree(self._work(trial), ignore_errors=True)  # of a search before this one
        return trial

    def _is_late(self) -> bool:
        if self.config.trials or not self.study.begun():
            return False
        late = self._used() > _OVERTIME * self.plan.seconds
        if late:
            done = len(self.study.ended())
            _log.warning("the time for the search is over after %s", counted(done, "trial"))
        return late

    def _work(self, trial: "Trial") -> Path:
        return self.folder / "trials" / str(trial.number)

    def _try(self, trial: "Trial", score: Score) -> TrialResult:
        """Train a trial and note how it ended."""
        try:
            ended = self._train(trial, score)
        except (TrainingInterrupted, DataError, OSError):  # no fault of this network
            raise
        except Exception as error:  # one network must not stop the others
            if self._stopped:
                raise
            ended = _reason(trial, error)
        found = self.study.end(trial, ended)
        shutil.rmtree(self._work(trial), ignore_errors=True)
        return found

    def _train(self, trial: "Trial", score: Score) -> str:
        """Train step after step as long as the trial is among the better ones."""
        by_name = {one.name: one for one in self.plan.contenders}
        for epochs in self.plan.steps:
            if not self.study.knows(trial, epochs):
                asked = train_config(
                    by_name[trial.params["contender"]],
                    self.config,
                    recipe=trial.params["recipe"],
                    rate=trial.params["rate"],
                    epochs=epochs,
                    threads=self.plan.threads,
                )
                self.study.report(trial, score(asked, self._work(trial) / str(epochs)), epochs)
            if epochs != self.plan.steps[-1] and not self.study.is_good(trial, epochs):
                return "stopped"
        return "done"


def _reason(trial: "Trial", error: Exception) -> str:
    """One line on why a trial failed; the log holds the traceback of what was not foreseen."""
    if not isinstance(error, BmisError):
        _log.error("trial %d failed", trial.number, exc_info=error)
    if is_out_of_memory(error):
        return "not enough memory"
    return " ".join(str(error).split()) or type(error).__name__
