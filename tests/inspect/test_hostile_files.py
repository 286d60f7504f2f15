"""Special files and hostile texts in a data set are problems of their own files, not the end."""

import os
from pathlib import Path

import pytest

from bmis.errors import DataError
from bmis.inspect.dataset import inspect_dataset
from helpers.tiny import write_dataset


@pytest.fixture
def root(tmp_path):
    return write_dataset(tmp_path / "data")


@pytest.mark.parametrize(
    "name", ["splits.csv", "dataset.yaml", "images/case1.png", "masks/case1.png", "fov/case1.png"]
)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_special_file_is_one_problem(root, name, kind):
    file = root / name
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(file)  # reading it would wait for ever
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    found = inspect_dataset(root)
    assert found.images >= 5
    if kind != "folder" or "/" not in name:
        assert any("cannot be read (a folder, pipe or device)" in p.message for p in found.problems)


@pytest.mark.parametrize(
    "text",
    [
        "channels: 3.0",
        "channels: true",
        "channels: [3]",
        "channels: 0x" + "f" * 4000,
        "classes: [a, [b]]",
        "classes: {a: 1, b: 2}",
        "classes: 7",
        "spacing: 1",
        "spacing: [.nan, 1]",
        "spacing: [.inf, 1]",
        "spacing: ['1', '1']",
        "name: [a]",
        "7",
        "- " * 3000,
        "a: &a [*a]",
        "? [a]\n: b",
    ],
)
def test_a_wrong_description_is_one_problem_in_one_line(root, text):
    (root / "dataset.yaml").write_text(text)
    (problem,) = inspect_dataset(root).problems
    assert Path(problem.path).name == "dataset.yaml"
    assert problem.message.isprintable()
    assert len(problem.message) < 500


@pytest.mark.parametrize(
    "text",
    ["[" * 9999, "{", "[]", '{"labels": 7}', '{"labels": {"a": {}}}', '{"labels": {"²": "a"}}'],
)
def test_a_wrong_description_of_nnunet_is_one_problem(root, text):
    (root / "images").rename(root / "imagesTr")
    (root / "masks").rename(root / "labelsTr")
    (root / "dataset.json").write_text(text)
    (problem,) = inspect_dataset(root).problems
    assert Path(problem.path).name == "dataset.json"
    assert problem.message.isprintable()


def test_names_that_are_no_text_get_a_split(root):
    (root / "splits.csv").unlink()
    for part in ("images", "masks"):
        (root / part / "case1.png").rename(root / part / os.fsdecode(b"\xff\xfe.png"))
    found = inspect_dataset(root, out=root / "out")
    assert found.images == 6
    assert found.problems == ()


def test_a_missing_folder_is_still_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        inspect_dataset(tmp_path / "none")
