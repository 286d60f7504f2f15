"""The expected Dice of a bundle's masks, calibrated on validation images."""

from collections.abc import Sequence
from typing import Any

from bmis.config import Confidence, PostProcessing
from bmis.export.answers import Answer
from bmis.metrics.calibration import auroc, error_in_tenths
from bmis.predict.confidence import expected_dice, fit_confidence

_FOLDS = 5
_BAD = 0.5  # a Dice below it


def calibrate(
    answers: Sequence[Answer], rules: PostProcessing
) -> tuple[Confidence | None, dict[str, Any]]:
    """Learn on validation images what Dice to expect, and find out how well that tells it.

    Args:
        answers: The network's answers on validation images.
        rules: The post-processing of the bundle.

    Returns:
        What was learnt, None where there are too few images. And how it does on images that it was
        not learnt from, in five folds: the number of ``images``, the mean absolute error in tenths
        of them (``error``, see ``error_in_tenths``) and the ``auroc`` for a Dice below 0.5.

    Example:
        >>> calibrate([], PostProcessing())
        (None, {})
    """
    pairs = [_soft_and_dice(answer, rules) for answer in answers]
    empty = [not answer.truth.unpack().any() for answer in answers]
    learnt = _fit(pairs, empty, range(len(pairs)))
    if learnt is None:
        return None, {}
    expected = [0.0] * len(pairs)
    for fold in range(_FOLDS):
        others = [index for index in range(len(pairs)) if index % _FOLDS != fold]
        found = _fit(pairs, empty, others) or learnt
        for index in range(fold, len(pairs), _FOLDS):
            expected[index] = expected_dice(pairs[index][0], found)
    real = [dice for _, dice in pairs]
    errors = error_in_tenths(expected, real)
    return learnt, {
        "images": len(pairs),
        "error": sum(map(abs, errors)) / len(errors),
        "auroc": auroc(expected, [dice < _BAD for dice in real]),
    }


def _soft_and_dice(answer: Answer, rules: PostProcessing) -> tuple[float | None, float]:
    (mask,) = answer.masks([rules])
    (dice,) = answer.dice([mask])
    return answer.soft_dice(rules) if mask.any() else None, dice


def _fit(
    pairs: Sequence[tuple[float | None, float]], empty: Sequence[bool], chosen: Sequence[int]
) -> Confidence | None:
    soft, dice = [pairs[index][0] for index in chosen], [pairs[index][1] for index in chosen]
    return fit_confidence(soft, dice, empty_truths=sum(empty[index] for index in chosen))
