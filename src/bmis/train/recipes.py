"""Named sets of training settings: ours, a fast one, and the paper's. This needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bmis.config import Settings, check_choice
from bmis.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Augmentation(Settings):
    """How far a training image may be changed; 0 is no change, and (1, 1) for ``scale``.

    Attributes:
        flip: Probability of a horizontal and, independently, of a vertical flip.
        rotate: Largest angle in degrees, either way.
        scale: Smallest and largest magnification; drawn evenly on a logarithmic scale.
        shift: Largest shift as a fraction of the image's height, either way, down and across.
        elastic: Typical size of a smooth random displacement, as a fraction of the height.
        brightness: Largest change, on the scale 0..1.
        contrast: Largest relative change about the image's mean.
        gamma: Largest natural logarithm of the exponent.
        colour: Largest relative change of a channel's gain, and of the saturation (RGB only).
        noise: Largest standard deviation of Gaussian noise, on the scale 0..1.
        smooth: Bilinear sampling and mirrored borders; otherwise nearest neighbour and black.

    Example:
        >>> Augmentation(rotate=0.0).flip
        0.5
    """

    flip: float = 0.5
    rotate: float = 30.0
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    elastic: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    colour: float = 0.0
    noise: float = 0.0
    smooth: bool = True


@dataclass(frozen=True)
class Recipe(Settings):
    """Everything about training but the data, the network, the epochs and the seed.

    Attributes:
        loss: "ce_dice" on logits, or "published" (the paper's, on sigmoid outputs).
        optimizer: "muon", "adamw" or "adam"; see ``optim``.
        learning_rate: Highest learning rate of the schedule.
        weight_decay: Decoupled weight decay; with "adam" it is added to the gradient.
        batch_size: Images in a step, over all processes.
        schedule: "one_cycle" (a rise, then a cosine to nearly 0) or "warm_restarts" (the paper's).
        average: Decay of the running average of the weights, which is validated and kept; 0 for no
            average.
        clip: Largest norm of the gradient; 0 for no limit.
        augmentation: How training images are changed.

    Example:
        >>> Recipe(batch_size=4).to_dict()["batch_size"]
        4
    """

    loss: str = "ce_dice"
    optimizer: str = "muon"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    batch_size: int = 8
    schedule: str = "one_cycle"
    average: float = 0.998
    clip: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if isinstance(self.augmentation, Mapping):  # read back from a file
            object.__setattr__(self, "augmentation", Augmentation.from_dict(self.augmentation))
        check_choice("loss", self.loss, ("ce_dice", "published"))
        check_choice("optimizer", self.optimizer, ("muon", "adamw", "adam"))
        check_choice("schedule", self.schedule, ("one_cycle", "warm_restarts"))
        if self.batch_size < 1:
            raise ConfigError(f"batch size must be 1 or more, got {self.batch_size}")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning rate must lie between 0 and 1, got {self.learning_rate}")


_RICH = Augmentation(
    scale=(0.75, 1.33),
    shift=0.1,
    elastic=0.015,
    brightness=0.2,
    contrast=0.25,
    gamma=0.3,
    colour=0.15,
    noise=0.03,
)

RECIPES: Mapping[str, Recipe] = {
    "default": Recipe(augmentation=_RICH),
    # For trainings of a few hundred steps: a higher rate, a shorter average, and only the
    # augmentations that cost next to nothing.
    "fast": Recipe(
        learning_rate=3e-3,
        average=0.99,
        augmentation=Augmentation(rotate=15.0, brightness=0.1, contrast=0.1),
    ),
    "paper": Recipe(
        loss="published",
        optimizer="adam",
        learning_rate=1e-4,
        weight_decay=1e-8,
        batch_size=6,
        schedule="warm_restarts",
        average=0.0,
        clip=0.0,
        augmentation=Augmentation(smooth=False),
    ),
}


def find_recipe(name: str, **overrides: Any) -> Recipe:
    """A recipe by name.

    Args:
        name: "default", "fast" or "paper".
        overrides: Settings of ``Recipe`` that replace the recipe's own; None leaves them.

    Raises:
        ConfigError: The name is unknown, or a value is out of range.

    Example:
        >>> find_recipe("paper", batch_size=4, learning_rate=None).batch_size
        4
    """
    if name not in RECIPES:
        raise ConfigError(f"unknown recipe {name!r}{did_you_mean(name, RECIPES)}")
    given = {key: value for key, value in overrides.items() if value is not None}
    return Recipe.from_dict({**RECIPES[name].to_dict(), **given})
