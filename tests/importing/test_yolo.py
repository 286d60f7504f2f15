"""YOLO: lists of images, text files, and lines that are wrong."""

import re

import numpy as np
import pytest

from bmis import ImportOptions, import_dataset
from bmis.errors import DataError
from helpers.annotated import OUTLINE, SIZE, images, mask, square, write

LINE = "0 " + " ".join(f"{value / SIZE[1 - at % 2]:.5f}" for at, value in enumerate(OUTLINE))


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "in"
    images(root / "images" / "train", "a.png", "b.png")
    images(root / "images" / "val", "c.png")
    for name in ("train/a", "train/b", "val/c"):
        write(root / "labels" / f"{name}.txt", LINE)
    write(
        root / "data.yaml",
        "path: /datasets/x\ntrain: images/train\nval: images/val\nnames: [lesion]",
    )
    return root


def run(source, **options):
    return import_dataset(source, source.parent / "out", ImportOptions(**options))


def test_corners_in_whole_pixels_give_the_pixels_they_were_traced_around(source):
    done = run(source)
    assert done.classes == ("background", "lesion")
    assert {case.id: case.split for case in done.cases} == {"a": "train", "b": "train", "c": "val"}
    np.testing.assert_array_equal(mask(done.out) > 0, square() > 0)
    assert done.not_read == {}


@pytest.mark.parametrize(
    "text",
    [
        "train: ../images/train\nvalid: ../images/val\nnames:\n  0: lesion",
        "train: train.txt\nval: [images/val]\nnames: {0: lesion}",
        "path: ../in\ntrain: ./images/train/\nval: images/val\nnc: 1\nnames: ['lesion']",
    ],
)
def test_the_lists_are_found_however_they_are_written(source, text):
    write(source / "data.yaml", text)
    write(source / "train.txt", "./images/train/a.png\nimages/train/b.png\n")
    assert [case.split for case in run(source).cases] == ["train", "train", "val"]


def test_a_list_for_training_alone_is_no_split(source):
    write(source / "data.yaml", "train: images\nnames: [lesion]")
    done = run(source)
    assert {case.split for case in done.cases} == {None}
    assert "every image is listed for training" in done.notes[0]
    assert not (done.out / "splits.csv").exists()


def test_an_image_without_a_text_file_is_background(source):
    (source / "labels" / "train" / "b.txt").unlink()
    done = run(source)
    assert not mask(done.out, "b").any()
    assert done.cases[1].notes == ("has no text file: all background",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 0.2", "line 1 is a box, not an outline"),
        ("3 0.1 0.1 0.2 0.1 0.2 0.2", "line 1: class 3 is not in data.yaml"),
        ("0 0.1 0.1 0.2 0.1 0.2", "line 1 ends inside a point"),
        ("lesion 0.1 0.1", "line 1 is no class with numbers"),
        ("0 0.1 nan 0.2 0.1 0.2 0.2", "line 1: has points that are no pairs of numbers"),
        ("0 11 10 20 10 20 20", "line 1: has a point far from the image"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_a_wrong_line_leaves_out_its_image_and_no_other(source, line, message):
    write(source / "labels" / "train" / "a.txt", line)
    done = run(source)
    assert [case.id for case in done.cases] == ["b", "c"]
    assert re.search(message, done.failed[0]), done.failed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: nowhere\nnames: [a]", "train: nowhere is no folder or list"),
        ("train: /etc\nnames: [a]", "train: /etc is no folder or list"),
        ("train: 1\nnames: [a]", "train: 1 is no folder or list"),
        ("train: [1]\nnames: 5", "'names' must be a list of names, got 5"),
    ],
)
def test_a_wrong_data_yaml_is_one_line(source, text, message):
    write(source / "data.yaml", text)
    with pytest.raises(DataError, match=message):
        run(source)
    assert not (source.parent / "out").exists()
