"""What ``bmis compare`` is asked to do; no torch."""

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from bmis.config import Device, Precision, Settings
from bmis.config.checks import one_of
from bmis.data.splits import NUM_FOLDS
from bmis.errors import ConfigError
from bmis.records import Conditions
from bmis.train.recipes import find_recipe


@dataclass(frozen=True)
class CompareConfig(Settings):
    """What ``bmis compare`` is asked to do.

    Example:
        >>> config = CompareConfig(("polyps",), ("light", "unet"), folds=5)
        >>> config.conditions.epochs
        60
    """

    data: Annotated[
        tuple[str, ...],
        Meta(min_length=1, title="one or more dataset folders", description="Dataset folders."),
    ]
    methods: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks, with options if need be (bmis:eca=false), or light, classic, "
            "transformer or all; separated by commas or spaces."
        ),
    ]
    folds: Annotated[int, Meta(description="5 for all five folds; 0 for the own split.")] = 0
    seeds: Annotated[
        int, Meta(ge=1, description="Trainings of each method on each fold, with seeds from 0 on.")
    ] = 1
    conditions: Annotated[Conditions, Meta(description="What all trials share.")] = field(
        default_factory=Conditions
    )
    weights: Annotated[
        Annotated[str, one_of("imagenet", "none")] | None,
        Meta(
            description="What all methods that have the choice start from: imagenet or none; each "
            "as it does by itself if not given."
        ),
    ] = None
    parallel: Annotated[
        Annotated[int, Meta(ge=1, le=1024)],
        Meta(description="Trials side by side, with one thread each if there are several."),
    ] = 1
    device: Device = "auto"
    precision: Precision = "auto"
    plugins: Annotated[
        tuple[str, ...], Meta(description="Python files that register networks.")
    ] = ()

    def __post_init__(self) -> None:
        """Check every value, and that recipe and folds are there."""
        super().__post_init__()
        if self.folds not in (0, NUM_FOLDS):
            raise ConfigError(
                f"folds must be {NUM_FOLDS} (all of them) or 0 (own splits), got {self.folds}"
            )
        find_recipe(self.conditions.recipe)
