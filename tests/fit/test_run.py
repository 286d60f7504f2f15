"""A whole fit with quick tools: budget, resuming after each step, and bad input."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import bmis.fit.run as fit_run
from bmis.cli.main import main
from bmis.data.images import write_image
from bmis.errors import (
    BmisError,
    ConfigError,
    DataError,
    MissingExtraError,
    TrainingInterrupted,
)
from bmis.fit.candidates import count_one
from bmis.fit.device import DeviceBundle, DeviceFile, WayCost, read_device, write_device
from bmis.fit.finish import BUNDLE, Finish
from bmis.fit.run import Tools, fit_model
from bmis.fit.settings import FitConfig
from helpers.bundles import write_tiny
from helpers.tiny import write_dataset

NETWORKS = [
    ("bmis_edge", {"width": 16, "stages": 3}),
    ("bmis_edge", {"width": 32, "stages": 3}),
    ("ulite", {}),
    ("unet", {"widths": [4, 8]}),
]
SPLITS = ("train",) * 4 + ("val",) * 2 + ("test",) * 2


def measure(candidate, **shape):
    """A processor that takes a millisecond for ten million multiplications."""
    shape.pop("threads")
    counted = count_one(candidate, **shape)
    ms = counted.work / 10
    return tuple(
        WayCost("onnxruntime", precision, ms * times, counted.parameters * 1e-6 * size, 90.0)
        for precision, times, size in (("int8", 1, 1.0), ("fp32", 2, 4.0))
    )


def score(config, run):
    """Wider is better, and so is the recipe's own rate."""
    rate = config.learning_rate
    return 0.5 + 0.001 * config.options.get("width", 8) - abs(rate - 2e-3) + 0.001 * config.epochs


TOOLS = Tools(NETWORKS, measure, lambda *_: 9.0, score)  # a minute to spare on busy machines


@pytest.fixture
def data(tmp_path):
    return write_dataset(tmp_path / "data", splits=SPLITS, size=(96, 96))


@pytest.fixture
def config(data):
    return FitConfig(str(data), max_ms=10, max_mb=1, hours=0.1, epochs=9)


@pytest.fixture(autouse=True)
def quick_finish(monkeypatch):
    """The last training takes no time: a bundle of a few kilobytes stands for its network."""

    def finish(trials, plan, config, facts, out):
        write_tiny(out / BUNDLE, channels=facts.channels, size=(96, 96), int8=True)
        best = trials.best[0]
        chosen = next(one for one in plan.contenders if one.name == best.contender)
        way = chosen.costed.ways[0]
        return Finish(best, chosen.candidate, plan.epochs, way, config.device is None, "run-0")

    monkeypatch.setattr(fit_run, "finish", finish)


@pytest.fixture
def no_page(monkeypatch):
    """Figures take seconds, and one test looks at them."""
    monkeypatch.setattr(fit_run, "write_page", lambda found, dataset: found.page)


def test_the_best_within_the_budget_is_found_and_told(config, tmp_path):
    done = fit_model(config, out=tmp_path / "fit", tools=TOOLS)
    assert done.finish.candidate.options["width"] == 32
    assert (done.rows[0].verdict, done.rows[0].iou) == ("winner", done.finish.trial.iou)
    assert done.bundle.exists()
    assert 0 <= done.test.means["iou"] <= 1
    page = done.page.read_text(encoding="utf-8")
    assert "bmis_edge:stages=3,width=32 at 96" in page
    assert all(row.name in page for row in done.rows)
    record = json.loads((tmp_path / "fit" / "fit.json").read_text(encoding="utf-8"))
    assert record["finish"]["candidate"]["options"]["width"] == 32
    assert done.finish.way.ms <= 10


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


STEPS = ("read_facts", "count_candidates", "make_plan", "search", "finish", "score_test")


def test_a_fit_that_is_killed_after_any_step_ends_alike(config, tmp_path, monkeypatch, no_page):
    whole = fit_model(config, out=tmp_path / "whole", tools=TOOLS)
    for name in STEPS:
        with monkeypatch.context() as patch:
            patch.setattr(fit_run, name, _killed)
            with pytest.raises(Killed):
                fit_model(config, out=tmp_path / "parts", tools=TOOLS)
    parts = fit_model(config, out=tmp_path / "parts", tools=TOOLS)
    assert parts.finish.candidate == whole.finish.candidate
    assert parts.rows == whole.rows


def _killed(*args, **kwargs):
    raise Killed


def test_measuring_that_was_killed_measures_nothing_twice(config, tmp_path, no_page):
    seen = []

    def some(candidate, **shape):
        seen.append(candidate.name)
        return _killed() if len(seen) == 2 else measure(candidate, **shape)

    with pytest.raises(Killed):
        fit_model(config, out=tmp_path / "fit", tools=replace(TOOLS, measure=some))
    fit_model(config, out=tmp_path / "fit", tools=replace(TOOLS, measure=some))
    assert sorted(seen) == sorted([*dict.fromkeys(seen), seen[1]])


def test_timing_steps_that_was_killed_times_nothing_twice(config, tmp_path, no_page):
    timed, kills = [], [2]

    def epoch_seconds(one, facts, threads):
        if kills and len(timed) == kills[0]:
            kills.pop()
            raise Killed
        timed.append((one.name, threads))
        return 9.0

    tools = replace(TOOLS, epoch_seconds=epoch_seconds)
    with pytest.raises(Killed):
        fit_model(config, out=tmp_path / "fit", tools=tools)
    fit_model(config, out=tmp_path / "fit", tools=tools)
    assert len(timed) > 2
    assert len(set(timed)) == len(timed)


def test_a_budget_that_nothing_meets_names_what_comes_nearest(config, tmp_path):
    tools = replace(TOOLS, score=_killed)
    with pytest.raises(ConfigError, match=r"nearest: unet.* at 96 \(.* ms, .* MB"):
        fit_model(replace(config, max_ms=0.01), out=tmp_path / "fit", tools=tools)


def test_an_engine_that_runs_no_network_is_said_as_such(config, tmp_path):
    with pytest.raises(ConfigError, match="no candidate runs by openvino; choose another --engine"):
        fit_model(replace(config, engine="openvino"), out=tmp_path / "fit", tools=TOOLS)


def test_ctrl_c_says_how_to_go_on(config, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_run, "measure_contenders", interrupted)
    with pytest.raises(TrainingInterrupted, match="give the same command again to go on"):
        fit_model(config, out=tmp_path / "fit", tools=TOOLS)


def test_too_little_time_for_one_training_is_said_before_it(config, tmp_path):
    tools = replace(TOOLS, epoch_seconds=lambda *_: 60.0, score=_killed)
    with pytest.raises(ConfigError, match=r"--hours 0.1 is too little.*give --hours 0\.\d+ or"):
        fit_model(config, out=tmp_path / "fit", tools=tools)


def test_too_little_time_is_said_before_anything_is_measured(config, tmp_path):
    tools = replace(TOOLS, measure=_killed)
    with pytest.raises(ConfigError, match=r"--hours 0.02 is too little: exporting and timing"):
        fit_model(replace(config, hours=0.02), out=tmp_path / "fit", tools=tools)


def test_an_answer_can_be_followed_in_the_same_folder_and_nothing_is_measured_twice(
    config, tmp_path, no_page
):
    seen = []

    def some(candidate, **shape):
        seen.append(candidate.name)
        return measure(candidate, **shape)

    tools = replace(TOOLS, measure=some)
    with pytest.raises(ConfigError, match="no network meets the budget"):
        fit_model(replace(config, max_ms=0.01), out=tmp_path / "fit", tools=tools)
    done = fit_model(config, out=tmp_path / "fit", tools=tools)
    assert done.finish.way.ms <= config.max_ms
    assert len(seen) == len(set(seen))


def test_what_is_measured_to_be_over_the_budget_is_not_trained_however_good(config, tmp_path):
    def slow_when_wide(candidate, **shape):
        ways = measure(candidate, **shape)
        wide = candidate.options.get("width") == 32
        return tuple(replace(way, ms=1.05 * config.max_ms) if wide else way for way in ways)

    tools = replace(TOOLS, measure=slow_when_wide)
    done = fit_model(config, out=tmp_path / "fit", tools=tools)
    (wide,) = (row for row in done.rows if "width=32" in row.name)
    assert (wide.iou, wide.verdict) == (None, "over the budget: 1.05 times what is allowed")
    assert "width=32" not in done.finish.candidate.name


def test_two_fits_in_one_folder_do_not_mix(config, tmp_path, no_page):
    def meets_another(*_):
        with pytest.raises(ConfigError, match="another fit runs in this folder"):
            fit_model(config, out=tmp_path / "fit", tools=TOOLS)
        return 9.0

    tools = replace(TOOLS, epoch_seconds=meets_another)
    assert fit_model(config, out=tmp_path / "fit", tools=tools).bundle.exists()


def test_a_folder_with_other_files_is_left_alone(config, data):
    before = sorted(data.rglob("*"))
    with pytest.raises(ConfigError, match="holds other files; choose a new folder"):
        fit_model(config, out=data, tools=TOOLS)
    assert [path for path in sorted(data.rglob("*")) if path.name != ".lock"] == before


def test_masks_that_mark_nothing_are_refused(config, data, tmp_path):
    for path in (data / "masks").iterdir():
        write_image(path, np.zeros((96, 96), np.uint8))
    with pytest.raises(DataError, match="none of 6 masks marks anything"):
        fit_model(config, out=tmp_path / "fit", tools=TOOLS)


def test_a_folder_of_another_fit_is_refused(config, tmp_path, data, no_page):
    fit_model(config, out=tmp_path / "fit", tools=TOOLS)
    with pytest.raises(ConfigError, match=r"max_ms 10.0, now 9.0"):
        fit_model(replace(config, max_ms=9), out=tmp_path / "fit", tools=TOOLS)
    (data / "masks" / "case0.png").write_bytes((data / "masks" / "case1.png").read_bytes())
    with pytest.raises(ConfigError, match="the data changed"):
        fit_model(config, out=tmp_path / "fit", tools=TOOLS)


def test_a_network_that_cannot_be_measured_is_left_out_with_the_reason(config, tmp_path, no_page):
    def some(candidate, **shape):
        if candidate.options == NETWORKS[0][1]:
            raise ConfigError("cannot be written as a graph")
        return measure(candidate, **shape)

    done = fit_model(config, out=tmp_path / "fit", tools=replace(TOOLS, measure=some))
    assert done.rows[-1].verdict == "left out: cannot be written as a graph"


def device(path, threads=1, **values):
    bundles = [
        DeviceBundle(
            name, options, (96, 96), 3, 2,
            (WayCost("onnxruntime", "int8", 2.0 + 3 * number, 0.3, 80.0),),
        )
        for number, (name, options) in enumerate(NETWORKS)
    ]  # fmt: skip
    write_device(path, DeviceFile("a board", threads, {"onnxruntime": "1"}, tuple(bundles)))
    return path


def test_a_budget_for_another_machine_is_met_by_prediction(config, tmp_path):
    asked = replace(config, device=str(device(tmp_path / "pi5.json")), max_mb=None)
    done = fit_model(asked, out=tmp_path / "fit", tools=replace(TOOLS, measure=_killed))
    assert not done.finish.timed_anew
    assert not any(row.measured for row in done.rows)
    assert "predicted" in done.page.read_text(encoding="utf-8")


def test_a_device_file_that_changed_is_refused_and_foreign_networks_are_not_built(
    config, tmp_path, no_page
):
    asked = replace(config, device=str(device(tmp_path / "pi5.json")), max_mb=None)
    fit_model(asked, out=tmp_path / "fit", tools=TOOLS)
    huge = DeviceBundle(
        "unet", {"widths": [2**40] * 4}, (96, 96), 3, 2, (WayCost("onnxruntime", "int8", 2.0),)
    )
    write_device(tmp_path / "pi5.json", DeviceFile("a board", 1, {}, (huge,)))
    with pytest.raises(ConfigError, match="the device file changed"):
        fit_model(asked, out=tmp_path / "fit", tools=TOOLS)
    with pytest.raises(ConfigError, match="names no network that this bmis knows"):
        fit_model(asked, out=tmp_path / "other", tools=TOOLS)


def test_a_teacher_is_looked_at_before_anything_is_measured(config, tmp_path):
    asked = replace(config, teacher=str(tmp_path / "nowhere"))
    with pytest.raises(BmisError, match="nowhere"):
        fit_model(asked, out=tmp_path / "fit", tools=replace(TOOLS, measure=_killed))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threads": 4}, "give --threads 1, or measure it again"),
        ({"engine": "openvino"}, "knows no openvino, only onnxruntime"),
    ],
)
def test_a_device_file_for_another_question_is_refused(config, tmp_path, changes, said):
    asked = replace(config, device=str(device(tmp_path / "pi5.json")), **changes)
    with pytest.raises(ConfigError, match=said):
        fit_model(asked, out=tmp_path / "fit", tools=TOOLS)


def _without(monkeypatch, *packages):
    """A machine that lacks these packages."""
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(
        "bmis.fit.device.find_spec", lambda name: None if name in packages else object()
    )


def test_the_engine_ncnn_asks_for_what_writes_its_graphs_too(config, tmp_path, monkeypatch):
    _without(monkeypatch, "pnnx")
    asked = replace(config, engine="ncnn")
    with pytest.raises(MissingExtraError, match=r"pnnx is needed.*bmis\[pnnx\]"):
        fit_model(asked, out=tmp_path / "fit", tools=TOOLS)
    assert not (tmp_path / "fit").exists()


def test_what_cannot_be_exported_here_for_a_device_takes_no_part(
    config, tmp_path, monkeypatch, caplog, no_page
):
    _without(monkeypatch, "pnnx", "nncf")
    path, slow = device(tmp_path / "pi5.json"), WayCost("onnxruntime", "fp32", 9.0, 0.3)
    quick = [WayCost("ncnn", "fp32", 0.1, 0.3), WayCost("openvino", "int8", 0.1, 0.3)]
    found = read_device(path)

    def write(*ways):
        bundles = tuple(replace(one, ways=ways) for one in found.bundles)
        write_device(path, replace(found, bundles=bundles))

    asked = replace(config, device=str(path), max_mb=None)
    write(slow, *quick)
    done = fit_model(asked, out=tmp_path / "fit", tools=TOOLS)
    assert done.finish.way.name == "onnxruntime fp32"
    assert "ncnn fp32 of" in caplog.text
    assert "pnnx is needed for this" in caplog.text
    write(*quick)
    with pytest.raises(MissingExtraError, match=r"ncnn fp32 of .*pnnx is needed for this"):
        fit_model(asked, out=tmp_path / "other", tools=TOOLS)
    assert not (tmp_path / "other").exists()


def test_data_without_validation_images_are_refused(tmp_path):
    data = write_dataset(tmp_path / "bare", splits=("train",) * 5 + ("test",))
    with pytest.raises(DataError, match="no images in split 'val'"):
        fit_model(FitConfig(str(data), max_ms=10), out=tmp_path / "fit", tools=TOOLS)
    assert not (tmp_path / "fit").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["--max-ms", "nan"],
        ["--max-ms", "-1"],
        ["--max-ms", "10", "--hours", "0"],
        ["--max-ms", "10", "--engine", "tvm"],
        ["--max-ms", "10", "--recipes", "fast,slow"],
        ["--max-ms", "10", "--recipes", "fast,fast"],
        ["--max-ms", "10", "--workers", "0"],
        ["--max-ms", "10", "--device", "nowhere.json"],
        ["--max-ms", "10", "--device", "data/splits.csv"],
        [],
    ],
)
def test_bad_arguments_are_answered_in_one_line(argv, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "data", *argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bmis: ")
    assert not (tmp_path / "fit").exists()
