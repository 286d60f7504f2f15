"""Splits that cannot give honest scores are named."""

import numpy as np
import pytest

from bmis.data.folder import open_dataset
from bmis.data.split_checks import split_problems, warn_of_splits
from helpers.folders import blob, make_folder, save

SPLITS = ("train",) * 6 + ("val",) * 2 + ("test",) * 2


def write(root, *, empty=(), groups=None):
    """Ten images; those in ``empty`` show nothing."""
    make_folder(root)
    groups = groups or range(10)
    rows = zip(SPLITS, groups, strict=True)
    lines = [f"c{i:02},{split},g{group}" for i, (split, group) in enumerate(rows)]
    (root / "splits.csv").write_text("\n".join(["id,split,group", *lines]))
    for index in empty:
        save(root / "masks" / f"c{index:02}.png", 0 * blob(0))
    return root


def problems(root):
    dataset = open_dataset(root)
    return split_problems(root, dataset.cases, dataset.coding)


def test_one_image_with_foreground_in_each_split_is_enough(tmp_path):
    assert problems(write(tmp_path / "data", empty=(0, 1, 2, 6, 8))) == []


@pytest.mark.parametrize(
    ("empty", "message"),
    [
        (range(6), "no foreground in split 'train' (6 images), so a network learns to"),
        ((6, 7), "no foreground in split 'val' (2 images), so it cannot choose"),
        ((8, 9), "no foreground in split 'test' (2 images), so its scores do not say"),
    ],
)
def test_a_split_without_foreground_is_named(tmp_path, empty, message):
    (problem,) = problems(write(tmp_path / "data", empty=empty))
    assert message in problem


def test_masks_that_cannot_be_read_may_show_foreground(tmp_path):
    dataset = open_dataset(write(tmp_path / "data", empty=range(7)))
    for index in (7, 8, 9):
        (dataset.root / "masks" / f"c{index:02}.png").write_text("no picture")
    (problem,) = split_problems(dataset.root, dataset.cases, dataset.coding)
    assert "no foreground in split 'train'" in problem


def test_the_lower_of_two_values_is_background_whatever_it_is(tmp_path):
    root = write(tmp_path / "data")
    for index in range(10):
        shown = blob(index) // 255 * (index < 8)
        save(root / "masks" / f"c{index:02}.png", shown + np.uint8(1))
    (problem,) = problems(root)
    assert "no foreground in split 'test'" in problem


def test_a_divided_group_is_named(tmp_path):
    root = write(tmp_path / "data", groups=[0, 1, 2, 3, 4, 5, 5, 7, 8, 9])
    (problem,) = problems(root)
    assert "1 group divided between splits, such as 'g5' between train and val" in problem


def test_a_problem_is_logged_once(tmp_path, caplog):
    root = write(tmp_path / "data", empty=(8, 9))
    for _ in range(2):
        warn_of_splits(open_dataset(root))
    assert len(caplog.messages) == 1
