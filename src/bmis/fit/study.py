"""The trials of a search in a database: what each proposes, and which of them go on.

Optuna keeps every trial in ``search.db`` and proposes what to try: first every contender with the
first recipe, then what goes well with what was good so far. Which trials go on is decided by
asynchronous successive halving (arXiv:1810.05934). Optuna's own notes that it has decided before
it says how, so that a trial that was killed in between would go on in any case.
"""

from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from bmis.errors import ConfigError, DataError, require
from bmis.fit.plan import FACTOR, Plan
from bmis.fit.settings import FitConfig
from bmis.fit.trials import TrialResult
from bmis.system.files import output_folder

if TYPE_CHECKING:
    from optuna import Trial

_RATES = (0.4, 2.5)  # times the recipe's own learning rate


class Study:
    """The trials of a search, which several threads may share.

    Args:
        plan: The contenders, and how long they may be trained.
        config: Recipes and seed.
        folder: Folder of the fit, which holds the database.

    Raises:
        ConfigError: The folder's name cannot be part of an address.
        DataError: The database cannot be opened.
        MissingExtraError: Optuna is not installed.

    Example:
        >>> from bmis.fit.candidates import Candidate, Counted
        >>> from bmis.fit.costs import Costed
        >>> from bmis.fit.plan import Contender
        >>> unet = Contender(Costed(Counted(Candidate("unet"), {}, 100, 1), (), True), 1.0)
        >>> plan = Plan((unet,), (), epochs=9, trials=2, seconds=60.0)
        >>> study = Study(plan, FitConfig("polyps", max_ms=10), Path("fit"))
        >>> trial = study.begin()
        >>> study.report(trial, 0.7, 1)
        >>> study.is_good(trial, 1), study.end(trial, "stopped").in_words()
        (True, 'unet at 224, default, rate x1: IoU 0.700 after 1 epoch, stopped')
    """

    def __init__(self, plan: Plan, config: FitConfig, folder: Path) -> None:
        self._plan, self._config, self._folder = plan, config, folder
        self._optuna: Any = require("optuna", extra="fit")
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        self._states = self._optuna.trial.TrialState
        self._lock = RLock()
        self._study = self._open()

    def _open(self) -> Any:
        """The study in the folder, which knows which contenders are to be tried first."""
        database = (output_folder(self._folder) / "search.db").resolve()
        if "?" in str(database):  # it is part of an address
            raise ConfigError(f"{self._folder}: the folder's name must not hold a question mark")
        try:
            study = self._optuna.create_study(
                study_name="fit",
                storage=f"sqlite:///{database}",
                direction="maximize",
                load_if_exists=True,
            )
            for one in self._plan.contenders:
                first = {"contender": one.name, "recipe": self._config.recipes[0], "rate": 1.0}
                study.enqueue_trial(first, skip_if_exists=True)
        except Exception as error:  # SQLAlchemy has a dozen kinds
            what = " ".join(str(error).split())[:100]
            raise DataError(
                f"{database}: cannot be resumed ({what}); delete {self._folder} or choose another "
                "--out"
            ) from error
        return study

    def _trials(self, *states: Any) -> list[Any]:
        with self._lock:
            found: list[Any] = self._study.get_trials(deepcopy=False, states=states or None)
        return found

    def ended(self) -> tuple[TrialResult, ...]:
        """What came of the trials that have ended."""
        return tuple(_result(one) for one in self._trials() if one.state.is_finished())

    def running(self) -> list[int]:
        """The trials that have begun and not ended."""
        return [one.number for one in self._trials(self._states.RUNNING)]

    def begun(self) -> int:
        """How many trials have begun, those that have ended among them."""
        return sum(one.state != self._states.WAITING for one in self._trials())

    def begin(self) -> "Trial":
        """The next trial; what it proposes is in the database before it is trained."""
        with self._lock:
            self._set_sampler(self.begun(), 0)
            return self._propose(self._study.ask())

    def resume(self, number: int) -> "Trial":
        """A trial that has begun and not ended, which proposes what it did before."""
        with self._lock:
            self._set_sampler(number, 0)
            trial_id = self._study.trials[number]._trial_id
            return self._propose(self._optuna.trial.Trial(self._study, trial_id))

    def _propose(self, trial: "Trial") -> "Trial":
        names = [one.name for one in self._plan.contenders]
        trial.suggest_categorical("contender", names)
        self._set_sampler(trial.number, 1)
        trial.suggest_categorical("recipe", self._config.recipes)
        self._set_sampler(trial.number, 2)
        trial.suggest_float("rate", *_RATES, log=True)
        return trial

    def _set_sampler(self, number: int, proposed: int) -> None:
        """Have what a trial proposes next follow from the seed, its number and those before it.

        It may have been killed after the first of its proposals.
        """
        (seed,) = np.random.SeedSequence([self._config.seed, number, proposed]).generate_state(1)
        self._study.sampler = self._optuna.samplers.TPESampler(seed=int(seed))

    def knows(self, trial: "Trial", epochs: int) -> bool:
        """Whether a trial was trained for so many epochs, perhaps before it was killed."""
        return epochs in self._values(trial)

    def _values(self, trial: "Trial") -> dict[int, float]:
        values: dict[int, float] = self._trials()[trial.number].intermediate_values
        return values

    def report(self, trial: "Trial", iou: float, epochs: int) -> None:
        """Note the validation IoU of a trial after so many epochs."""
        with self._lock:
            trial.report(iou, epochs)

    def is_good(self, trial: "Trial", epochs: int) -> bool:
        """Whether a trial is in the best third of those that were trained for so many epochs."""
        known = [one.intermediate_values for one in self._trials()]
        values = sorted((one[epochs] for one in known if epochs in one), reverse=True)
        least: float = values[max(1, len(values) // FACTOR) - 1]
        return self._values(trial)[epochs] >= least

    def end(self, trial: "Trial", ended: str) -> TrialResult:
        """Note how a trial ended; see ``TrialResult``."""
        with self._lock:
            trial.set_user_attr("ended", ended)
            states = {"done": self._states.COMPLETE, "stopped": self._states.PRUNED}
            value = self._values(trial)[self._plan.steps[-1]] if ended == "done" else None
            self._study.tell(trial, value, state=states.get(ended, self._states.FAIL))
            return _result(self._trials()[trial.number])


def _result(trial: Any) -> TrialResult:
    return TrialResult(
        trial.number,
        trial.params["contender"],
        trial.params["recipe"],
        trial.params["rate"],
        {str(epochs): value for epochs, value in trial.intermediate_values.items()},
        trial.user_attrs["ended"],
    )
