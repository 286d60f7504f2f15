"""The expected Dice: its formula, its calibration, and what a predictor makes of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bmis.config import Confidence, PostProcessing
from bmis.data.images import Image
from bmis.predict.confidence import SoftDice, expected_dice, fit_confidence
from bmis.predict.load import load_predictor
from bmis.predict.mask import DOES_NOT_HOLD, Mask
from bmis.predict.predictor import Predictor
from bmis.predict.tables import Tables
from bmis.runtime.probabilities import class_probabilities
from helpers.fakes import Brightness, info

AS_IT_IS = Confidence(intercept=0.0, slope=1.0, empty=0.25)


def soft(logits, threshold=0.5, *, strips=1):
    found = SoftDice(len(logits), threshold)
    for part in np.array_split(logits, strips, axis=1):
        found.add(part)
    return found.value()


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("strips", [1, 3])
def test_the_soft_dice_is_that_of_the_mask_with_the_probabilities(classes, strips):
    logits = np.random.default_rng(0).normal(size=(classes, 12, 9), scale=3).astype(np.float32)
    likely = class_probabilities(logits.copy())
    labels = (likely[0] > 0.5).astype(int) if classes == 1 else likely.argmax(0)
    each = []
    for index in range(1, max(classes, 2)):
        plane, inside = likely[index if classes > 1 else 0], labels == index
        each.append(2 * plane[inside].sum() / (plane.sum() + inside.sum()))
    assert soft(logits, strips=strips) == pytest.approx(np.mean(each), rel=1e-5)


def test_the_threshold_decides_which_pixels_are_marked():
    logits = np.array([[[0.0, 0, 0]], [[-9, 1, 9]]], np.float32)
    low, high = (1 / (1 + np.exp(-x)) for x in (1.0, 9.0))
    total = low + high + 1 - high
    assert soft(logits) == pytest.approx(2 * (low + high) / (total + 2), rel=1e-5)
    assert soft(logits, 0.9) == pytest.approx(2 * high / (total + 1), rel=1e-5)
    assert soft(-np.abs(logits[1:]) - 9) is None


def test_the_calibration_finds_what_made_the_scores():
    rng = np.random.default_rng(0)
    seen = list(rng.uniform(0.3, 0.99, 400))
    truth = Confidence(intercept=-1.2, slope=0.7, empty=0.0)
    dice = [float(rng.random() < expected_dice(one, truth)) for one in seen]
    found = fit_confidence(seen, dice, empty_truths=0)
    assert found.intercept == pytest.approx(-1.2, abs=0.3)
    assert found.slope == pytest.approx(0.7, abs=0.2)
    values = [expected_dice(one, found) for one in sorted(seen)]
    assert values == sorted(values)
    assert 0 <= min(values) < max(values) <= 1


def test_an_empty_mask_is_right_as_often_as_it_was():
    seen, dice = [0.9] * 30, [0.8] * 30
    assert fit_confidence(seen, dice, empty_truths=0).empty == 0
    assert fit_confidence(seen, dice, empty_truths=15).empty == 0.5  # none seen: as often as true
    more = fit_confidence([*seen, *[None] * 9], [*dice, *[1.0] * 6, *[0.0] * 3], empty_truths=13)
    assert more.empty == pytest.approx((6 + 1 / 3) / 10, abs=1e-3)
    assert expected_dice(None, more) == more.empty


def test_odd_images_do_no_harm():
    for dice in (0.0, 1.0):
        found = fit_confidence([1.0] * 25, [dice] * 25, empty_truths=0)
        assert expected_dice(1.0, found) == pytest.approx(dice, abs=0.1)
    opposite = fit_confidence(list(np.linspace(0.1, 0.9, 30)), list(np.linspace(0.9, 0.1, 30)),
                              empty_truths=0)  # fmt: skip
    assert opposite.slope == 0
    assert fit_confidence([None] * 30, [1.0] * 30, empty_truths=30).empty == 1


@pytest.mark.parametrize("rule", ["squash", "letterbox", "native"])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_mask_carries_what_may_be_expected_of_it(rule, classes):
    pixels = np.full((40, 56, 3), 20, np.uint8)
    pixels[8:24, 8:40] = 250
    spec = replace(info(classes, resize=rule), confidence=AS_IT_IS)
    mask = Predictor(Brightness(classes), spec)(Image(pixels))
    assert 0.8 < mask.expected_dice <= 1
    whole = Predictor(Brightness(classes), spec, keep_probabilities=True)(Image(pixels))
    assert whole.expected_dice == mask.expected_dice
    assert Predictor(Brightness(classes), info(classes, resize=rule))(pixels).expected_dice is None


def test_a_mask_that_is_empty_after_post_processing_counts_as_empty():
    pixels = np.full((32, 32, 3), 20, np.uint8)
    pixels[:4, :4] = 250
    rules = PostProcessing(smallest_size=0.5)
    spec = replace(info(), confidence=AS_IT_IS, postprocessing=rules)
    mask = Predictor(Brightness(), spec)(pixels)
    assert not mask.labels.any()
    assert mask.expected_dice == AS_IT_IS.empty


def test_the_networks_that_came_before_tell_nothing():
    assert load_predictor("nuclei-bmis").info.confidence is None


@pytest.mark.parametrize(
    ("ood_score", "dice", "note"),
    [(1.5, 0.9, DOES_NOT_HOLD), (1.0, 0.9, None), (None, 0.9, None), (1.5, None, None)],
)
def test_it_is_said_where_the_expected_dice_does_not_hold(ood_score, dice, note):
    mask = Mask(np.ones((2, 3), np.uint8), ood_score=ood_score, expected_dice=dice)
    assert mask.expected_dice_note == note
    tables = Tables(("background", "polyp"))
    tables.add(Path("a.png"), mask)
    found = tables.findings[Path("a.png")]
    told = "" if dice is None else ", expected Dice 0.90"
    assert found == f"polyp 4 px{told}{f' ({note})' if note else ''}"
