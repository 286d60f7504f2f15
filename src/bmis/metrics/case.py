"""The scores of one image, class by class, and the rules where a mask is empty.

The rules are in ``docs/reference/metrics.md``. They follow from two requirements: no value is ever
NaN, and no wrong prediction scores better than a right one. So a value may be left out only if the
reason lies in the truth, or if the prediction is right and there is nothing to measure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bmis.errors import ConfigError, DataError
from bmis.metrics.boundary import BoolArray, boundary_metrics
from bmis.wording import counted

RULES_VERSION = 3
OVERLAPS = ("iou", "dice", "accuracy", "sensitivity", "specificity", "precision")
DISTANCES = ("hd95", "assd")
METRICS = (*OVERLAPS, *DISTANCES, "nsd")
DEFAULT_TOLERANCE = 2.0

# What a correctly empty image scores. No sensitivity: there was nothing to find.
_EMPTY = dict.fromkeys(METRICS, 1.0) | dict.fromkeys(DISTANCES, 0.0) | {"sensitivity": None}


@dataclass(frozen=True)
class CaseScore:
    """The scores of one image.

    Attributes:
        classes: Metrics of each foreground class (1 to K-1) by name. None means undefined.
        states: State of each foreground class: "present" (in truth and prediction), "missed" (in
            the truth only), "false_alarm" (in the prediction only) or "absent" (in neither).
        mean: Mean of each metric over the foreground classes that have a value.
        outcome: State of the foreground as a whole, with "correctly_empty" instead of "absent".

    Example:
        >>> truth = np.array([[0, 1, 1, 2]])
        >>> score = score_case(np.array([[0, 1, 1, 0]]), truth, num_classes=3)
        >>> score.states, score.mean["dice"], score.outcome
        ({1: 'present', 2: 'missed'}, 0.5, 'present')
    """

    classes: Mapping[int, Mapping[str, float | None]]
    states: Mapping[int, str]
    mean: Mapping[str, float | None]
    outcome: str


def score_case(
    prediction: NDArray[np.integer] | BoolArray,
    truth: NDArray[np.integer] | BoolArray,
    num_classes: int,
    spacing: tuple[float, float] | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    field_of_view: BoolArray | None = None,
    *,
    distances: bool = True,
) -> CaseScore:
    """Score one predicted label image against the true one, at the image's own size.

    Args:
        prediction: (H, W) labels, 0 (background) to ``num_classes`` - 1.
        truth: (H, W) labels of the same range.
        num_classes: Number of classes, background included.
        spacing: Millimetres per pixel along rows and columns. None measures in pixels.
        tolerance: Distance in millimetres or pixels up to which NSD accepts a surface.
        field_of_view: (H, W) bool, true where pixels count. All others become background in both
            label images and are no true negatives. None counts all pixels.
        distances: Whether to measure ``hd95``, ``assd`` and ``nsd``, which take most of the time.
            Without, they are None where both masks have a class.

    Raises:
        DataError: The arrays are not (H, W), differ in shape, or hold labels that are out of range
            or no integers. Or the field of view is not boolean or empty.
        ConfigError: The spacing, the tolerance or the number of classes is impossible.

    Example:
        >>> truth = np.array([[0, 1, 1, 1]])
        >>> score = score_case(np.array([[0, 0, 1, 1]]), truth, num_classes=2)
        >>> {name: round(score.mean[name], 3) for name in ("dice", "iou", "hd95")}
        {'dice': 0.8, 'iou': 0.667, 'hd95': 0.8}
    """
    _check_settings(num_classes, spacing, tolerance)
    for what, labels in (("prediction", prediction), ("truth", truth)):
        _check_labels(what, labels, num_classes)
    if prediction.shape != truth.shape:
        raise DataError(
            f"the prediction has shape {prediction.shape}, the truth {truth.shape}; "
            "bring the prediction to the image's own size first"
        )
    counted = truth.size
    if field_of_view is not None:
        _check_field_of_view(field_of_view, truth.shape)
        prediction, truth, counted = (
            prediction * field_of_view,
            truth * field_of_view,
            int(field_of_view.sum()),
        )
    classes: dict[int, dict[str, float | None]] = {}
    states: dict[int, str] = {}
    for index in range(1, num_classes):
        ours, theirs = prediction == index, truth == index
        states[index] = _state(bool(ours.any()), bool(theirs.any()))
        classes[index] = _score_overlaps(ours, theirs, states[index], counted)
        if distances or states[index] != "present":
            classes[index] |= _score_distances(ours, theirs, states[index], spacing, tolerance)
    outcome = _state(bool(prediction.any()), bool(truth.any()))
    if outcome == "absent":
        return CaseScore(classes, states, dict(_EMPTY), "correctly_empty")
    return CaseScore(classes, states, _mean_over_classes(classes), outcome)


def _score_overlaps(
    prediction: BoolArray, truth: BoolArray, state: str, counted: int
) -> dict[str, float | None]:
    """Overlaps of two masks whose foreground lies inside the ``counted`` pixels."""
    hits = int(np.count_nonzero(prediction & truth))
    predicted, true = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    right_outside = counted - predicted - true + hits
    found = state != "absent"
    return dict.fromkeys(METRICS) | {
        "iou": hits / (predicted + true - hits) if found else None,
        "dice": 2 * hits / (predicted + true) if found else None,
        "accuracy": (hits + right_outside) / counted,
        "sensitivity": hits / true if true else None,
        "specificity": right_outside / (counted - true) if true < counted else None,
        # 0 if a class is missed: if it were undefined, predicting less would raise the mean
        "precision": hits / max(predicted, 1) if found else None,
    }


def _score_distances(
    prediction: BoolArray,
    truth: BoolArray,
    state: str,
    spacing: tuple[float, float] | None,
    tolerance: float,
) -> Mapping[str, float | None]:
    if state == "present":
        return boundary_metrics(prediction, truth, spacing, tolerance)
    if state == "absent":
        return dict.fromkeys((*DISTANCES, "nsd"))
    return dict.fromkeys(DISTANCES, _diagonal(truth.shape, spacing)) | {"nsd": 0.0}


def _state(predicted: bool, true: bool) -> str:
    if true:
        return "present" if predicted else "missed"
    return "false_alarm" if predicted else "absent"


def _diagonal(shape: tuple[int, ...], spacing: tuple[float, float] | None) -> float:
    """The image's diagonal, border to border: longer than the distance of any two pixels."""
    height, width = spacing or (1.0, 1.0)
    return math.hypot(shape[0] * height, shape[1] * width)


def _mean_over_classes(
    classes: Mapping[int, Mapping[str, float | None]],
) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for name in METRICS:
        values = [value for row in classes.values() if (value := row[name]) is not None]
        means[name] = sum(values) / len(values) if values else None
    return means


def _check_settings(
    num_classes: int, spacing: tuple[float, float] | None, tolerance: float
) -> None:
    if num_classes < 2:
        raise ConfigError(
            f"num_classes includes the background and must be at least 2, got {num_classes}"
        )
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ConfigError(f"the tolerance must be a distance of 0 or more, got {tolerance}")
    good = spacing is None or (
        len(spacing) == 2 and all(math.isfinite(side) and side > 0 for side in spacing)
    )
    if not good:
        raise ConfigError(f"spacing must be two lengths above 0 (row, column), got {spacing}")


def _check_labels(what: str, labels: NDArray[np.integer] | BoolArray, num_classes: int) -> None:
    if labels.ndim != 2 or labels.size == 0:
        raise DataError(
            f"the {what} must be one label image of shape (H, W), got {labels.shape}; "
            "remove axes of length 1 and score images one by one"
        )
    if labels.dtype.kind not in "bui":
        raise DataError(
            f"the {what} must hold integer labels, got {labels.dtype}; take the arg max"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise DataError(
            f"the {what} has labels from {low} to {high}; "
            f"{counted(num_classes, 'class')} can have 0 to {num_classes - 1}"
        )


def _check_field_of_view(field_of_view: BoolArray, shape: tuple[int, ...]) -> None:
    if field_of_view.shape != shape or field_of_view.dtype != np.bool_ or not field_of_view.any():
        raise DataError(
            f"the field of view has shape {field_of_view.shape}, type {field_of_view.dtype} and "
            f"{np.count_nonzero(field_of_view)} pixels inside; it must have shape {shape}, "
            "type bool and at least 1"
        )
