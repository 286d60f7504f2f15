"""Networks that answer nothing or everything are told from those that answer badly."""

import numpy as np
import pytest

from bmis.metrics import collapsed_classes, describe_collapse, score_case, summarise_cases

TRUTH = np.zeros((8, 8), np.uint8)
TRUTH[2:5, 2:5] = 1
CLASSES = ["background", "cup", "disc"]


def summary(*predictions, truth=TRUTH, classes=2):
    scores = [score_case(prediction, truth, classes) for prediction in predictions]
    return summarise_cases(scores, CLASSES[:classes])


def test_nothing_and_everything():
    nothing, everything = np.zeros_like(TRUTH), np.ones_like(TRUTH)
    assert collapsed_classes(summary(nothing, nothing)) == {"cup": "nothing"}
    assert collapsed_classes(summary(everything, everything)) == {"cup": "everything"}
    assert describe_collapse(summary(nothing)) == "collapsed: it finds no cup in any image"


def test_one_class_of_two():
    assert collapsed_classes(summary(TRUTH, truth=2 * TRUTH, classes=3)) == {"disc": "nothing"}


@pytest.mark.parametrize(
    "predictions",
    [
        (TRUTH, 0 * TRUTH),
        (0 * TRUTH, 1 - TRUTH),  # wrong everywhere, but no constant
        (np.ones_like(TRUTH), 0 * TRUTH),
    ],
)
def test_other_answers_have_not_collapsed(predictions):
    assert describe_collapse(summary(*predictions)) == ""


def test_nothing_found_where_nothing_is_has_not_collapsed_and_has_no_mean():
    found = summary(0 * TRUTH, 0 * TRUTH, truth=0 * TRUTH)
    assert collapsed_classes(found) == {}
    assert found["cases"]["dice"] == {
        "n": 0,
        "undefined": 2,
        "mean": None,
        "std": None,
        "ci95": None,
    }
    assert found["outcomes"]["correctly_empty"] == 2


@pytest.mark.parametrize("odd", [{}, {"class_states": 3}, {"class_states": {"a": []}}])
def test_summaries_of_odd_types_stop_nothing(odd):
    assert collapsed_classes(odd) == {}
