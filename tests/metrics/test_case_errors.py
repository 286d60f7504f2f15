"""Errors that metrics of known libraries have or had, one test each, named after the error."""

import itertools
import math

import numpy as np
import pytest

from bmis.errors import DataError
from bmis.metrics import DISTANCES, METRICS, score_case, summarise_cases, surface_distances

HIGHER_IS_BETTER = [name for name in METRICS if name not in DISTANCES]


def square(size, top, left, side, label=1):
    labels = np.zeros(size, np.uint8)
    labels[top : top + side, left : left + side] = label
    return labels


EMPTY = np.zeros((30, 40), np.uint8)
TRUTH = square((30, 40), 5, 5, 10)
HIT = square((30, 40), 6, 5, 10)
POOR = square((30, 40), 19, 29, 10)


def mean_over_cases(predictions, truths, name, num_classes=2):
    names = ["background", "a", "b"][:num_classes]
    cases = [score_case(p, t, num_classes) for p, t in zip(predictions, truths, strict=True)]
    return summarise_cases(cases, names)["cases"][name]


@pytest.mark.parametrize("name", ["hd95", "assd"])
def test_a_missed_structure_does_not_drop_out_of_the_mean(name):
    """MONAI #9095: HD95 of a miss was NaN and left out, so missing more scored better."""
    found = mean_over_cases([HIT, POOR], [TRUTH, TRUTH], name)
    missed = mean_over_cases([HIT, EMPTY], [TRUTH, TRUTH], name)
    assert missed["n"] == found["n"] == 2
    assert missed["mean"] > found["mean"]


def test_a_missed_class_does_not_drop_out_of_the_case():
    """The same inside one image of three classes."""
    truth = TRUTH + square((30, 40), 18, 18, 10, label=2)
    both, one = score_case(truth, truth, 3), score_case(TRUTH, truth, 3)
    assert one.states == {1: "present", 2: "missed"}
    assert one.mean["hd95"] == pytest.approx((both.mean["hd95"] + math.hypot(30, 40)) / 2)
    assert (one.mean["dice"], one.mean["nsd"], one.mean["precision"]) == (0.5, 0.5, 0.5)


def test_an_absent_class_counts_neither_as_0_nor_as_1():
    """MONAI #7504, torchmetrics #2850: it did, and silently."""
    score = score_case(HIT, TRUTH, 3)
    assert score.states[2] == "absent"
    undefined = {name for name, value in score.classes[2].items() if value is None}
    assert undefined == set(METRICS) - {"accuracy", "specificity"}
    assert score.mean["dice"] == score.classes[1]["dice"] == pytest.approx(0.9)
    summary = summarise_cases([score], ["background", "a", "b"])
    assert summary["classes"]["b"]["dice"]["mean"] is None
    assert summary["classes"]["b"]["dice"]["undefined"] == 1
    assert summary["class_states"]["b"]["absent"] == 1


@pytest.mark.parametrize(
    ("prediction", "truth", "outcome"),
    [(EMPTY, TRUTH, "missed"), (TRUTH, EMPTY, "false_alarm")],
)
def test_a_distance_to_an_empty_mask_is_the_worst_not_the_best(prediction, truth, outcome):
    """ToothFairy #5, MONAI PR #8844: it was 0 (the best value) or 1.0."""
    score = score_case(prediction, truth, 2, spacing=(0.5, 2.0))
    assert score.outcome == outcome
    diagonal = math.hypot(30 * 0.5, 40 * 2.0)
    assert score.mean["hd95"] == score.mean["assd"] == pytest.approx(diagonal)
    assert score.mean["nsd"] == score.mean["dice"] == score.mean["iou"] == 0
    assert score.mean["precision"] == 0


def test_no_distance_of_a_hit_reaches_that_of_a_miss():
    corner, opposite = square((1, 9), 0, 0, 1), square((1, 9), 0, 8, 1)
    hit, miss = score_case(corner, opposite, 2), score_case(np.zeros_like(corner), opposite, 2)
    assert hit.mean["hd95"] == 8
    assert miss.mean["hd95"] > 8


def test_a_correctly_empty_image_is_right_and_counted_by_itself():
    score = score_case(EMPTY, EMPTY, 2)
    assert score.outcome == "correctly_empty"
    assert score.mean == dict.fromkeys(METRICS, 1.0) | {
        "hd95": 0.0,
        "assd": 0.0,
        "sensitivity": None,
    }
    others = [score_case(HIT, TRUTH, 2), score_case(EMPTY, TRUTH, 2), score_case(HIT, EMPTY, 2)]
    summary = summarise_cases([score, *others], ["background", "a"])
    assert summary["outcomes"] == {
        "present": 1,
        "missed": 1,
        "false_alarm": 1,
        "correctly_empty": 1,
    }
    assert summary["cases"]["dice"]["mean"] == pytest.approx((1 + 0.9) / 4)
    assert summary["cases_with_foreground"]["dice"]["mean"] == pytest.approx(0.9 / 2)
    assert summary["classes"]["a"]["dice"]["mean"] == pytest.approx(0.9 / 3)
    assert summary["class_states"]["a"]["absent"] == 1


def test_dice_is_per_image_never_over_the_batch():
    """fastai #2267: the pixels of a batch were pooled, so large structures hid small ones."""
    truths = [square((64, 64), 0, 0, 50), square((64, 64), 0, 0, 5)]
    predictions = [truths[0], np.zeros((64, 64), np.uint8)]
    assert mean_over_cases(predictions, truths, "dice")["mean"] == 0.5  # pooled: above 0.99


def test_every_image_has_the_same_weight_never_a_mean_of_means():
    """fastai #2267: a short last batch weighed as much as a full one."""
    truths = [TRUTH] * 5
    predictions = [TRUTH] * 4 + [EMPTY]  # in batches of 4: (1 + 0) / 2
    assert mean_over_cases(predictions, truths, "dice")["mean"] == pytest.approx(0.8)


def test_images_are_the_unit_not_classes_times_images():
    """An image of two classes weighs no more than an image of one."""
    two = TRUTH + square((30, 40), 18, 18, 10, label=2)
    mean = mean_over_cases([two, EMPTY], [two, TRUTH], "dice", num_classes=3)["mean"]
    assert mean == 0.5  # over all class values: 2/3


@pytest.mark.parametrize("shape", [(1, 30, 40), (30, 40, 1), (30,), (0, 40)])
def test_only_two_axes_are_taken(shape):
    """Code from medpy: (1, H, W) gave another distance than (H, W), every pixel being surface."""
    with pytest.raises(DataError, match=r"must be one label image of shape \(H, W\), got \("):
        score_case(np.zeros(shape, np.uint8), EMPTY, 2)
    with pytest.raises(DataError, match=r"the truth must be one label image"):
        score_case(EMPTY, np.zeros(shape, np.uint8), 2)


def test_the_percentile_is_over_the_surface_not_the_interior():
    """MetricsReloaded #41: with the interior's zeros the percentile shrinks."""
    truth = square((80, 80), 10, 10, 60)
    prediction = truth.copy()
    prediction[10:70, 70:79] = 1  # one side grown by 9 pixels
    value = score_case(prediction, truth, 2).mean["hd95"]
    from_prediction, from_truth = surface_distances(prediction == 1, truth == 1)
    assert from_prediction.size == 2 * (60 + 69) - 4
    assert from_truth.size == 4 * 60 - 4
    assert value == 9  # over all predicted pixels: 5 to 6


def test_assd_pools_both_surfaces():
    """medpy #108: the mean of two directed means is another number; ours is the pooled one."""
    truth = square((80, 80), 10, 10, 60)
    prediction = square((80, 80), 10, 10, 3)  # a short outline on a corner of a long one
    there, back = surface_distances(prediction == 1, truth == 1)
    value = score_case(prediction, truth, 2).mean["assd"]
    assert value == pytest.approx((there.sum() + back.sum()) / (there.size + back.size))
    assert value > 1.5 * (there.mean() + back.mean()) / 2


def test_distances_are_in_the_pixels_of_the_image_not_of_a_resized_copy():
    """The paper's code scores at 224 x 224: a shift of 8 pixels at 448 became 4."""
    truth, prediction = square((448, 448), 100, 100, 160), square((448, 448), 108, 100, 160)
    assert score_case(prediction, truth, 2).mean["hd95"] == 8
    small = prediction[::2, ::2]
    with pytest.raises(DataError, match=r"shape \(224, 224\), the truth \(448, 448\)"):
        score_case(small, truth, 2)


def test_no_wrong_answer_scores_better_than_the_right_one():
    """All 27 x 27 pairs of images of three pixels and classes, averaged with a mediocre image."""
    fixed = score_case(np.array([[1, 2], [0, 0]]), np.array([[1, 1], [2, 0]]), 3)
    images = [np.array([pixels]) for pixels in itertools.product(range(3), repeat=3)]
    names = ["background", "a", "b"]
    for truth in images:
        best = summarise_cases([fixed, score_case(truth, truth, 3)], names)
        for prediction in images:
            other = summarise_cases([fixed, score_case(prediction, truth, 3)], names)
            for right, wrong in (
                (best["cases"], other["cases"]),
                *((best["classes"][name], other["classes"][name]) for name in names[1:]),
            ):
                for name in HIGHER_IS_BETTER:
                    assert wrong[name]["mean"] <= right[name]["mean"] + 1e-12, (truth, prediction)
                for name in DISTANCES:
                    assert wrong[name]["mean"] >= right[name]["mean"] - 1e-12, (truth, prediction)
