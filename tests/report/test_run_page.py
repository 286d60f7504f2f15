"""The page of a training: drawn from its folder, whole, safe, and never in the training's way."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import bmis.report.runs.live as live
from bmis.cli.main import main
from bmis.data.folder import open_dataset
from bmis.errors import DataError
from bmis.evaluate.run import evaluate_model
from bmis.report.runs.cases import BEST, MIDDLE, WORST, choose_cases
from bmis.report.runs.page import write_run_page
from bmis.report.runs.read import read_run
from bmis.report.runs.scored import ScoredCase, ScoredImages
from bmis.report.runs.tables import balance_table, class_table, confusion_of, recipe_table
from bmis.train.run import train_model
from helpers.pages import Page
from helpers.tiny import SPLITS, config, write_dataset

NASTY = "</script><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on three classes that was evaluated, and its data beside it."""
    root = tmp_path_factory.mktemp("page")
    data = write_dataset(root / "data", splits=(*SPLITS, "val"), classes=3)
    train_model(config(data, changes={"augmentation.noise": 0.01}), out=root / "run")
    evaluate_model(root / "run")
    return root


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path / "run"


def page_of(run, **options):
    return Page(write_run_page(run, **options).read_text(encoding="utf-8"))


def test_a_training_and_its_evaluation_leave_a_page_with_all_sections(trained):
    page = Page((trained / "run" / "report.html").read_text(encoding="utf-8"))
    assert {"training", "scored-test", "scored-val", "data", "recipe", "how"} <= set(page.ids)
    assert page.tags.count("svg") == 3
    # three images, each with truth, mask and difference; the file asks for nothing else
    assert sum(link.startswith("data:image/jpeg") for link in page.links) == 3 * 3
    assert [link for link in page.links if not link.startswith(("#", "data:"))] == []
    assert "refresh" not in (trained / "run" / "report.html").read_text(encoding="utf-8")


def test_scores_of_the_page_are_those_of_the_evaluation(trained):
    test, val = read_run(trained / "run").scored
    assert (test.split, val.split, len(val.cases)) == ("test", "val", 2)
    again = evaluate_model(trained / "run", split="val", out=trained / "again")
    assert val.summary == json.loads(json.dumps(again.summary))
    dice = test.summary["classes"]["class 1"]["dice"]["mean"]
    table = class_table(test)
    assert table.names == ["class 1", "class 2", "mean over images"]
    assert table.columns["Dice"][0].text == f"{dice:.3f}"
    confusion = confusion_of(test)
    assert sum(pixels for pixels, _ in confusion.rows) == 32 * 32
    assert all(sum(shares) == pytest.approx(1) for pixels, shares in confusion.rows if pixels)


def test_the_balance_counts_the_masks(trained):
    table = balance_table(read_run(trained / "run"))
    assert table.names == ["images", "class 1", "class 2"]
    assert [value.text for value in table.columns["train: images"]] == ["4", "4", "4"]
    # the square covers a quarter, its left half is class 2; the test split is known from its scores
    assert [v.text for v in table.columns["train: pixels"]] == ["", "12.5 %", "12.5 %"]
    assert [v.text for v in table.columns["test: pixels"]] == ["", "12.5 %", "12.5 %"]


def test_groups_are_counted_where_there_are_any(tmp_path):
    data = write_dataset(tmp_path / "data")
    rows = list(csv.reader((data / "splits.csv").read_text(encoding="utf-8").splitlines()))
    with (data / "splits.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([[*row, "group" if not n else f"p{n // 3}"]
                                      for n, row in enumerate(rows)])  # fmt: skip
    train_model(config(data, epochs=1), out=tmp_path / "run")
    table = balance_table(read_run(tmp_path / "run"))
    assert table.names[:2] == ["images", "groups"]
    assert table.columns["train: images"][1].text == "2"


def test_changes_of_the_recipe_are_marked(trained):
    table = recipe_table(read_run(trained / "run"))
    rows = {name: value for name, (value, _) in table.rows}
    assert rows["augmentation.noise"].mark == "best"
    assert rows["batch_size"].mark == "best"  # 2 instead of 8
    assert rows["loss"].mark == ""


def test_no_pictures_means_none(run, tmp_path):
    page = page_of(run, pictures=False)
    assert "img" not in page.tags
    assert "case4" in "".join(page.texts)  # scores stay
    settings = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    (run / "config.yaml").write_text(yaml.safe_dump({**settings, "no_pictures": True}))
    assert "img" not in page_of(run).tags  # the training's own wish holds for later pages


def test_masks_are_drawn_alone_where_the_images_are_gone(run):
    for folder in (run, run / "validation"):
        about = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        (folder / "metrics.json").write_text(json.dumps({**about, "data": "/nowhere"}))
    page = page_of(run)
    assert sum(link.startswith("data:image/png") for link in page.links) == 3
    assert any("the images were not found: /nowhere" in text for text in page.texts)


def test_names_and_settings_cannot_put_code_on_the_page(run):
    settings = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    (run / "config.yaml").write_text(yaml.safe_dump({**settings, "model": NASTY, "init": NASTY}))
    for folder in (run, run / "validation"):
        for file in ("metrics.json", "cases.csv", "masks.json"):
            text = (folder / file).read_text(encoding="utf-8")
            word = json.dumps(NASTY)[1:-1] if file.endswith("json") else NASTY
            (folder / file).write_text(text.replace("case5", word).replace("class 1", word))
    page = page_of(run)
    assert page.tags.count("script") == 1
    assert NASTY in "".join(page.texts)


@pytest.mark.parametrize("file", ["facts.json", "environment.json", "masks.json", "validation"])
def test_the_page_does_without_what_older_runs_lack(run, file):
    if (run / file).is_dir():
        shutil.rmtree(run / file)
    else:
        (run / file).unlink()
    assert "training" in page_of(run).ids


@pytest.mark.parametrize(
    "file", ["config.yaml", "log.csv", "metrics.json", "cases.csv", "masks.json", "facts.json"]
)
@pytest.mark.parametrize("content", ["", "[1, 2", "{}", "a,b\n1,x\n", "\0\0"])
def test_damaged_files_are_one_line_and_the_old_page_stays(run, file, content, capsys):
    before = (run / "report.html").read_bytes()
    (run / file).write_text(content, encoding="utf-8")
    code = main(["report", str(run)])
    lines = capsys.readouterr().err.strip().splitlines()
    assert (code, len(lines)) in ((2, 1), (0, 0))
    if code:
        assert str(run) in lines[0]
        assert (run / "report.html").read_bytes() == before


def test_a_folder_without_a_finished_epoch_says_so(run):
    (run / "log.csv").unlink()
    with pytest.raises(DataError, match="no epoch is finished yet"):
        read_run(run)


def test_a_collapsed_network_and_old_scores_are_named(run):
    about = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    states = {"present": 0, "missed": 1, "false_alarm": 0, "absent": 0}
    about["summary"]["class_states"]["class 1"] = states
    about["training"]["best_epoch"] = 7
    (run / "metrics.json").write_text(json.dumps(about))
    text = "".join(page_of(run).texts)
    assert "it finds no class 1 in any image" in text
    assert "scored with the weights of epoch 7" in text


def test_the_best_epoch_is_the_one_that_was_kept(trained):
    run = read_run(trained / "run")
    assert run.best_epoch == run.scored[0].best_epoch
    nothing = {"val_iou": 0.0, "val_dice": 0.0}
    assert replace(run, log=[nothing, nothing]).best_epoch == 2  # as the training keeps them
    one = {"val_iou": 0.5, "val_dice": 0.6}
    assert replace(run, log=[nothing, one, one]).best_epoch == 2


def test_while_it_is_trained_the_page_refreshes_itself_and_at_the_end_no_more(run, monkeypatch):
    settings = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    (run / "config.yaml").write_text(yaml.safe_dump({**settings, "epochs": 9}))
    monkeypatch.setattr(live, "_EVERY", 0.0)
    page = run / "report.html"
    with live.live_page(run, wanted=True) as epoch_is_done:
        epoch_is_done()
        during = page.read_text(encoding="utf-8")
    after = page.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' in during
    assert "Epoch 2 of 9 is done" in during
    assert "scored-test" not in during  # those are of earlier weights
    assert 'http-equiv="refresh"' not in after
    assert "Stopped after epoch 2 of 9" in after


def test_it_is_drawn_at_most_every_ten_seconds(run, monkeypatch):
    drawn = []
    monkeypatch.setattr(live, "try_to_write", lambda run, **values: drawn.append(values))
    with live.live_page(run, wanted=True) as epoch_is_done:
        for _ in range(5):
            epoch_is_done()
    assert drawn == [{"live": True}, {}]


def test_a_training_goes_on_where_its_page_cannot_be_drawn(tmp_path, monkeypatch, caplog):
    def broken(*args, **values):
        raise ValueError("no ink")

    monkeypatch.setattr(live, "write_run_page", broken)
    data = write_dataset(tmp_path / "data")
    assert train_model(config(data), out=tmp_path / "run").epochs == 2
    assert "cannot be drawn, all else is there (no ink)" in caplog.text
    assert not (tmp_path / "run" / "report.html").exists()


def test_without_a_page_nothing_of_it_is_left(tmp_path):
    data = write_dataset(tmp_path / "data")
    train_model(config(data, epochs=1), out=tmp_path / "run", page=False)
    evaluate_model(tmp_path / "run")
    left = {file.name for file in (tmp_path / "run").iterdir()}
    assert not left & {"report.html", "facts.json", "validation"}


def test_scores_of_another_folder_leave_the_page_alone(run, trained):
    before = (run / "report.html").read_bytes()
    evaluate_model(run, split="val", out=run.parent / "val")
    assert (run / "report.html").read_bytes() == before


def test_images_stand_from_worst_to_best_without_those_that_are_rightly_empty():
    scores = {"good": (0.9, "present"), "none": (1.0, "correctly_empty"), "bad": (0.1, "present")}
    cases = {name: ScoredCase({"dice": dice}, how) for name, (dice, how) in scores.items()}
    assert ScoredImages(Path(), {}, cases, {}).worst_first() == ["bad", "good"]


def test_the_chosen_images_are_the_worst_the_middle_and_the_best_and_none_twice():
    for count in (1, 19, 20, 21, 22, 24, 25, 60, 500):
        order = [f"{n:03}" for n in range(count)]
        chosen = [case for ids in choose_cases(order).values() for case in ids]
        assert len(chosen) == len(set(chosen)) == min(count, WORST + MIDDLE + BEST)
        assert chosen == sorted(chosen)
        assert {order[0], order[-1]} <= set(chosen)


def test_many_validation_images_are_sampled_evenly(tmp_path, monkeypatch):
    import bmis.evaluate.validation as validation

    monkeypatch.setattr(validation, "_MOST", 3)
    data = write_dataset(tmp_path / "data", splits=("train", "train", *["val"] * 7, "test"))
    train_model(config(data, epochs=1), out=tmp_path / "run")
    (val,) = read_run(tmp_path / "run").scored
    assert list(val.cases) == ["case2", "case4", "case6"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "3 of 7 were scored" in page


def test_pictures_stay_small(run):
    text = write_run_page(run).read_text(encoding="utf-8")
    assert max(map(len, re.findall(r'src="data:image/[^"]*"', text))) < 40_000
    assert len(open_dataset(Path(read_run(run).settings["data"])).cases) == 7
