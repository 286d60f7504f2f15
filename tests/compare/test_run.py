"""``compare_methods``: records of trials, repeated calls, refusals."""

import base64
import io
import os
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from bmis.cli.main import main
from bmis.compare import costs as costs_module
from bmis.compare import run as run_module
from bmis.compare import trial as trial_module
from bmis.compare.run import compare_methods
from bmis.compare.settings import CompareConfig
from bmis.errors import BmisError, ConfigError, DataError, TrainingInterrupted
from bmis.records import Conditions, Record, Trial, read_records, write_record
from bmis.system.environment import source_hash
from bmis.train.recipes import Recipe, find_recipe
from bmis.train.trainer import Trainer
from helpers import tiny
from helpers.records import make_record

TINY = "bmis:widths=[4,8,12],depths=[1,1],dilations=[2]"
OTHER = TINY + ",eca=false"
SPELLING = "bmis:depths=[1,1],dilations=[2],widths=[4,8,12]"
CONDITIONS = Conditions(recipe="fast", epochs=1, size=(32, 32))


@pytest.fixture(scope="module")
def profile_once():
    """Measures each network once for all tests: that takes five times as long as its training."""
    measure, found = costs_module.profile_model, {}

    def profile(model, **how):
        key = f"{model} {how}"
        found[key] = found.get(key) or measure(model, **{**how, "seconds": 0.0})
        return found[key]

    return profile


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch, profile_once):
    monkeypatch.setattr(costs_module, "profile_model", profile_once)


DOT = """
from torch import nn
from bmis import SegmentationModel, register

@register("kept_dot")
class Dot(SegmentationModel):
    def __init__(self, in_channels=3, num_classes=2):
        super().__init__(in_channels, num_classes, stride=1)
        self.head = nn.Conv2d(in_channels, num_classes, 1)

    def forward(self, x):
        return self.head(x)
"""


@pytest.fixture
def data(tmp_path):
    return tiny.write_dataset(tmp_path / "squares")


def settings(data, *methods, **values):
    base = {"conditions": CONDITIONS, "device": "cpu", "precision": "32"}
    return CompareConfig((str(data),), methods or (TINY,), **{**base, **values})


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_trial_leaves_one_record_and_nothing_else(data, tmp_path):
    out = tmp_path / "out"
    done = compare_methods(settings(data), out=out)
    assert done.ran == 1
    assert done.failed == ()
    assert len(files(out)) == 1
    assert list(out.iterdir()) == [out / "squares"]
    (record,) = read_records(out)
    assert record == done.records[0]
    assert record.trial == Trial("squares", SPELLING, None, 0)
    assert record.conditions == CONDITIONS
    assert (record.data["train"], record.data["val"], record.data["test"]) == (4, 1, 1)
    assert record.cases["id"] == ["case5"]
    assert record.summary["cases"]["iou"]["mean"] == pytest.approx(record.cases["iou"][0], abs=1e-6)
    assert list(record.masks) == ["case5"]
    assert len(record.training["log"]) == 1
    assert record.training["precision"] == "32-true"
    costs = record.costs
    assert 0 < costs["latency_p50_ms"] <= costs["latency_p95_ms"]
    assert 0 < costs["inference_mb"] < costs["training_mb"]
    assert (costs["batch"], costs["alone"], costs["device"]) == (8, True, "cpu")
    assert record.model["options"]["widths"] == [4, 8, 12]
    assert record.model["family"] == "bmis"
    assert record.model["weights"] == "none"
    assert record.environment["source"] == source_hash()
    assert record.environment["threads"] == torch.get_num_threads()
    recipe = dict(record.training["recipe"])
    assert recipe.pop("name") == CONDITIONS.recipe
    assert Recipe.from_dict(recipe) == find_recipe(CONDITIONS.recipe)


def record_of(data, out, **changes):
    """A record of the first method in a results folder, made by this code but for the changes."""
    from bmis.compare.splits import find_splits
    from bmis.train.run_folder import environment

    (split,) = find_splits(settings(data))
    made = make_record("bmis", "squares", seed=0)
    given = {
        "trial": Trial("squares", SPELLING, None, 0),
        "conditions": CONDITIONS,
        "data": {**made.data, "fingerprint": split.fingerprint},
        "environment": {**environment(), **changes},
        "training": {**made.training, "recipe": find_recipe("fast").to_dict()},
    }
    write_record(out, replace(made, **given))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": "0123"}, "(code 0123, now "),
        ({"threads": 77}, "(threads 77, now "),
        ({"commit": "other", "system": "Linux-7"}, None),
    ],
)
def test_going_on_beside_records_of_other_code_is_said(
    data, tmp_path, monkeypatch, recwarn, changes, said
):
    out = tmp_path / "out"
    record_of(data, out, **changes)
    monkeypatch.setattr(
        "bmis.compare.run.run_trial",
        lambda spec: Record(spec.trial, spec.conditions, "failed", "not run here"),
    )
    assert compare_methods(settings(data), out=out).ran == 0
    assert len(recwarn) == 0  # nothing is added
    assert compare_methods(settings(data, TINY, OTHER), out=out).ran == 1
    lines = [str(one.message) for one in recwarn]
    if said is None:
        assert lines == []
    else:
        (line,) = lines
        assert line.startswith(f"{out}: other code or settings in 1 of 1 trial {said}")


@pytest.mark.slow
def test_trials_with_a_record_are_not_run_again_and_more_can_be_added(data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    compare_methods(settings(data), out=out)
    before = {name: (out / name).read_bytes() for name in files(out)}
    wider = compare_methods(settings(data, TINY, OTHER, seeds=2), out=out)
    assert wider.ran == 3
    assert [(r.trial.method != SPELLING, r.trial.seed) for r in wider.records] == [
        *((False, 0), (True, 0), (False, 1), (True, 1))
    ]
    assert all((out / name).read_bytes() == content for name, content in before.items())
    monkeypatch.setattr("bmis.compare.run.run_trial", None)  # would fail
    assert compare_methods(settings(data, TINY, OTHER, seeds=2), out=out).ran == 0


@pytest.mark.slow
def test_seeds_share_a_split_that_bmis_makes(tmp_path):
    data = tiny.write_dataset(tmp_path / "squares", splits=("train",) * 20)
    (data / "splits.csv").unlink()
    done = compare_methods(settings(data, seeds=2), out=tmp_path / "out")
    first, second = done.records
    assert first.cases["id"] == second.cases["id"]
    assert first.data["fingerprint"] == second.data["fingerprint"]
    assert first.training["log"][0]["loss"] != second.training["log"][0]["loss"]


@pytest.mark.slow
def test_five_folds_test_each_image_once(tmp_path):
    data = tiny.write_dataset(tmp_path / "squares", splits=("train",) * 20)
    done = compare_methods(settings(data, folds=5), out=tmp_path / "out")
    assert [record.trial.fold for record in done.records] == [1, 2, 3, 4, 5]
    tested = [case for record in done.records for case in record.cases["id"]]
    assert sorted(tested) == sorted(set(tested))
    assert len(tested) == 20


@pytest.mark.slow
def test_a_failed_trial_is_recorded_and_the_others_run(data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    train_model = trial_module.train_model

    def broken(config, **more):
        if config.options.get("eca") is False:
            raise RuntimeError("this network\ncannot be")
        return train_model(config, **more)

    with monkeypatch.context() as patch:
        patch.setattr(trial_module, "train_model", broken)
        done = compare_methods(settings(data, OTHER, TINY), out=out)
        assert [record.status for record in done.records] == ["failed", "done"]
        assert done.failed[0].reason == "RuntimeError: this network cannot be"
        assert done.failed[0].environment["torch"]
        assert compare_methods(settings(data, OTHER, TINY), out=out).ran == 0
    second = compare_methods(settings(data, OTHER, TINY), out=out, retry=True)
    assert second.ran == 1
    assert second.failed == ()


@pytest.mark.slow
def test_an_interrupted_trial_goes_on_where_it_was(data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    given = settings(data, conditions=Conditions("fast", 3, (32, 32)))
    whole = compare_methods(given, out=tmp_path / "whole").records[0]
    epochs = []
    train_epoch = Trainer.train_epoch

    def counted(self, *args):
        epochs.append(self.progress.epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return train_epoch(self, *args)

    monkeypatch.setattr(Trainer, "train_epoch", counted)
    with pytest.raises(TrainingInterrupted):
        compare_methods(given, out=out)
    assert read_records(out) == []
    record = compare_methods(given, out=out).records[0]
    assert epochs == [0, 1, 2, 2]
    assert record.cases == whole.cases
    assert len(files(out)) == 1


def test_costs_alone_are_measured_again(data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    before = compare_methods(settings(data), out=out).records[0]
    monkeypatch.setattr("bmis.compare.run.measure_costs", lambda spec, dataset: {"parameters": 7})
    monkeypatch.setattr("bmis.compare.run.run_trial", None)  # would fail
    done = compare_methods(settings(data), out=out, measure_again=True)
    assert done.ran == 0
    assert done.records[0] == replace(before, costs={"parameters": 7})
    assert read_records(out) == list(done.records)


def test_trained_networks_are_kept_in_the_folder_given(data, tmp_path):
    compare_methods(settings(data), out=tmp_path / "out", keep=tmp_path / "runs")
    assert len(files(tmp_path / "out")) == 1
    assert any(name.endswith("model.safetensors") for name in files(tmp_path / "runs"))


def test_pictures_are_small_label_images(tmp_path):
    data = tiny.write_dataset(tmp_path / "squares", size=(600, 300))
    record = compare_methods(settings(data), out=tmp_path / "out").records[0]
    mask = Image.open(io.BytesIO(base64.b64decode(record.masks["case5"])))
    assert mask.size == (128, 256)
    assert set(mask.tobytes()) <= {0, 1}


def bad_data(tmp_path):
    folder = tiny.write_dataset(tmp_path / "bad")
    shutil.rmtree(folder / "masks")
    return folder


def without_test(tmp_path):
    return tiny.write_dataset(tmp_path / "no_test", splits=("train",) * 4 + ("val",))


@pytest.mark.parametrize(
    ("make", "message"),
    [(bad_data, "mask"), (without_test, "has no test images; a comparison needs")],
)
def test_a_data_set_that_cannot_be_used_is_refused_before_any_trial(tmp_path, make, message):
    out = tmp_path / "out"
    with pytest.raises(DataError, match=message):
        compare_methods(settings(make(tmp_path)), out=out)
    assert files(out) == []


def test_changed_masks_are_refused_and_records_without_content_are_warned_of(
    data, tmp_path, caplog, monkeypatch
):
    out = tmp_path / "out"
    (record,) = compare_methods(settings(data), out=out).records
    mask = data / "masks" / "case0.png"
    content = mask.read_bytes()
    mask.write_bytes((data / "masks" / "case1.png").read_bytes())
    with pytest.raises(DataError, match="squares has changed since: other masks; restore"):
        compare_methods(settings(data), out=out)
    mask.write_bytes(content)
    monkeypatch.setattr("bmis.compare.run.run_trial", None)  # would fail
    assert compare_methods(settings(data), out=out).ran == 0
    assert "earlier bmis" not in caplog.text
    old = {key: value for key, value in record.data.items() if key != "content"}
    write_record(out, replace(record, data=old))
    assert compare_methods(settings(data), out=out).ran == 0
    assert "an earlier bmis that do not say what the images and masks of squares" in caplog.text


def test_a_training_that_was_begun_on_other_masks_starts_over(data, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise TrainingInterrupted("stopped")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(trial_module, "evaluate_model", stop)  # the training itself is whole
        with pytest.raises(TrainingInterrupted):
            compare_methods(settings(data), out=out)
    assert len(list(out.rglob("last.ckpt"))) == 1
    shutil.copy(data / "masks" / "case1.png", data / "masks" / "case0.png")
    again = []
    train_model = trial_module.train_model

    def train(config, out, **how):
        again.append(not (out / "last.ckpt").exists())
        return train_model(config, out=out, **how)

    monkeypatch.setattr(trial_module, "train_model", train)
    assert compare_methods(settings(data), out=out).ran == 1
    assert again == [True]


def test_two_data_sets_of_one_name_are_refused(data, tmp_path):
    other = tiny.write_dataset(tmp_path / "elsewhere" / "squares")
    config = CompareConfig((str(data), str(other)), (TINY,))
    with pytest.raises(ConfigError, match="'squares' is there already; give it another name"):
        compare_methods(config, out=tmp_path / "out")


def test_records_under_other_conditions_are_not_added_to(data, tmp_path):
    out = tmp_path / "out"
    compare_methods(settings(data), out=out)
    before = files(out)
    with pytest.raises(ConfigError, match=r"records of recipe fast, 1 epoch, .* now .*2 epochs"):
        compare_methods(settings(data, conditions=Conditions("fast", 2, (32, 32))), out=out)
    (data / "splits.csv").write_text(
        (data / "splits.csv").read_text().replace("case3,train", "case3,test")
    )
    with pytest.raises(DataError, match="squares was divided otherwise then"):
        compare_methods(settings(data), out=out)
    assert files(out) == before


@pytest.mark.slow
def test_scores_inside_fields_of_view_are_recorded_and_not_mixed_with_others(data, tmp_path):
    out = tmp_path / "out"
    before = compare_methods(settings(data), out=out).records[0].data
    shutil.copytree(data / "masks", data / "fov")
    with pytest.raises(DataError, match="has changed since: other fields of view; restore"):
        compare_methods(settings(data), out=out)
    (inside,) = compare_methods(settings(data), out=tmp_path / "inside").records
    assert (before["fields_of_view"], inside.data["fields_of_view"]) == (0, 1)
    assert inside.cases["specificity"] == [None]  # there is no background in the field of view


@pytest.mark.slow
def test_a_full_disk_is_an_error_of_one_line_and_loses_nothing(data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    compare_methods(settings(data), out=out)
    before = (out / files(out)[0]).read_bytes()
    fsync = os.fsync

    def full(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".json":
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BmisError, match="No space left on device"):
        compare_methods(settings(data, TINY, OTHER), out=out)
    monkeypatch.undo()
    (name,) = [name for name in files(out) if ".work" not in name]
    assert (out / name).read_bytes() == before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"folds": 3}, "folds must be 5"),
        ({"seeds": 0}, "seeds must be 1 or more"),
        ({"data": ()}, "data must be one or more dataset folders"),
        ({"conditions": Conditions(recipe="paperr")}, "unknown recipe 'paperr'"),
    ],
)
def test_wrong_settings_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        CompareConfig(**{"data": ("d",), "methods": ("bmis",), **values})


def test_from_the_command_line(data, tmp_path, capsys):
    (data / "dataset.yaml").write_text(yaml.safe_dump({"name": "my squares"}))
    out = tmp_path / "out"
    command = ["compare", str(data), "--methods", TINY, "--epochs", "1", "--size", "32"]
    command += ["--recipe", "fast", "--precision", "32", "--device", "cpu", "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "my squares" in printed
    assert f"bmis report {out}" in printed.replace("\n", "")
    assert main([*command, "--json"]) == 0
    assert '"ran": 0' in capsys.readouterr().out


def test_groups_that_splits_divide_are_warned_of_before_the_first_trial(
    data, tmp_path, monkeypatch, caplog
):
    table = data / "splits.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{rows[0]},group", *(f"{row},one" for row in rows[1:])]))

    def stop(_):
        raise TrainingInterrupted("stopped")

    monkeypatch.setattr("bmis.compare.run.run_trial", stop)
    with pytest.raises(TrainingInterrupted):
        compare_methods(settings(data), out=tmp_path / "out")
    assert "1 group divided between splits, such as 'one'" in caplog.text


def test_a_comparison_names_the_plugin_that_it_was_begun_with(tmp_path, dataset):
    model = {"name": "spot", "plugin": "/home/me/my_net.py"}
    trial = Trial("data", "spot")
    write_record(tmp_path, Record(trial, Conditions(), "failed", "out of memory", model=model))
    message = "network 'spot' comes from /home/me/my_net.py: give --plugin /home/me/my_net.py"
    for methods in (("bmis,spot",), ("spot:width=64",)):
        with pytest.raises(ConfigError, match=message):
            compare_methods(CompareConfig((str(dataset),), methods), out=tmp_path)


def test_each_trial_tells_the_time_of_the_whole_comparison(data, tmp_path, monkeypatch, caplog):
    failed = partial(Record, conditions=CONDITIONS, status="failed", reason="no reason")
    monkeypatch.setattr(run_module, "run_trial", lambda spec: failed(spec.trial))
    clock = iter((100.0, 160.0, 220.0, 280.0))
    monkeypatch.setattr(run_module.time, "monotonic", lambda: next(clock))
    with caplog.at_level("INFO", "bmis"):
        compare_methods(settings(data, seeds=3), out=tmp_path / "out")
    ends = [
        line.rpartition("failed: no reason ")[2] for line in caplog.messages if "reason" in line
    ]
    assert ends == [
        "(1 of 3 trials, 1 min 0 s so far, about 2 min 0 s left)",
        "(2 of 3 trials, 2 min 0 s so far, about 1 min 0 s left)",
        "(3 of 3 trials, 3 min 0 s in all)",
    ]


def test_records_and_kept_runs_name_the_plugin_of_their_network(data, tmp_path, monkeypatch):
    file = tmp_path / "dots.py"
    file.write_text(DOT)
    monkeypatch.chdir(tmp_path)
    config = settings(data, "kept_dot", plugins=("dots.py",))
    (record,) = compare_methods(config, out=tmp_path / "out", keep=tmp_path / "kept").records
    del sys.modules["bmis_plugin_dots"]
    assert (record.status, record.model["plugin"]) == ("done", str(file))
    (written,) = (tmp_path / "kept").rglob("config.yaml")
    assert yaml.safe_load(written.read_text())["plugins"] == [str(file)]
