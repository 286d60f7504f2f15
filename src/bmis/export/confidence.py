"""The expected Dice of a bundle's masks, calibrated on validation images."""

from collections.abc import Sequence
from typing import Any

from bmis.config import Confidence, PostProcessing
from bmis.export.answers import Answer
from bmis.metrics.calibration import auroc, error_in_tenths
from bmis.predict.confidence import expected_dice, fit_confidence

LEAST = 20  # validation images; fewer do not show how sure is too sure
_FOLDS = 5
_BAD = 0.5  # a Dice below it


def calibrate(
    answers: Sequence[Answer], rules: PostProcessing
) -> tuple[Confidence | None, dict[str, Any]]:
    """Learn on validation images what Dice to expect, and find out how well that tells it.

    Args:
        answers: The network's answers on validation images, each as it is and perturbed.
        rules: The post-processing of the bundle.

    Returns:
        What was learnt, None where there are too few images. And how it does on images that it was
        not learnt from, in five folds: the number of ``images``, the mean absolute error in tenths
        of them (``error``, see ``error_in_tenths``) and the ``auroc`` for a Dice below 0.5.

    Example:
        >>> calibrate([], PostProcessing())
        (None, {})
    """
    images = list(dict.fromkeys(answer.id for answer in answers))
    if len(images) < LEAST:
        return None, {}
    pairs = [_soft_and_dice(answer, rules) for answer in answers]
    empty = [not answer.truth.unpack().any() for answer in answers]
    learnt = _fit(pairs, empty, range(len(pairs)))
    expected, folds = [0.0] * len(pairs), [images.index(one.id) % _FOLDS for one in answers]
    for fold in range(_FOLDS):
        found = _fit(pairs, empty, [i for i, other in enumerate(folds) if other != fold])
        for index in (i for i, own in enumerate(folds) if own == fold):
            expected[index] = expected_dice(pairs[index][0], found)
    real = [dice for _, dice in pairs]
    errors = error_in_tenths(expected, real)
    return learnt, {
        "images": len(images),
        "error": sum(map(abs, errors)) / len(errors),
        "auroc": auroc(expected, [dice < _BAD for dice in real]),
    }


def _soft_and_dice(answer: Answer, rules: PostProcessing) -> tuple[float | None, float]:
    (mask,) = answer.masks([rules])
    (dice,) = answer.dice([mask])
    return answer.soft_dice(rules) if mask.any() else None, dice


def _fit(
    pairs: Sequence[tuple[float | None, float]], empty: Sequence[bool], chosen: Sequence[int]
) -> Confidence:
    soft, dice = [pairs[index][0] for index in chosen], [pairs[index][1] for index in chosen]
    return fit_confidence(soft, dice, empty_truths=sum(empty[index] for index in chosen))
