"""What labels show that is likely a mistake: classes that flips confuse, inverted masks."""

import numpy as np
import pytest

from bmis import inspect_dataset, train_model
from bmis.cli.inspect import render
from bmis.data.coding import IGNORE
from bmis.data.label_checks import LabelFacts, label_facts, label_warnings
from helpers.folders import picture, save
from helpers.tiny import config

NAMES = ("background", "left", "right")
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
    assert "No problems found." not in render(found)


@pytest.mark.parametrize(
    ("boxes", "swapped"),
    [
        pytest.param([(4, 8, 8), (28, 8, 8)], 4, id="on either side"),
        pytest.param([(4, 8, 8), (28, 8, 8)], 2, id="on one side as a rule, but not always"),
        pytest.param([(4, 8, 8), (28, 4, 4)], 0, id="of other sizes"),
        pytest.param([(4, 4, 4), (28, 8, 8)], 0, id="of other sizes, the first one small"),
        pytest.param([(0, 4, 8), (8, 4, 8)], 0, id="both on one side"),
        pytest.param([(16, 4, 8), (20, 3, 8)], 0, id="too near"),
        pytest.param([(28, 8, 8)], 0, id="one class"),
    ],
)
def test_other_classes_are_not(tmp_path, boxes, swapped):
    assert inspect_dataset(folder(tmp_path, *boxes, swapped=swapped)).warnings == ()


def test_the_first_class_may_be_on_either_side(tmp_path):
    found = inspect_dataset(folder(tmp_path, (28, 8, 8), (4, 8, 8)))
    assert found.warnings == (f"{SAID}; train with --set 'augmentation.flip=[0,0.5]'",)


def test_a_few_images_show_no_rule():
    facts = LabelFacts({0: 90, 1: 5, 2: 5}, {1: 0.3, 2: 0.7})
    assert label_warnings([facts] * 4, NAMES) == ()
    assert len(label_warnings([facts] * 5, NAMES)) == 1


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (1, "'1' and '2' mirror each other in 5 images: flips"),
        (2, "'1' and '2', '3' and '4' mirror each other in up to 6 images: flips"),
        (5, "'1' and '2', '3' and '4', '5' and '6' (and 2 more pairs) mirror each other in up to"),
    ],
)
def test_many_pairs_are_one_sentence(pairs, said):
    """Fifteen numbered objects gave 43 lines."""
    facts = []
    for index in range(6):
        # pairs of other sizes do not mirror each other; the first pair is not in all images
        shown = [pair for pair in range(pairs) if pair or index]
        sizes = {2 * pair + side: 10 * 3**pair for pair in shown for side in (1, 2)}
        facts.append(LabelFacts(sizes, {label: (0.7, 0.3)[label % 2] for label in sizes}))
    (found,) = label_warnings(facts, [str(label) for label in range(1 + 2 * pairs)])
    assert found.startswith(said)


def test_of_three_classes_the_first_may_cover_nearly_everything():
    assert label_warnings([LabelFacts({0: 2, 1: 95, 2: 3}, {})], NAMES) == ()


def test_ignored_pixels_are_no_class():
    facts = label_facts(np.array([[0, 1, IGNORE, IGNORE]], np.uint8))
    assert (facts.sizes, facts.columns) == ({0: 1, 1: 1}, {0: 0.125, 1: 0.375})


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
    train_model(config(data, epochs=1, changes=changes), out=tmp_path / "run", page=False)
    expected = "'left' and 'right' mirror each other in 6 images"  # of training and validation
    assert (expected in caplog.text) is said


@pytest.mark.parametrize(
    ("showing", "images", "said"),
    [(1, 30, "1 of 30 images shows"), (9, 30, "9 of 30 images show"), (4, 9, "4 of 9 images show"),
     (10, 30, None), (5, 10, None), (0, 30, None)],
)  # fmt: skip
def test_a_class_that_hardly_any_image_shows_is_named(showing, images, said):
    facts = [LabelFacts({0: 99, 1: 1} if n < showing else {0: 100}, {}) for n in range(images)]
    found = label_warnings(facts, ["background", "lesion"])
    assert len(found) == (said is not None)
    assert all(f"only {said} 'lesion': too few to learn" in sentence for sentence in found)
