"""The last steps: which way is taken, and what is refused."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

import bmis.fit.finish as last
from bmis.config import PostProcessing
from bmis.errors import BundleError, TrainingError
from bmis.fit.candidates import Candidate, Counted
from bmis.fit.costs import Costed
from bmis.fit.device import WayCost
from bmis.fit.facts import DataFacts
from bmis.fit.finish import BUNDLE, finish
from bmis.fit.plan import Contender, Plan
from bmis.fit.settings import FitConfig
from bmis.fit.trials import TrialResult, Trials

CONFIG = FitConfig("polyps", max_ms=10, max_mb=1)
FACTS = DataFacts(
    "polyps", {"train": 9, "val": 1, "test": 2}, 3, ("a", "b"), (64, 64), 0.3, "b", 0.1,
    "squash", (96,),
)  # fmt: skip
WAYS = (
    WayCost("onnxruntime", "int8", 4.0, 0.2),
    WayCost("onnxruntime", "fp32", 8.0, 0.8),
    WayCost("openvino", "fp32", 40.0, 0.8),
)


def contender(width):
    one = Counted(Candidate("bmis_edge", {"width": width}, (96, 96)), {}, 100, 1)
    return Contender(Costed(one, WAYS, True), 1.0)


PLAN = Plan((contender(16), contender(32)), (), epochs=9, trials=2, seconds=1.0)
TRIALS = Trials(
    tuple(
        TrialResult(number, one.name, "fast", 0.5, {"3": 0.9 - number / 10})
        for number, one in enumerate(PLAN.contenders)
    )
)


@pytest.fixture
def exports(monkeypatch, tmp_path):
    """Trainings and exports that take no time; ``refused`` and ``slow`` name (run, precision)."""
    found = SimpleNamespace(
        refused=set(), slow={}, trained=[], options=[], absent=set(), teachers=[], diverges=set()
    )

    def export_run(run, path, options):
        found.options.append(options)
        precision = "int8" if options.int8 else "fp32"
        if (run.name, precision) in found.refused:
            raise BundleError("not near enough")
        path.write_bytes(precision.encode())
        info = SimpleNamespace(postprocessing=PostProcessing(fill_holes=True))
        return SimpleNamespace(manifest=SimpleNamespace(info=info))

    def train_model(asked, out):
        found.trained.append((out.name, asked.recipe, asked.epochs))
        found.teachers.append(asked.teacher)
        if out.name in found.diverges:
            raise TrainingError("the loss is not finite")
        out.mkdir()

    def profile_bundle(path, **values):
        return path

    def ways_of(path):
        times = found.slow.get((path.parent.name, path.stem.split("-")[1]), [1.05])
        factor = times.pop(0) if len(times) > 1 else times[0]
        return [
            WayCost(w.engine, w.precision, w.ms * factor)
            for w in WAYS
            if w.precision not in found.absent
        ]

    for name in ("export_run", "train_model", "profile_bundle", "ways_of"):
        monkeypatch.setattr(last, name, locals()[name])
    return found


def test_the_fastest_precision_that_passes_is_taken(exports, tmp_path):
    done = finish(TRIALS, PLAN, CONFIG, FACTS, tmp_path)
    assert (done.way.name, done.run) == ("onnxruntime int8", "run-0")
    assert done.way.ms == pytest.approx(4.2)
    assert (tmp_path / BUNDLE).read_bytes() == b"int8"
    assert exports.trained == [("run-0", "fast", 9)]
    assert not exports.options[0].tune  # one validation image chooses no post-processing
    assert (done.refused, done.postprocessing) == ((), "holes filled")


def test_what_the_gate_refuses_is_exported_in_the_next_precision(exports, tmp_path):
    exports.refused = {("run-0", "int8")}
    done = finish(TRIALS, PLAN, CONFIG, FACTS, tmp_path)
    assert done.way.name == "onnxruntime fp32"
    assert done.refused == ("bmis_edge:width=16 at 96 by onnxruntime int8: not near enough",)


def test_what_is_over_the_budget_when_timed_anew_is_refused(exports, tmp_path):
    exports.refused, exports.slow = {("run-0", "int8")}, {("run-0", "fp32"): [1.26]}
    done = finish(TRIALS, PLAN, CONFIG, FACTS, tmp_path)
    assert (done.run, done.candidate.options) == ("run-1", {"width": 32})
    assert "fp32: over the budget (10.1 ms" in done.refused[1]
    assert (tmp_path / BUNDLE).read_bytes() == b"int8"


def test_a_network_that_other_programs_slowed_is_timed_again(exports, tmp_path):
    exports.slow = {("run-0", "int8"): [5.0, 4.0, 1.0]}
    done = finish(TRIALS, PLAN, CONFIG, FACTS, tmp_path)
    assert (done.way.name, done.way.ms) == ("onnxruntime int8", 4.0)


@pytest.mark.parametrize("device", [None, "pi5.json"])
def test_a_bundle_that_is_too_large_is_refused(device, exports, tmp_path):
    one = contender(16)
    promised = replace(one.costed, ways=(replace(WAYS[0], mb=1e-7),))  # it takes four bytes
    plan = replace(PLAN, contenders=(replace(one, costed=promised),))
    asked = replace(CONFIG, max_mb=1e-6, device=device)
    with pytest.raises(BundleError, match="over the budget"):
        finish(Trials(TRIALS.trials[:1]), plan, asked, FACTS, tmp_path)


def test_what_the_engine_cannot_run_is_refused(exports, tmp_path):
    exports.absent = {"int8"}
    done = finish(TRIALS, PLAN, CONFIG, FACTS, tmp_path)
    assert done.way.name == "onnxruntime fp32"
    assert done.refused[0].endswith("by onnxruntime int8: cannot be run here")


def test_after_a_training_that_diverges_comes_the_next(exports, tmp_path):
    exports.diverges = {"run-0"}
    done = finish(TRIALS, PLAN, replace(CONFIG, teacher="a-run"), FACTS, tmp_path)
    assert (done.run, exports.teachers) == ("run-1", ["a-run", "a-run"])
    assert done.refused == ("bmis_edge:width=16 at 96 by training: the loss is not finite",)


def test_if_all_are_refused_all_reasons_are_told_and_nothing_is_written(exports, tmp_path):
    exports.refused = {(f"run-{n}", precision) for n in (0, 1) for precision in ("int8", "fp32")}
    with pytest.raises(BundleError, match=r"every finalist was refused: .*width=16.*width=32"):
        finish(TRIALS, PLAN, CONFIG, FACTS, tmp_path)
    assert not (tmp_path / BUNDLE).exists()
