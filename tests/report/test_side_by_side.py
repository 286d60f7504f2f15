"""Several trainings on one page, and which page ``bmis report`` draws of which folders."""

import json
import shutil

import pytest
import yaml

from bmis.cli.main import main
from bmis.evaluate.run import evaluate_model
from bmis.metrics import paired_difference
from bmis.report.runs.read import read_run
from bmis.report.runs.shared import find_shared, pair_table, shared_table
from bmis.report.runs.side_by_side import run_names, settings_table, write_runs_page
from bmis.train.run import train_model
from helpers.pages import Page
from helpers.records import write_comparison
from helpers.tiny import config, write_dataset


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two trainings on one data set that differ in rate and seed, both evaluated."""
    root = tmp_path_factory.mktemp("runs")
    data = write_dataset(root / "data", splits=(*["train"] * 4, "val", *["test"] * 6))
    for name, values in {"a": {}, "b": {"learning_rate": 0.01, "seed": 1}}.items():
        train_model(config(data, **values), out=root / name)
        evaluate_model(root / name)
    return root / "a", root / "b"


@pytest.fixture
def copies(runs, tmp_path):
    for run in runs:
        shutil.copytree(run, tmp_path / run.name)
    return tmp_path / "a", tmp_path / "b"


def change(run, file, **values):
    path = run / file
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}))


def read(runs):
    found = [read_run(run) for run in runs]
    return found, find_shared(["a", "b"], [run.scored for run in found])


def test_the_page_has_curves_scores_settings_and_images(runs, tmp_path):
    page = Page(write_runs_page(runs, out=tmp_path / "report").read_text(encoding="utf-8"))
    assert {"curves", "scores", "settings", "cases", "how"} <= set(page.ids)
    assert page.tags.count("svg") == 3
    assert sum(link.startswith("data:image/jpeg") for link in page.links) == 6 * 3  # image, a, b
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []


def test_the_test_is_that_of_the_shared_images(runs):
    found, shared = read(runs)
    values = [{c: case.values["iou"] for c, case in run.scored[0].cases.items()} for run in found]
    expected = paired_difference(*values)
    table = pair_table(shared)
    assert table.names == ["a − b"]
    assert table.columns["p"][0].number == pytest.approx(expected.p)
    assert table.columns["Mean difference"][0].number == pytest.approx(expected.mean)
    dice = found[1].scored[0].summary["cases"]["dice"]["mean"]
    assert shared_table(shared).columns["Dice"][1].number == pytest.approx(dice)


def test_validation_images_count_where_not_all_were_evaluated(copies):
    (copies[1] / "metrics.json").unlink()
    _, shared = read(copies)
    assert (shared.scored[0].split, shared.ids) == ("val", ("case4",))


def test_images_of_other_data_are_not_compared(copies, tmp_path):
    for folder in (copies[1], copies[1] / "validation"):
        change(folder, "metrics.json", data="/other")
    assert read(copies)[1] is None
    text = write_runs_page(copies, out=tmp_path / "out").read_text(encoding="utf-8")
    assert "share no scored images" in text
    assert "Paired tests" not in text


def test_only_images_of_all_runs_count(copies):
    lines = (copies[1] / "cases.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("case7,")]
    (copies[1] / "cases.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    _, shared = read(copies)
    assert len(shared.ids) == 5
    assert "1 image that not all have left out" in shared.caption


def test_settings_that_differ_are_listed_and_no_others(runs):
    table = settings_table(["a", "b"], read(runs)[0])
    assert table.names == ["seed", "learning_rate"]
    assert [value.text for value in table.columns["b"]] == ["1", "0.01"]


def test_one_wish_for_no_pictures_holds_for_all(copies, tmp_path):
    settings = yaml.safe_load((copies[0] / "config.yaml").read_text(encoding="utf-8"))
    (copies[0] / "config.yaml").write_text(yaml.safe_dump({**settings, "no_pictures": True}))
    page = Page(write_runs_page(copies, out=tmp_path / "out").read_text(encoding="utf-8"))
    assert "img" not in page.tags


def test_runs_of_one_name_are_told_apart(tmp_path):
    folders = [tmp_path / "x" / "run", tmp_path / "y" / "run"]
    assert run_names(folders) == ["x/run", "y/run"]


def test_the_command_draws_what_the_folders_are(copies, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (copies[0] / "report.html").unlink()
    assert main(["report", "a", "--title", "Mine"]) == 0
    assert "<h1>Mine</h1>" in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert main(["report", "a", "--out", "shared", "--no-pictures"]) == 0
    assert "<img" not in (tmp_path / "shared" / "report.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["report", "a", "b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": "report/index.html", "runs": ["a", "b"]}


def test_what_cannot_be_drawn_is_one_line(copies, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_comparison(tmp_path / "results")
    (tmp_path / "runs").mkdir()
    shutil.copytree("a", "runs/one")
    for argv, line in (
        (["a", "results"], "a is a run folder, results is none; report them one by one"),
        (["results", "runs"], "comparisons are reported one by one"),
        (["runs"], "runs: holds 1 run folder, such as runs/one; name those: bmis report runs/*/"),
        (["a", "a"], "a run is named twice"),
        (["results", "--no-pictures"], "--no-pictures is for run folders"),
        (["nowhere"], "nowhere: no such folder"),
        (["a", "nowhere"], "nowhere is none"),
    ):
        assert main(["report", *argv]) == 2
        (said,) = capsys.readouterr().err.strip().splitlines()
        assert line in said
