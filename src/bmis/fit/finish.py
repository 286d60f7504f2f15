"""The last steps: the best of the search trained at full length, exported, timed and scored."""

import logging
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from bmis.config import RuntimeOptions, Settings
from bmis.errors import BmisError, BundleError, TrainingError, TrainingInterrupted
from bmis.evaluate.run import evaluate_model
from bmis.export.run import Exported, export_run
from bmis.export.settings import ExportOptions
from bmis.export.tune import LEAST
from bmis.fit.candidates import Candidate
from bmis.fit.costs import overshoot
from bmis.fit.device import WayCost, costs_in_words, ways_of
from bmis.fit.facts import DataFacts
from bmis.fit.plan import Contender, Plan
from bmis.fit.search import train_config
from bmis.fit.settings import FitConfig
from bmis.fit.trials import TrialResult, Trials
from bmis.metrics import METRICS
from bmis.profile.bundle import profile_bundle
from bmis.system.files import atomic
from bmis.train.run import train_model
from bmis.wording import counted

BUNDLE, TEST = "best.bmis", "test"  # a folder with the scores of the test images
_FINALISTS = 3
_TIMES = 3  # how often a network that is too slow is timed: other programs make it no faster
_SECONDS = 2.0  # least time of that measurement
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finish(Settings):
    """The winner and its bundle.

    Attributes:
        trial: The trial that it was chosen by.
        candidate: Network and input size.
        epochs: Epochs of its training.
        way: Engine and precision, with what was measured anew; for another machine as predicted.
        timed_anew: Whether it was.
        run: Name of its run folder.
        postprocessing: What is done with its answer, in words; empty if nothing.
        refused: What was tried before it, and why it was not taken.

    Example:
        >>> trial = TrialResult(0, "unet at 224", "default", 1.0)
        >>> way = WayCost("openvino", "int8", 4.0, 0.5)
        >>> Finish(trial, Candidate("unet"), 60, way, True, "run-0").refused
        ()
    """

    trial: TrialResult
    candidate: Candidate
    epochs: int
    way: WayCost
    timed_anew: bool
    run: str
    postprocessing: str = ""
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class TestScores(Settings):
    """The scores of the bundle on the test images, at their own size.

    Attributes:
        images: Number of images; 0 where there is no test split.
        means: Mean of each metric.

    Example:
        >>> TestScores(20, {"iou": 0.8}).means["iou"]
        0.8
    """

    __test__ = False  # no test of pytest

    images: int
    means: dict[str, float | None] = field(default_factory=dict)


def finish(trials: Trials, plan: Plan, config: FitConfig, facts: DataFacts, out: Path) -> Finish:
    """Train, export and time the best; where it is refused, the next one.

    An engine in a precision is refused if its graph does not pass the gate, or if it is not within
    the budget when it is timed anew, however well it scores.

    Args:
        trials: What the search found.
        plan: The contenders, and how long the last training is.
        config: Data and budget.
        facts: What is known of the data.
        out: Folder of the fit; ``best.bmis`` and the run folders are written into it.

    Raises:
        BundleError: All finalists were refused, or no trial came to an end. The same call goes on
            with exporting and timing.
        BmisError: See ``train_model`` and ``export_run``.

    Example:
        >>> facts = DataFacts("a", {}, 3, ("a", "b"), (64, 64), 0.1, "b", 0.1, "squash", (96,))
        >>> plan, config = Plan((), (), 9, 1, 1.0), FitConfig("polyps", max_ms=10)
        >>> finish(Trials(()), plan, config, facts, Path("fit"))
        Traceback (most recent call last):
        bmis.errors.BundleError: no trial of the search came to an end; see the errors above
    """
    finisher = _Finisher(plan, config, facts, out)
    for trial in trials.best[:_FINALISTS]:
        done = finisher.train_and_export(trial)
        if done is not None:
            return done
    if finisher.refused:
        raise BundleError(
            f"every finalist was refused: {'; '.join(finisher.refused)}; if this machine was busy, "
            "give the same command again, else allow more in another --out"
        )
    raise BundleError("no trial of the search came to an end; see the errors above")


def score_test(found: Finish, config: FitConfig, facts: DataFacts, out: Path) -> TestScores:
    """Score the bundle on the test images, where there are some.

    Raises:
        BmisError: See ``evaluate_model``.

    Example:
        >>> trial = TrialResult(0, "unet at 224", "default", 1.0)
        >>> done = Finish(trial, Candidate("unet"), 60, WayCost("openvino", "int8", 4.0), True, "r")
        >>> facts = DataFacts("a", {"test": 0}, 3, ("a", "b"), (64, 64), 0.1, "b", 0.1, "squash",
        ...                   (96,))
        >>> score_test(done, FitConfig("polyps", max_ms=10), facts, Path("fit")).images
        0
    """
    if not facts.images["test"]:
        return TestScores(0)
    options = RuntimeOptions(threads=config.threads)
    if config.device is None:
        way = found.way
        options = replace(options, engine=way.engine, precision=way.precision)
    scores = evaluate_model(out / BUNDLE, data=config.data, out=out / TEST, options=options)
    cases = scores.summary["cases"]
    return TestScores(len(scores.cases), {name: cases[name]["mean"] for name in METRICS})


class _Finisher:
    """Trains finalists, and exports them in one way after the other.

    Attributes:
        refused: Why what was tried before was not taken.
    """

    def __init__(self, plan: Plan, config: FitConfig, facts: DataFacts, out: Path) -> None:
        self.plan, self.config, self.facts, self.out = plan, config, facts, out
        self.contenders = {one.name: one for one in plan.contenders}
        self.refused: list[str] = []

    def train_and_export(self, trial: TrialResult) -> Finish | None:
        """The finished network; None where every way was refused."""
        contender = self.contenders[trial.contender]
        run, epochs = self.out / f"run-{trial.number}", self.plan.epochs
        _log.info("  training %s for %s", contender.name, counted(epochs, "epoch"))
        asked = train_config(
            contender,
            self.config,
            recipe=trial.recipe,
            rate=trial.rate,
            epochs=epochs,
            threads=self.plan.threads,
        )
        try:
            train_model(replace(asked, teacher=self.config.teacher), out=run)
        except TrainingInterrupted:
            raise
        except TrainingError as error:  # a loss that is not finite any more, say
            self._refuse(f"{contender.name} by training: {error}")
            return None
        for way in contender.costed.ways:
            if overshoot(way, self.config) > 1:
                continue
            done = self._export(run, way, contender)
            if done is not None:
                exported, found = done
                rules = exported.manifest.info.postprocessing.in_words()
                anew, refused = self.config.device is None, tuple(self.refused)
                one = contender.candidate
                return Finish(trial, one, epochs, found, anew, run.name, rules, refused)
        return None

    def _refuse(self, why: str) -> None:
        _log.warning("%s", why)
        self.refused.append(why)

    def _export(
        self, run: Path, way: WayCost, contender: Contender
    ) -> tuple[Exported, WayCost] | None:
        """The bundle for one engine in one precision, and what it costs; None if refused."""
        int8 = way.precision == "int8"
        own = (way.engine, int8) in (("openvino", True), ("ncnn", False))  # beside ONNX
        formats = ("onnx", way.engine) if own else ("onnx",)
        options = ExportOptions(int8=int8, formats=formats, tune=self.facts.images["val"] >= LEAST)
        path = run / f"{way.engine}-{way.precision}.bmis"
        _log.info("  exporting and timing %s for %s", contender.name, way.name)
        try:
            exported = export_run(run, path, options)
            found = self._time(path, way, contender)
        except BmisError as error:  # of the gate, of int8 with too few images, or of an engine
            self._refuse(f"{contender.name} by {way.name}: {error}")
            return None
        if overshoot(found, self.config) > 1:
            self._refuse(
                f"{contender.name} by {way.name}: over the budget ({costs_in_words(found)})"
            )
            return None
        with atomic(self.out / BUNDLE) as temporary:
            shutil.copyfile(path, temporary)
        return exported, found

    def _time(self, path: Path, way: WayCost, contender: Contender) -> WayCost:
        """What the trained bundle costs: timed in a fresh process, if this machine is the one."""
        size = path.stat().st_size / 1e6
        if self.config.device is not None:
            return replace(way, mb=size)
        found = self._profile(path, way)
        for _ in range(_TIMES - 1):
            if found.ms * contender.costed.counted.tiles <= self.config.max_ms:
                break
            found = min(found, self._profile(path, way), key=lambda one: one.ms)
        return replace(found, ms=found.ms * contender.costed.counted.tiles, mb=size)

    def _profile(self, path: Path, way: WayCost) -> WayCost:
        threads = self.config.threads
        profile = profile_bundle(path, batches=(1,), threads=threads, seconds=_SECONDS)
        found = [one for one in ways_of(profile) if one.name == way.name]
        if not found:
            raise BundleError("cannot be run here")
        return found[0]
