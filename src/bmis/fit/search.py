"""The search: short trainings of the contenders, the better ones longer, on validation images.

Optuna keeps every trial in ``search.db`` and proposes what to try: first every contender with the
default recipe, then what goes well with what was good so far. Which trials go on is decided by
successive halving. A trial's proposal depends on the seed, its number and the trials before it
alone, and trainings are deterministic. So a search that was killed ends as one that was not.
"""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.config import TrainConfig
from bmis.data.folder import open_dataset
from bmis.errors import (
    BmisError,
    ConfigError,
    DataError,
    TrainingInterrupted,
    is_out_of_memory,
    require,
)
from bmis.evaluate.validation import score_validation
from bmis.fit.plan import FACTOR, Contender, Plan
from bmis.fit.settings import FitConfig
from bmis.fit.trials import TrialResult, Trials
from bmis.system.files import output_folder
from bmis.system.progress import progress_bar
from bmis.train.recipes import find_recipe
from bmis.train.run import train_model
from bmis.wording import counted, time_left

if TYPE_CHECKING:
    from optuna import Study, Trial

_log = logging.getLogger("bmis")
RECIPES = ("default", "fast")
_RATES = (0.4, 2.5)  # times the recipe's own learning rate
_OVERTIME = 1.25  # times the planned seconds after which no further trial begins

Score = Callable[[TrainConfig, Path], float]  # trains in a folder, and gives the validation IoU


def search(plan: Plan, config: FitConfig, folder: Path, score: Score) -> Trials:
    """Try the contenders, or go on with a search that is in the folder.

    Args:
        plan: The contenders, and how long they may be trained.
        config: Data and seed.
        folder: Folder of the fit: ``search.db`` and ``trials/`` are in it.
        score: Trains with some settings in a folder, and gives the validation IoU.

    Raises:
        MissingExtraError: Optuna is not installed.
        TrainingInterrupted: Ctrl-C; the same call goes on from there.

    Example:
        >>> from bmis.fit.candidates import Candidate, Counted
        >>> from bmis.fit.costs import Costed
        >>> unet = Contender(Costed(Counted(Candidate("unet"), {}, 100, 1), (), True), 1.0)
        >>> plan = Plan((unet,), (), epochs=9, trials=2, seconds=60.0)
        >>> Path("fit").mkdir()
        >>> found = search(plan, FitConfig("polyps", max_ms=10), Path("fit"), lambda c, out: 0.5)
        >>> [(one.contender, one.iou) for one in found.trials]
        [('unet at 224', 0.5), ('unet at 224', 0.5)]
    """
    return _Search(plan, config, folder, score).run()


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
    """A study of Optuna, and how its trials are trained."""

    def __init__(self, plan: Plan, config: FitConfig, folder: Path, score: Score) -> None:
        self.plan, self.config, self.folder, self.score = plan, config, folder, score
        self.optuna: Any = require("optuna", extra="fit")
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        self.states = self.optuna.trial.TrialState
        self.study = self._open()

    def _open(self) -> "Study":
        """The study in the folder, which knows which contenders are to be tried first."""
        database = (output_folder(self.folder) / "search.db").resolve()
        if "?" in str(database):  # it is part of an address
            raise ConfigError(f"{self.folder}: the folder's name must not hold a question mark")
        try:
            return self._load(database)
        except Exception as error:  # SQLAlchemy has a dozen kinds
            what = " ".join(str(error).split())[:100]
            raise DataError(
                f"{database}: cannot be resumed ({what}); delete it to search again"
            ) from error

    def _load(self, database: Path) -> "Study":
        halving = self.optuna.pruners.SuccessiveHalvingPruner(
            min_resource=self.plan.steps[0], reduction_factor=FACTOR
        )
        study: Study = self.optuna.create_study(
            study_name="fit",
            storage=f"sqlite:///{database}",
            direction="maximize",
            load_if_exists=True,
            pruner=halving,
        )
        for one in self.plan.contenders:
            first = {"contender": one.name, "recipe": RECIPES[0], "rate": 1.0}
            study.enqueue_trial(first, skip_if_exists=True)
        return study

    def run(self) -> Trials:
        """Run trial after trial until all are done or the time is over."""
        total = self.plan.trials
        with progress_bar("searching", total, initial=len(self._ended())) as bar:
            while len(self._ended()) < total and not self._is_late():
                trial = self._current()
                self._try(trial)
                ended = self._ended()
                left = time_left(self._used(), len(ended), total)
                bar.update()
                bar.set_description(f"searching  last: {ended[-1].in_words()}")
                _log.info("trial %d of %d: %s (%s)", len(ended), total, ended[-1].in_words(), left)
        return Trials(tuple(self._ended()))

    def _ended(self) -> list[TrialResult]:
        trials = self.study.get_trials(deepcopy=False)
        return [_result(one) for one in trials if one.state.is_finished()]

    def _used(self) -> float:
        return sum(one.seconds for one in self._ended())

    def _is_late(self) -> bool:
        late = self._used() > _OVERTIME * self.plan.seconds
        if late:
            done = len(self._ended())
            _log.warning("the time for the search is over after %s", counted(done, "trial"))
        return late

    def _current(self) -> "Trial":
        """The trial that was being trained when the search was killed, or the next one."""
        running = self.study.get_trials(deepcopy=False, states=(self.states.RUNNING,))
        number = running[0].number if running else len(self._ended())
        self.study.sampler = self.optuna.samplers.TPESampler(seed=self.config.seed + 1000 * number)
        if running:
            return self.optuna.trial.Trial(self.study, running[0]._trial_id)  # type: ignore[no-any-return]
        return self.study.ask()

    def _try(self, trial: "Trial") -> None:
        """Train a trial and note how it ended."""
        work, begun = self.folder / "trials" / str(trial.number), time.monotonic()
        try:
            ended = self._train(trial, work)
        except TrainingInterrupted:
            raise
        except Exception as error:  # one network must not stop the others
            ended = _reason(trial, error)
        trial.set_user_attr("ended", ended)
        trial.set_user_attr("seconds", time.monotonic() - begun)
        values = self.study.trials[trial.number].intermediate_values
        if ended == "done":
            self.study.tell(trial, values[self.plan.steps[-1]])
        else:
            state = self.states.PRUNED if ended == "stopped" else self.states.FAIL
            self.study.tell(trial, state=state)
        shutil.rmtree(work, ignore_errors=True)

    def _train(self, trial: "Trial", work: Path) -> str:
        """Train step after step as long as the trial is among the better ones."""
        by_name = {one.name: one for one in self.plan.contenders}
        contender = by_name[trial.suggest_categorical("contender", list(by_name))]
        recipe = trial.suggest_categorical("recipe", RECIPES)
        rate = trial.suggest_float("rate", *_RATES, log=True)
        known = self.study.trials[trial.number].intermediate_values  # before it was killed
        for epochs in self.plan.steps:
            if epochs in known:
                continue
            asked = train_config(
                contender,
                self.config,
                recipe=recipe,
                rate=rate,
                epochs=epochs,
                threads=self.plan.threads,
            )
            trial.report(self.score(asked, work / str(epochs)), epochs)
            if epochs != self.plan.steps[-1] and trial.should_prune():
                return "stopped"
        return "done"


def _reason(trial: "Trial", error: Exception) -> str:
    """One line on why a trial failed; the log holds the traceback of what was not foreseen."""
    if not isinstance(error, BmisError):
        _log.error("trial %d failed", trial.number, exc_info=error)
    if is_out_of_memory(error):
        return "not enough memory"
    return " ".join(str(error).split()) or type(error).__name__


def _result(trial: Any) -> TrialResult:
    return TrialResult(
        trial.number,
        trial.params["contender"],
        trial.params["recipe"],
        trial.params["rate"],
        {str(epochs): value for epochs, value in trial.intermediate_values.items()},
        trial.user_attrs["ended"],
        trial.user_attrs["seconds"],
    )
