"""The Dice that a mask may be expected to have, told from the network's own probabilities.

Were every probability right and the pixels independent, the soft Dice of a mask with its
probabilities would be about the Dice with the truth. Networks are too sure of themselves, so its
log-odds are scaled on validation images (Platt 1999, for a share in place of a class): two numbers,
which keep the order of the images. The soft Dice as a measure of trust: Borges et al.,
arXiv:2402.10665.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bmis.config import Confidence
from bmis.predict.decisions import log_odds
from bmis.runtime.probabilities import class_probabilities

_EDGE = 1e-3  # nearest to 0 and 1 that a share counts as
_STEPS = 2000  # of the fit, at most
_F = TypeVar("_F", np.float32, np.float64)
_PRIOR = 1.0  # images' worth of belief that intercept and slope are 0 and 1


class SoftDice:
    """Sums up the soft Dice of an image, strip by strip.

    Args:
        num_classes: Classes of the network; background included, or 1.
        threshold: Where foreground begins, see ``decisions.arg_max``.

    Example:
        >>> soft = SoftDice(2, threshold=0.5)
        >>> soft.add(np.array([[[0.0, 9.0]], [[9.0, 0.0]]], np.float32))
        >>> round(soft.value(), 3)
        1.0
    """

    def __init__(self, num_classes: int, threshold: float) -> None:
        self._threshold = threshold
        foreground = max(1, num_classes - 1)
        self._both, self._sums = np.zeros(foreground), np.zeros(foreground)
        self._marked = np.zeros(foreground)

    def add(self, logits: NDArray[np.float32]) -> None:
        """Count the pixels of logits (K, H, W)."""
        if len(logits) <= 2:
            odds = logits[0] if len(logits) == 1 else logits[1] - logits[0]
            marked = (odds > log_odds(self._threshold))[None]
            probabilities = _sigmoid(odds)[None]
        else:
            every = class_probabilities(logits.copy())
            probabilities, marked = every[1:], every[1:] == every.max(0)
        for index, (sure, inside) in enumerate(zip(probabilities, marked, strict=True)):
            self._both[index] += sure.ravel() @ inside.ravel().astype(np.float32)
            self._sums[index] += sure.sum()
            self._marked[index] += np.count_nonzero(inside)

    def value(self) -> float | None:
        """The mean over the classes that the mask shows, 0 to 1; None for an empty mask."""
        shown = self._marked > 0
        if not shown.any():
            return None
        return float((2 * self._both / (self._sums + self._marked))[shown].mean())


def expected_dice(soft: float | None, confidence: Confidence) -> float:
    """The Dice that the mask of an image may be expected to have, 0 to 1.

    Args:
        soft: What ``SoftDice`` gives; None for an empty mask.
        confidence: What was learnt on validation images.

    Example:
        >>> confidence = Confidence(intercept=-1.0, slope=0.8, empty=0.1)
        >>> expected_dice(0.95, confidence), expected_dice(None, confidence)
        (0.795..., 0.1)
    """
    if soft is None:
        return confidence.empty
    odds = float(log_odds(min(max(soft, _EDGE), 1 - _EDGE)))
    return float(_sigmoid(np.array(confidence.intercept + confidence.slope * odds)))


def fit_confidence(
    soft: Sequence[float | None], dice: Sequence[float], *, empty_truths: int
) -> Confidence:
    """Learn from validation images how much of the soft Dice to believe.

    Args:
        soft: What ``SoftDice`` gives for each image.
        dice: The Dice of each image's mask, 0 to 1.
        empty_truths: How many of the images show nothing to find. Their share stands in where no
            mask was empty.

    Example:
        >>> dice = np.linspace(0.1, 0.9, 40)
        >>> found = fit_confidence(list(0.5 + dice / 2), list(dice), empty_truths=0)
        >>> round(expected_dice(0.75, found), 1)
        0.5
    """
    right = [value for one, value in zip(soft, dice, strict=True) if one is None]
    empty = (sum(right) + empty_truths / len(soft)) / (len(right) + 1)
    known = [pair for pair in zip(soft, dice, strict=True) if pair[0] is not None]
    clipped = np.clip(np.array(known, np.float64).reshape(-1, 2), _EDGE, 1 - _EDGE)
    odds, target = np.log(clipped[:, 0] / (1 - clipped[:, 0])), clipped[:, 1]
    intercept, slope = _logistic_fit(odds, target)
    return Confidence(
        float(f"{intercept:.4g}"), float(f"{slope:.4g}"), float(f"{min(empty, 1.0):.4g}")
    )


def _logistic_fit(odds: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, float]:
    """Intercept and slope that explain shares best (cross-entropy); the slope is 0 or more."""
    columns = np.stack([np.ones_like(odds), odds])
    intercept, slope = _descend(columns, target, np.array([0.0, 1.0]))
    if slope < 0:
        ((intercept,), slope) = _descend(columns[:1], target, np.array([0.0])), 0.0
    return float(np.clip(intercept, -100, 100)), float(np.clip(slope, 0, 100))


def _descend(
    columns: NDArray[np.float64], target: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights of a logistic regression, by Newton steps that are bounded (Boehning 1992)."""
    inverse = np.linalg.inv(columns @ columns.T / 4 + _PRIOR * np.eye(len(start)))
    weights = start.copy()
    for _ in range(_STEPS):
        error = _sigmoid(weights @ columns) - target
        step = inverse @ (columns @ error + _PRIOR * (weights - start))
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _sigmoid(values: NDArray[_F]) -> NDArray[_F]:
    odds = np.exp(np.minimum(-values, 80))  # more would overflow
    odds += 1
    return np.reciprocal(odds)
