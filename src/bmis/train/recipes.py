"""Named sets of training settings: ours, three variants, and the paper's. This needs no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from bmis.config import Augmentation, Settings, check_choice
from bmis.errors import ConfigError, DataError, did_you_mean
from bmis.system.plain_yaml import read_yaml

_Amount = Annotated[float, Meta(ge=0)]


@dataclass(frozen=True)
class Distillation(Settings):
    """How much is learnt from a teacher (``--teacher``).

    Attributes:
        logits: Weight of the loss of its logits; see ``losses.distillation_loss``.
        features: Weight of the loss of its maps at 1/8 and 1/16; see ``losses.feature_loss``. 0
            leaves them alone.

    Example:
        >>> Distillation(features=0.5).logits
        1.0
    """

    logits: _Amount = 1.0
    features: _Amount = 0.0


@dataclass(frozen=True)
class Unlabelled(Settings):
    """How much is learnt from images without masks (``--unlabelled``); see ``unlabelled``.

    Attributes:
        weight: Weight of the loss of the labels that the average of the weights gives them.
        ramp_up: Share of the training over which the weight rises to that; before, the average
            knows little.

    Example:
        >>> Unlabelled(weight=0.5).ramp_up
        0.3
    """

    weight: _Amount = 1.0
    ramp_up: Annotated[float, Meta(ge=0, le=1)] = 0.3


@dataclass(frozen=True)
class Recipe(Settings):
    """Everything about training but the data, the network, the epochs and the seed.

    Attributes:
        loss: "ce_dice" on logits, or "published" (the paper's, on sigmoid outputs).
        optimizer: "muon", "adamw" or "adam"; see ``optim``.
        learning_rate: Highest learning rate of the schedule.
        trunk_rate: Factor on it for a trunk that starts from ImageNet.
        weight_decay: Decoupled weight decay; with "adam" it is added to the gradient.
        batch_size: Images in a step, over all processes.
        schedule: "one_cycle" (a rise, then a cosine to nearly 0) or "warm_restarts" (the paper's).
        average: Decay of the running average of the weights, which is validated and kept; 0 for no
            average.
        clip: Largest norm of the gradient; 0 for no limit.
        patience: Epochs without a better validation after which the training ends; 0 for never.
        class_weights: Weights of the classes in the cross-entropy: "none", "balanced" (rare classes
            count more, see ``class_weights``) or one number for each class, background first.
        augmentation: How training images are changed.
        distillation: How much is learnt from a teacher, where there is one.
        unlabelled: How much is learnt from images without masks, where there are some.

    Example:
        >>> Recipe(batch_size=4).to_dict()["batch_size"]
        4
    """

    loss: str = "ce_dice"
    optimizer: str = "muon"
    learning_rate: float = 2e-3
    trunk_rate: Annotated[float, Meta(gt=0, le=1)] = 1.0
    weight_decay: _Amount = 1e-2
    batch_size: int = 8
    schedule: str = "one_cycle"
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.998
    clip: _Amount = 1.0
    patience: Annotated[int, Meta(ge=0)] = 0
    class_weights: str | tuple[float, ...] = "none"
    augmentation: Augmentation = field(default_factory=Augmentation)
    distillation: Distillation = field(default_factory=Distillation)
    unlabelled: Unlabelled = field(default_factory=Unlabelled)

    def __post_init__(self) -> None:
        """Check every value."""
        super().__post_init__()
        check_choice("loss", self.loss, ("ce_dice", "published"))
        check_choice("optimizer", self.optimizer, ("muon", "adamw", "adam"))
        check_choice("schedule", self.schedule, ("one_cycle", "warm_restarts"))
        if self.batch_size < 1:
            raise ConfigError(f"batch size must be 1 or more, got {self.batch_size}")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning rate must lie between 0 and 1, got {self.learning_rate}")
        self._check_class_weights()

    def _check_class_weights(self) -> None:
        weights = self.class_weights
        if isinstance(weights, str):
            check_choice("class_weights", weights, ("none", "balanced"))
        elif not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise ConfigError(f"class_weights must be 0 or more and not all 0, got {list(weights)}")


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
    # For images from elsewhere: what other machines, screenshots and viewers do to an image.
    "robust": Recipe(
        augmentation=replace(
            _RICH, border=0.4, dark_corners=0.1, quarter_turns=0.3, zoom_out=0.2, grey=0.15
        )
    ),
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


def find_recipe(name: str, changes: Mapping[str, Any] | None = None, **overrides: Any) -> Recipe:
    r"""A recipe by name, or from a file.

    A file is YAML with any of the settings of ``Recipe``; what it leaves out is that of the recipe
    that it names as ``base``, or of "default".

    Args:
        name: "default", "robust", "fast", "paper" or a file that ends in ``.yaml`` or ``.yml``.
        changes: Values by name, those of the augmentation as "augmentation.flip".
        overrides: Settings of ``Recipe`` that replace the recipe's own; None leaves them.

    Raises:
        ConfigError: The name or a setting is unknown, a value is out of range, or the file cannot
            be read.

    Example:
        >>> find_recipe("paper", batch_size=4, learning_rate=None).batch_size
        4
        >>> find_recipe("default", {"augmentation.flip": [0, 0.5]}).augmentation.flips
        (0.0, 0.5)
        >>> _ = Path("mine.yaml").write_text("base: fast\nlearning_rate: 0.001")
        >>> find_recipe("mine.yaml").average
        0.99
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    values = {**_read(name), **given}
    for key, value in (changes or {}).items():
        whole, dot, part = key.partition(".")
        if dot and isinstance(values.get(whole), Mapping):
            values[whole] = {**values[whole], part: value}
        else:
            values[key] = value
    return Recipe.from_dict(values)


def is_recipe_file(name: str) -> bool:
    """Whether a recipe is named by its file.

    Example:
        >>> is_recipe_file("mine.yaml"), is_recipe_file("paper")
        (True, False)
    """
    return name.lower().endswith((".yaml", ".yml"))


def _read(name: str) -> dict[str, Any]:
    """The settings of a recipe as plain values."""
    if not is_recipe_file(name):
        if name not in RECIPES:
            raise ConfigError(
                f"unknown recipe {name!r}{did_you_mean(name, RECIPES)}, or give a .yaml file"
            )
        return RECIPES[name].to_dict()
    try:
        values = read_yaml(Path(name))
    except DataError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: must have lines like 'learning_rate: 0.001'")
    base = values.pop("base", "default")
    if base not in RECIPES:
        raise ConfigError(f"{name}: base must be one of {', '.join(RECIPES)}, got {base!r}")
    whole = RECIPES[base].to_dict()
    for key, inner in values.items():
        if isinstance(inner, dict) and isinstance(whole.get(key), dict):
            values[key] = {**whole[key], **inner}
    try:
        return Recipe.from_dict({**whole, **values}).to_dict()
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
