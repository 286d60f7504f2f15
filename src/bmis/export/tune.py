"""Post-processing chosen on validation images: only what helps beyond chance is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bmis.config import PostProcessing
from bmis.export.answers import Answer
from bmis.metrics import PairedDifference, paired_difference
from bmis.predict.objects import find_runs
from bmis.system.progress import track

LEAST = 20  # validation images; fewer cannot show a gain
_THRESHOLDS = (0.2, 0.3, 0.4, 0.6, 0.7, 0.8)
_QUANTILES = (0.01, 0.05, 0.2)  # of the true objects' sizes, half of which may be the smallest
_LEAST_GAIN = 0.001  # of Dice; less is not worth a rule
_CHANCE = 0.05


@dataclass(frozen=True)
class Tried:
    """One change of the post-processing, and what it brought.

    Attributes:
        changes: The values that were changed, by name.
        gain: Dice with the change less Dice without it, image by image.
        kept: Whether the change was kept.

    Example:
        >>> gain = PairedDifference(65, 0.012, (0.003, 0.021), p=0.001)
        >>> Tried({"threshold": 0.4}, gain, kept=True).gain.mean
        0.012
    """

    changes: dict[str, Any]
    gain: PairedDifference
    kept: bool


@dataclass(frozen=True)
class Tuned:
    """The post-processing that was chosen, and all that was tried.

    Attributes:
        rules: What was chosen.
        images: Number of validation images.
        before: Mean Dice of the images without post-processing.
        after: The same with what was chosen; flattering, because it was chosen on these images.
        tries: All changes, in their order. What was kept holds for those that follow.

    Example:
        >>> Tuned(PostProcessing(), 65, 0.73, 0.73, ()).rules.changes()
        {}
    """

    rules: PostProcessing
    images: int
    before: float
    after: float
    tries: tuple[Tried, ...]

    def summary(self) -> dict[str, Any]:
        """Images, and Dice before and after, as plain values."""
        return {"images": self.images, "dice_before": self.before, "dice_after": self.after}

    def to_dict(self) -> dict[str, Any]:
        """All as plain values."""
        return {
            "postprocessing": self.rules.changes(),
            **self.summary(),
            "tries": [asdict(one) for one in self.tries],
        }


def tune(answers: Sequence[Answer], flipped: Sequence[Answer] = (), flips: str = "none") -> Tuned:
    """Choose threshold, smallest size, holes, largest piece and flips, one after the other.

    Of each the best value is tested against none. It is kept if it gains 0.001 of Dice or more,
    the 95 % interval of the gain lies above 0, and Wilcoxon's signed-rank test says the same with
    a p of at most 0.05 after Bonferroni's correction for all that is tried.

    Args:
        answers: The network's answers on validation images, ``LEAST`` or more.
        flipped: Its answers on the same images with flips, if these shall be tried.
        flips: Which flips those are.

    Example:
        >>> import bmis
        >>> from bmis.export.answers import collect_answers
        >>> dataset, (runtime, info) = bmis.open_dataset("polyps"), bmis.load_runtime("run")
        >>> found = tune(collect_answers(runtime, info, dataset, dataset.cases))
        >>> found.images, found.after >= found.before
        (12, True)
    """
    rules, tries = PostProcessing(), list[Tried]()
    steps = [*_steps(answers), *([[{"flips": flips}]] if flipped else [])]
    count = sum(map(len, steps))
    before = now = _dice(answers, [rules])[0]
    for changes in track(steps, "trying post-processing", total=len(steps)):
        seen = flipped if "flips" in changes[0] else answers
        found = _dice(seen, [rules.with_changes(change) for change in changes])
        gains = [paired_difference(one, now) for one in found]
        best = int(np.argmax([gain.mean for gain in gains]))
        kept = _helps(gains[best], count)
        for index, pair in enumerate(zip(changes, gains, strict=True)):
            tries.append(Tried(*pair, kept=kept and index == best))
        if kept:
            rules, now = rules.with_changes(changes[best]), found[best]
    return Tuned(rules, len(answers), _mean(before), _mean(now), tuple(tries))


def _steps(answers: Sequence[Answer]) -> Iterator[list[dict[str, Any]]]:
    """The changes that are tried, those of one setting together."""
    if len(answers[0].logits) == 1:
        yield [{"threshold": value} for value in _THRESHOLDS]
    sizes = _sizes(answers)
    if sizes:
        yield [{"smallest_size": size} for size in sizes]
    yield [{"fill_holes": True}]
    yield [{"largest_piece": True}]


def _sizes(answers: Sequence[Answer]) -> list[float]:
    """Shares of the image that few true objects lie below, even where half of them is found."""
    shares = [
        size / truth.size
        for truth in (answer.truth.unpack() for answer in answers)
        for index in range(1, int(truth.max()) + 1)
        for size in find_runs(truth == index).sizes()
    ]
    found = (float(f"{np.quantile(shares, q) / 2:.2g}") for q in _QUANTILES if shares)
    return sorted({size for size in found if size > 0})


def _dice(answers: Sequence[Answer], rules: Sequence[PostProcessing]) -> list[dict[str, float]]:
    """The Dice of each image by its name, for each of the rules."""
    values = {answer.id: answer.dice(answer.masks(rules)) for answer in answers}
    return [{name: each[index] for name, each in values.items()} for index in range(len(rules))]


def _helps(gain: PairedDifference, count: int) -> bool:
    low = gain.ci95[0] if gain.ci95 else 0.0
    surely = low > 0 and gain.agrees and gain.p * count <= _CHANCE
    return surely and gain.mean >= _LEAST_GAIN


def _mean(values: dict[str, float]) -> float:
    return sum(values.values()) / len(values)
