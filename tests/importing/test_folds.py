"""Folds of a data set are carried over where the ids stay the same; else it is said."""

import pytest

from bmis import import_dataset, open_dataset
from helpers.folders import make_folder, picture, save, write_table

IDS = [f"c{index:02}" for index in range(4)]


@pytest.fixture
def source(tmp_path):
    return make_folder(tmp_path / "in", 4)


def fold(source, number, ids, split="train"):
    return write_table(
        source / "folds" / f"fold{number}.csv", "id,split", *(f"{name},{split}" for name in ids)
    )


def run(source):
    return import_dataset(source, source.parent / "out")


def test_folds_are_carried_over(source):
    lines = [f"{name},{'test' if name == 'c01' else 'train'},x" for name in IDS]
    write_table(source / "folds" / "fold1.csv", "id,split,why", *lines)
    fold(source, 2, IDS)
    done = run(source)
    assert "files of folds/ that are carried over: 2" in done.notes
    assert done.not_read == {}
    assert [case.id for case in open_dataset(done.out, fold=1).split("test")] == ["c01"]


def test_lines_of_images_that_are_not_imported_are_left_out(source):
    fold(source, 1, IDS)
    (source / "masks" / "c03.png").unlink()
    done = run(source)
    assert (done.out / "folds" / "fold1.csv").read_text() == (
        "id,split\nc00,train\nc01,train\nc02,train\n"
    )
    assert any("without 1 line for images that are not imported" in note for note in done.notes)


def test_folds_of_other_ids_are_not_carried_over_and_that_is_said(source):
    fold(source, 1, IDS)
    fold(source, 2, IDS[1:])
    fold(source, 3, IDS[2:])
    done = run(source)
    assert [path.name for path in (done.out / "folds").iterdir()] == ["fold1.csv"]
    assert "not carried over: folds/fold2.csv (it does not list 'c00') and 1 more" in done.notes


def test_ids_that_change_are_no_longer_in_the_folds(tmp_path):
    source = tmp_path / "in"
    for folder in ("train", "test"):
        save(source / folder / "images" / "a.png", picture(0))
        save(source / folder / "masks" / "a.png", picture(0, grey=True) // 128 * 255)
    fold(source, 1, ["a"])
    done = run(source)
    assert not (done.out / "folds").exists()
    assert any("not carried over: folds/fold1.csv" in note for note in done.notes)


def test_a_broken_table_is_named(source):
    write_table(source / "folds" / "fold1.csv", "name,part", "c00,train")
    done = run(source)
    assert len(done.cases) == 4
    assert f"{source}/folds/fold1.csv: the first line must name the columns" in done.failed[0]
