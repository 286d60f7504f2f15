"""What came of the trials of a search."""

from dataclasses import dataclass, field

from bmis.config import Settings
from bmis.wording import counted


@dataclass(frozen=True)
class TrialResult(Settings):
    """What came of one trial.

    Attributes:
        number: Its number, from 0.
        contender: Name of the candidate.
        recipe: Recipe of the training.
        rate: Times the recipe's own learning rate.
        scores: Validation IoU after each training, by its number of epochs.
        ended: "done", "stopped" (others were better after as many epochs) or an error.

    Example:
        >>> TrialResult(0, "unet at 224", "default", 1.0, {"6": 0.7, "20": 0.8}).iou
        0.8
    """

    number: int
    contender: str
    recipe: str
    rate: float
    scores: dict[str, float] = field(default_factory=dict)
    ended: str = "done"

    @property
    def epochs(self) -> int:
        """Epochs of the longest training."""
        return max((int(epochs) for epochs in self.scores), default=0)

    @property
    def iou(self) -> float:
        """Validation IoU after the longest training."""
        return self.scores.get(str(self.epochs), 0.0)

    def in_words(self) -> str:
        """What was tried and what came of it, in one line."""
        if not self.scores:
            return f"{self.contender}: {self.ended}"
        how = "" if self.ended == "done" else f", {self.ended}"
        return (
            f"{self.contender}, {self.recipe}, rate x{self.rate:.2g}: IoU {self.iou:.3f} after "
            f"{counted(self.epochs, 'epoch')}{how}"
        )


@dataclass(frozen=True)
class Trials(Settings):
    """All trials of a search.

    Attributes:
        trials: In their order.

    Example:
        >>> Trials(()).best
        ()
    """

    trials: tuple[TrialResult, ...]

    @property
    def best(self) -> tuple[TrialResult, ...]:
        """The best trial of each contender that was trained longest, the best first."""
        longest = max((one.epochs for one in self.trials), default=0)
        ranked = sorted(self.trials, key=lambda one: (-one.iou, one.number))
        first: dict[str, TrialResult] = {}
        for one in ranked:
            if one.scores and one.epochs == longest:
                first.setdefault(one.contender, one)
        return tuple(first.values())
