"""The metrics against closed forms and against independent implementations."""

import itertools
import math

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_surface_dice,
    get_confusion_matrix,
)
from scipy import ndimage
from skimage.metrics import hausdorff_distance

from bmis.errors import ConfigError, DataError
from bmis.metrics import METRICS, score_case, surface, surface_distances
from bmis.metrics.case import OVERLAPS


def blob(seed, size=(60, 80), threshold=0.0):
    """A random mask of smooth outline, here and there touching the border."""
    noise = np.random.default_rng(seed).standard_normal(size)
    return ndimage.gaussian_filter(noise, 6) > threshold


def disc(radius, centre=(60, 60), size=(121, 121)):
    rows, columns = np.ogrid[: size[0], : size[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def one_hot(mask):
    return torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32))


# MONAI 1.6 warns of an argument that it passes itself
pytestmark = pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")

PAIRS = [(blob(seed), blob(seed + 100, threshold=0.02)) for seed in range(8)]
SPACINGS = [None, (0.7, 1.9)]


# closed forms


def test_two_squares_shifted_by_their_half():
    truth, prediction = np.zeros((40, 50), np.uint8), np.zeros((40, 50), np.uint8)
    truth[10:20, 10:20] = 1
    prediction[10:20, 15:25] = 1
    mean = score_case(prediction, truth, 2, tolerance=1).mean
    assert mean["iou"] == pytest.approx(50 / 150)
    assert mean["dice"] == mean["sensitivity"] == mean["precision"] == pytest.approx(0.5)
    assert mean["accuracy"] == pytest.approx(1900 / 2000)
    assert mean["specificity"] == pytest.approx(1850 / 1900)
    # Each outline has 36 pixels. On the top edge 5 lie on the other outline, the rest are 1 to 5
    # away, and so on the bottom edge. The 8 more of the inner side are 1 to 4 away, as far as the
    # nearest edge. The 8 more of the outer side are 5 away.
    inner = [1, 2, 3, 4, 4, 3, 2, 1]
    distances = 2 * [0] * 5 + 2 * [1, 2, 3, 4, 5] + inner + [5] * 8
    assert mean["assd"] == pytest.approx(sum(distances) / len(distances))
    assert mean["hd95"] == 5
    assert mean["nsd"] == pytest.approx(sum(d <= 1 for d in distances) / len(distances))


def test_spacing_turns_pixels_into_millimetres_along_its_own_axis():
    truth, down, right = (np.zeros((40, 40), np.uint8) for _ in range(3))
    truth[10:30, 10:30] = 1
    down[13:33, 10:30] = 1
    right[10:30, 13:33] = 1
    spacing = (0.5, 2.0)
    assert score_case(down, truth, 2, spacing).mean["hd95"] == pytest.approx(3 * 0.5)
    assert score_case(right, truth, 2, spacing).mean["hd95"] == pytest.approx(3 * 2.0)
    assert score_case(down, truth, 2, spacing, tolerance=1.5).mean["nsd"] == 1
    assert score_case(right, truth, 2, spacing, tolerance=1.5).mean["nsd"] < 0.7


def test_concentric_discs_differ_by_their_radii():
    mean = score_case(disc(40).astype(np.uint8), disc(30).astype(np.uint8), 2).mean
    assert mean["dice"] == pytest.approx(2 * 30**2 / (30**2 + 40**2), abs=0.002)
    assert mean["hd95"] == pytest.approx(10, abs=0.5)
    assert mean["assd"] == pytest.approx(10, abs=0.25)
    assert mean["nsd"] == 0


def test_a_perfect_mask_has_perfect_scores():
    truth = disc(20).astype(np.uint8)
    perfect = dict.fromkeys(METRICS, 1.0) | {"hd95": 0.0, "assd": 0.0}
    assert score_case(truth, truth, 2).mean == perfect


def test_the_tolerance_itself_is_inside():
    truth, prediction = np.zeros((30, 30), np.uint8), np.zeros((30, 30), np.uint8)
    truth[5, 5] = prediction[5, 8] = 1
    spacing = (1.0, 0.1)  # 3 x 0.1 is not 0.3 in floating point
    assert score_case(prediction, truth, 2, spacing, tolerance=0.3).mean["nsd"] == 1
    assert score_case(prediction, truth, 2, spacing, tolerance=0.299).mean["nsd"] == 0


def test_the_border_of_the_image_is_surface():
    assert surface(np.ones((4, 5), bool)).sum() == 2 * (4 + 5) - 4
    assert surface(np.ones((1, 5), bool)).all()
    full, truth = np.ones((20, 20), np.uint8), np.ones((20, 20), np.uint8)
    truth[:, 15:] = 0
    assert score_case(full, truth, 2).mean["hd95"] == 5


def test_truth_that_fills_the_image_leaves_specificity_undefined():
    full = np.ones((8, 8), np.uint8)
    assert score_case(full, full, 2).mean["specificity"] is None


def test_each_class_is_scored_by_itself_and_the_case_is_their_mean():
    truth = np.zeros((40, 40), np.uint8)
    truth[:20, :20], truth[20:, 20:] = 1, 2
    prediction = truth.copy()
    prediction[10:20, :20] = 2  # half of class 1 called class 2
    score = score_case(prediction, truth, 3)
    assert score.classes[1]["dice"] == pytest.approx(2 * 200 / 600)
    assert score.classes[2]["dice"] == pytest.approx(2 * 400 / 1000)
    for name in METRICS:
        assert score.mean[name] == pytest.approx(
            (score.classes[1][name] + score.classes[2][name]) / 2
        )


@pytest.mark.parametrize("spacing", SPACINGS)
def test_swapping_the_masks_or_the_axes_changes_no_distance(spacing):
    for ours, theirs in PAIRS:
        mean = score_case(ours, theirs, 2, spacing).mean
        swapped = score_case(theirs, ours, 2, spacing).mean
        turned = score_case(ours.T, theirs.T, 2, spacing[::-1] if spacing else None).mean
        for name in ("hd95", "assd", "nsd", "dice"):
            assert mean[name] == pytest.approx(swapped[name]) == pytest.approx(turned[name])


# independent implementations


@pytest.mark.parametrize("spacing", SPACINGS)
def test_distances_equal_a_brute_force_over_all_pairs(spacing):
    for ours, theirs in PAIRS[:3]:
        scale = np.array(spacing or (1, 1))
        edges = []
        for mask in (ours, theirs):
            edges.append(np.argwhere(mask & ~ndimage.binary_erosion(mask)) * scale)
        apart = np.linalg.norm(edges[0][:, None] - edges[1][None], axis=-1)
        there, back = surface_distances(ours, theirs, spacing)
        np.testing.assert_allclose(np.sort(there), np.sort(apart.min(axis=1)))
        np.testing.assert_allclose(np.sort(back), np.sort(apart.min(axis=0)))


def test_overlaps_agree_with_monai():
    for ours, theirs in PAIRS:
        mean = score_case(ours, theirs, 2).mean
        a, b = one_hot(ours), one_hot(theirs)
        assert mean["dice"] == pytest.approx(float(compute_dice(a, b)[0, 1]), abs=1e-6)
        assert mean["iou"] == pytest.approx(float(compute_iou(a, b)[0, 1]), abs=1e-6)
        tp, fp, tn, fn = get_confusion_matrix(a, b)[0, 1].tolist()
        assert mean["sensitivity"] == pytest.approx(tp / (tp + fn))
        assert mean["specificity"] == pytest.approx(tn / (tn + fp))
        assert mean["precision"] == pytest.approx(tp / (tp + fp))
        assert mean["accuracy"] == pytest.approx((tp + tn) / ours.size)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_assd_and_nsd_agree_with_monai(spacing):
    for (ours, theirs), tolerance in itertools.product(PAIRS, (1.0, 3.5)):
        mean = score_case(ours, theirs, 2, spacing, tolerance).mean
        a, b = one_hot(ours), one_hot(theirs)
        assd = compute_average_surface_distance(a, b, symmetric=True, spacing=spacing)
        nsd = compute_surface_dice(a, b, [tolerance], spacing=spacing)
        assert mean["assd"] == pytest.approx(float(assd), rel=1e-5)
        assert mean["nsd"] == pytest.approx(float(nsd), rel=1e-5)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_hd95_deviates_from_monai_by_pooling_only(spacing):
    """MONAI takes the larger of the two directed percentiles, we (as medpy) the pooled one.

    So MONAI's directed values are ours to the digit, and the pooled one lies between them but for
    the interpolation between two neighbouring distances.
    """
    for ours, theirs in PAIRS:
        a, b = one_hot(ours), one_hot(theirs)
        directed = [
            float(compute_hausdorff_distance(*pair, percentile=95, directed=True, spacing=spacing))
            for pair in ((a, b), (b, a))
        ]
        for mine, monai in zip(surface_distances(ours, theirs, spacing), directed, strict=True):
            assert np.percentile(mine, 95) == pytest.approx(monai, rel=1e-5)
        pooled = score_case(ours, theirs, 2, spacing).mean["hd95"]
        assert min(directed) - 0.1 <= pooled <= max(directed) + 0.1


def test_the_largest_surface_distance_agrees_with_scikit_image():
    for ours, theirs in PAIRS:
        mine = max(d.max() for d in surface_distances(ours, theirs))
        assert mine == pytest.approx(hausdorff_distance(surface(ours), surface(theirs)))


def test_empty_masks_deviate_from_monai_where_it_gives_infinity_or_nan():
    a, b = one_hot(np.zeros((30, 40), bool)), one_hot(disc(5, (15, 15), (30, 40)))
    with pytest.warns(UserWarning, match="all 0"):
        monai = float(compute_hausdorff_distance(a, b, percentile=95))
    assert not math.isfinite(monai)
    ours = score_case(np.zeros((30, 40), bool), disc(5, (15, 15), (30, 40)), 2)
    assert ours.mean["hd95"] == 50


# inside a field of view


@pytest.mark.parametrize("spacing", SPACINGS)
def test_inside_a_field_of_view_every_metric_is_as_if_the_rest_did_not_exist(spacing):
    for seed, (ours, theirs) in enumerate(PAIRS):
        field_of_view = blob(seed + 200, threshold=-0.02)
        mean = score_case(ours, theirs, 2, spacing, field_of_view=field_of_view).mean
        # overlaps know no neighbours: the pixels inside, as an image of one row
        row = score_case(ours[field_of_view][None], theirs[field_of_view][None], 2).mean
        cut = score_case(ours & field_of_view, theirs & field_of_view, 2, spacing).mean
        for name in METRICS:
            assert mean[name] == (row if name in OVERLAPS else cut)[name], name
        assert mean["accuracy"] < cut["accuracy"]
        assert mean["specificity"] < cut["specificity"]


def test_outside_the_field_of_view_no_pixel_changes_a_score():
    field_of_view = disc(40)
    truth, prediction = disc(20).astype(np.uint8), disc(20, (64, 60)).astype(np.uint8)
    expected = score_case(prediction, truth, 3, field_of_view=field_of_view)
    truth[:8], prediction[-8:], prediction[:, :8] = 2, 1, 2
    assert score_case(prediction, truth, 3, field_of_view=field_of_view) == expected
    assert score_case(
        prediction, truth, 3, field_of_view=np.ones_like(field_of_view)
    ) == score_case(prediction, truth, 3)


def test_what_is_left_inside_the_field_of_view_decides_on_the_state():
    field_of_view, truth = disc(30), (~disc(50)).astype(np.uint8)
    empty = np.zeros_like(truth)
    assert score_case(empty, truth, 2, field_of_view=field_of_view).outcome == "correctly_empty"
    assert score_case(field_of_view, truth, 2, field_of_view=field_of_view).outcome == "false_alarm"
    missed = score_case(truth, field_of_view, 2, field_of_view=field_of_view)
    assert missed.outcome == "missed"
    assert missed.mean["hd95"] == math.hypot(121, 121)  # of the image: no hit is as far off
    assert missed.mean["specificity"] is None  # nothing but truth inside


@pytest.mark.parametrize(
    ("field_of_view", "message"),
    [
        (np.ones((8, 9), bool), r"shape \(8, 9\), .* must have shape \(8, 8\)"),
        (np.ones((8, 8), np.uint8), "type uint8"),
        (np.zeros((8, 8), bool), "0 pixels inside"),
    ],
)
def test_an_impossible_field_of_view_is_refused(field_of_view, message):
    labels = np.zeros((8, 8), np.uint8)
    with pytest.raises(DataError, match=message):
        score_case(labels, labels, 2, field_of_view=field_of_view)


# bad input


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((8, 8), 2), "has labels from 2 to 2; 2 classes can have 0 to 1"),
        (np.full((8, 8), -1), "has labels from -1 to -1"),
        (np.full((8, 8), 255, np.uint8), "has labels from 255 to 255"),
        (np.zeros((8, 8)), "must hold integer labels, got float64"),
    ],
)
def test_impossible_labels_are_refused(labels, message):
    with pytest.raises(DataError, match=f"the prediction {message}"):
        score_case(labels, np.zeros((8, 8), np.uint8), 2)
    with pytest.raises(DataError, match=f"the truth {message}"):
        score_case(np.zeros((8, 8), np.uint8), labels, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 1}, "at least 2, got 1"),
        ({"spacing": (1.0, 0.0)}, "two lengths above 0"),
        ({"spacing": (1.0,)}, "two lengths above 0"),
        ({"spacing": (1.0, math.nan)}, "two lengths above 0"),
        ({"tolerance": -1}, "distance of 0 or more"),
        ({"tolerance": math.nan}, "distance of 0 or more"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    labels = np.zeros((8, 8), np.uint8)
    with pytest.raises(ConfigError, match=message):
        score_case(labels, labels, **({"num_classes": 2} | settings))
