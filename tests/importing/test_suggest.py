"""What is said of folders that `bmis import` can read better than bmis does."""

import re
import shlex

import numpy as np
import pytest

from bmis import CompareConfig, TrainConfig, evaluate_model, inspect_dataset, train_model
from bmis.cli.main import main
from bmis.compare.splits import find_splits
from bmis.errors import DataError
from bmis.importing.suggest import point_to_import, suggest_import
from helpers.annotated import coco, images, square, write
from helpers.folders import make_folder, save


@pytest.fixture
def source(tmp_path):
    make_folder(tmp_path / "in", 4, value=128)
    return tmp_path / "in"


def test_inspect_names_the_command(source, tmp_path, capsys):
    save(source / "masks" / "c01.png", square(200))
    main(["inspect", str(source), "--out", str(tmp_path / "sheet")])
    out = capsys.readouterr().out
    assert f"values 0 128 200 are classes 0 to 2; `bmis import {source} " in out


def test_inspect_names_the_command_where_it_can_read_nothing(tmp_path, capsys):
    images(tmp_path / "my set" / "images", "a.png")
    write(tmp_path / "my set" / "a.json", coco())
    assert main(["inspect", str(tmp_path / "my set")]) == 2
    err = capsys.readouterr().err
    found = re.search(r"holds COCO annotations; `bmis import ('.*') ('.*')` makes", err)
    assert found
    assert found[2] == "'my set-imported'"


def test_inspect_is_silent_about_a_sound_data_set(tmp_path):
    make_folder(tmp_path / "in", 12)
    assert inspect_dataset(tmp_path / "in").suggestion is None


@pytest.mark.parametrize("value", [0, 255])
def test_masks_of_one_value_are_no_reason_to_import(tmp_path, value):
    """The import would read them as bmis does."""
    make_folder(tmp_path / "in", 12)
    for path in (tmp_path / "in" / "masks").iterdir():
        save(path, np.full_like(square(), value))
    assert inspect_dataset(tmp_path / "in").suggestion is None


@pytest.mark.parametrize(("value", "ignored"), [(128, None), (2, 9), (255, 128)])
def test_what_bmis_reads_in_place_is_no_reason_to_import(tmp_path, value, ignored):
    make_folder(tmp_path / "in", 12, value=value)
    if ignored:
        (tmp_path / "in" / "dataset.yaml").write_text(f"ignore: {ignored}")
        save(
            tmp_path / "in" / "masks" / "c03.png",
            np.where(square(1), value, ignored).astype(np.uint8),
        )
    found = inspect_dataset(tmp_path / "in")
    assert (found.suggestion, found.problems) == (None, ())


def pasted(text):
    """The command in a text, as a shell would take it."""
    return shlex.split(re.search("`bmis (import .*?)`", text)[1])


def from_one(index, count=3):
    labels = np.ones((24, 32), np.uint8)
    for value in range(2, count + 1):
        labels[4:20, 4 * value : 4 * value + 3] = value
    return labels


def numbered(index):
    """9 to 12 objects, numbered."""
    labels = np.zeros((24, 32), np.uint8)
    for value in range(1, 10 + index % 4):
        labels[value, 1:31] = value
    return labels


@pytest.mark.parametrize(
    ("draw", "reason", "classes"),
    [
        (from_one, "no mask holds 0, the background: values 1 2 3 are classes 0 to 2", 3),
        (numbered, "masks hold up to 13 values, which look like numbers of objects", 2),
        (lambda index: square(index % 2 + 1) * 80, "values 0 80 160 are classes 0 to 2", 3),
    ],
)
@pytest.mark.parametrize("count", [6, 45])
def test_the_command_works_as_it_is_pasted(
    tmp_path, monkeypatch, capsys, draw, reason, classes, count
):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "in", count)
    for index in range(count):
        save(tmp_path / "in" / "masks" / f"c{index:02}.png", draw(index))
    main(["inspect", "in"])
    out = capsys.readouterr().out
    assert reason in out
    assert "No problems found." not in out
    assert main(pasted(out)) == 0
    made = inspect_dataset("in-imported")
    assert made.suggestion is None
    assert len({count.name for count in made.classes}) == classes


def test_a_background_that_few_masks_show_is_no_reason_to_import(tmp_path):
    make_folder(tmp_path / "in", 45)
    for index in range(45):
        labels = from_one(index)
        save(tmp_path / "in" / "masks" / f"c{index:02}.png", labels * (labels > (index == 3)))
    assert suggest_import(tmp_path / "in", enough=8) is None


def test_train_and_compare_are_told_once(tmp_path, caplog):
    make_folder(tmp_path / "in", 12)
    for index in range(12):
        save(tmp_path / "in" / "masks" / f"c{index:02}.png", from_one(index))
    for _ in range(2):
        point_to_import(tmp_path / "in")
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path / 'in'}: no mask holds 0, the background: ")


def test_a_class_that_a_few_masks_lack_is_no_reason_to_import(tmp_path):
    make_folder(tmp_path / "in", 45, value=1)
    for number in (3, 7):
        save(tmp_path / "in" / "masks" / f"c{number:02}.png", square(3) + square(1))
    save(tmp_path / "in" / "masks" / "c05.png", square(2))
    assert inspect_dataset(tmp_path / "in").suggestion is None


def test_train_compare_and_evaluate_refuse_what_is_to_be_imported_in_one_line(tmp_path):
    """And do not say that there are no masks."""
    images(tmp_path / "in", "a.png")
    write(tmp_path / "in" / "a.json", coco())
    said = r"in: holds COCO annotations; `bmis import [^\n]* makes a data set of it$"
    with pytest.raises(DataError, match=said):
        train_model(TrainConfig(str(tmp_path / "in")), out=tmp_path / "run")
    with pytest.raises(DataError, match=said):
        find_splits(CompareConfig((str(tmp_path / "in"),), ("bmis",)))
    with pytest.raises(DataError, match=said):
        evaluate_model("nuclei", data=tmp_path / "in", out=tmp_path / "scores")
