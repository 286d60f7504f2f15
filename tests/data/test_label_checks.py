"""What labels show that is likely a mistake: classes that flips confuse, inverted masks."""

import numpy as np
import pytest

from bmis import inspect_dataset, train_model
from bmis.cli.inspect import render
from helpers.folders import picture, save
from helpers.tiny import config

SAID = "'left' and 'right' mirror each other in 8 images: flips of left with right confuse them"


def folder(root, *boxes, swapped=0):
    """Eight images with a box for each class: (first column, columns, rows)."""
    for index in range(8):
        mask = np.zeros((24, 40), np.uint8)
        for number, (start, wide, high) in enumerate(boxes, start=1):
            mask[4 : 4 + high, start : start + wide] = number
        if index < swapped:
            mask = mask[:, ::-1]
        save(root / "images" / f"c{index}.png", picture(index, (24, 40)))
        save(root / "masks" / f"c{index}.png", mask)
    names = ["rest", "left", "right", "middle"][: 1 + len(boxes)]
    (root / "dataset.yaml").write_text(f"classes: [{', '.join(names)}]")
    return root


def test_left_and_right_are_named_with_the_option_that_keeps_them_apart(tmp_path):
    found = inspect_dataset(folder(tmp_path, (4, 8, 8), (28, 8, 8), (19, 2, 8)))
    assert found.warnings == (f"{SAID}; train with --set 'augmentation.flip=[0,0.5]'",)
    assert SAID in render(found)
    assert "No problems found." in render(found)


@pytest.mark.parametrize(
    ("boxes", "swapped"),
    [
        pytest.param([(4, 8, 8), (28, 8, 8)], 4, id="on either side"),
        pytest.param([(4, 8, 8), (28, 8, 8)], 2, id="on one side as a rule, but not always"),
        pytest.param([(4, 8, 8), (28, 4, 4)], 0, id="of other sizes"),
        pytest.param([(0, 4, 8), (8, 4, 8)], 0, id="both on one side"),
        pytest.param([(16, 4, 8), (20, 3, 8)], 0, id="too near"),
        pytest.param([(28, 8, 8)], 0, id="one class"),
    ],
)
def test_other_classes_are_not(tmp_path, boxes, swapped):
    assert inspect_dataset(folder(tmp_path, *boxes, swapped=swapped)).warnings == ()


def test_masks_of_wrong_values_stop_nothing(tmp_path):
    root = folder(tmp_path, (4, 8, 8))
    (root / "dataset.yaml").unlink()
    for index in range(8):
        save(root / "masks" / f"c{index}.png", np.full((24, 40), (0, 7)[index % 2], np.uint8))
    save(root / "masks" / "c0.png", np.full((24, 40), 200, np.uint8))
    found = inspect_dataset(root)
    assert found.warnings == ()
    assert any("c0.png" in problem.path for problem in found.problems)


@pytest.mark.parametrize(("rows", "said"), [(20, True), (10, False)])
def test_masks_that_are_foreground_nearly_everywhere_may_be_inverted(tmp_path, rows, said):
    text = "83 % of the pixels are foreground: are the masks inverted?"
    found = inspect_dataset(folder(tmp_path, (0, 40, rows)))
    assert (text in " ".join(found.warnings)) is said


@pytest.mark.parametrize(
    ("changes", "said"), [({}, True), ({"augmentation.flip": [0, 0.5]}, False)]
)
def test_training_says_what_inspect_says_unless_it_does_not_flip(tmp_path, caplog, changes, said):
    data = folder(tmp_path / "data", (4, 8, 8), (28, 8, 8))
    train_model(config(data, epochs=1, changes=changes), out=tmp_path / "run")
    expected = "'left' and 'right' mirror each other in 6 images"  # of training and validation
    assert (expected in caplog.text) is said
