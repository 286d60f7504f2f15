"""What ``bmis fit`` is asked to do; no torch."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from bmis.config import Epochs, Settings
from bmis.config.checks import one_of
from bmis.errors import ConfigError
from bmis.train.recipes import find_recipe

_Amount = Annotated[float, Meta(gt=0, le=1e6)]


@dataclass(frozen=True)
class FitConfig(Settings):
    """What ``bmis fit`` is asked to do.

    Example:
        >>> config = FitConfig("polyps", max_ms=10, max_mb=1)
        >>> config.hours, config.threads
        (2.0, 1)
        >>> FitConfig("polyps", max_ms=0)
        Traceback (most recent call last):
        bmis.errors.ConfigError: max_ms must be above 0.0, got 0
    """

    data: Annotated[str, Meta(description="Dataset folder.")]
    max_ms: Annotated[
        _Amount,
        Meta(
            description="Milliseconds that the network may take for one image, all its tiles "
            "included."
        ),
    ]
    max_mb: Annotated[
        _Amount | None, Meta(description="Megabytes (10^6 bytes) that the bundle may have.")
    ] = None
    max_memory: Annotated[
        _Amount | None,
        Meta(
            description="Megabytes of memory that the process may take on the device, Python and "
            "engine included."
        ),
    ] = None
    hours: Annotated[
        Annotated[float, Meta(gt=0, le=1e4)],
        Meta(description="Time for all of it: measuring, search and the last training."),
    ] = 2.0
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)],
        Meta(description="Processor threads that share one call on the device."),
    ] = 1
    engine: Annotated[
        str,
        one_of("auto", "onnxruntime", "openvino", "ncnn"),
        Meta(description="Engine of the device; auto is the fastest of those that are measured."),
    ] = "auto"
    device: Annotated[
        str | None,
        Meta(
            description="File of `bmis bench` from another machine that the budget is for; this "
            "machine if not given."
        ),
    ] = None
    epochs: Annotated[
        Epochs,
        Meta(
            description="Passes over the training images in the last training; fewer where the "
            "time does not suffice."
        ),
    ] = 60
    trials: Annotated[
        Annotated[int, Meta(ge=1, le=10**6)] | None,
        Meta(
            description="Trainings that the search begins, however long they take; as many as the "
            "time allows if not given."
        ),
    ] = None
    recipes: Annotated[
        tuple[str, ...],
        Meta(
            description="Recipes of the search, names or .yaml files; every candidate begins with "
            "the first."
        ),
    ] = ("default", "fast", "robust")
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=1024)],
        Meta(description="Trainings of the search side by side, with one thread each if several."),
    ] = 1
    teacher: Annotated[
        str | None,
        Meta(description="Trained network that the last training learns from too, a run folder."),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=2**32 - 1)],
        Meta(description="Seed of the search, of all trainings and of any split made."),
    ] = 0

    def __post_init__(self) -> None:
        """Check every value, and that the recipes are there."""
        super().__post_init__()
        if not self.recipes or len(set(self.recipes)) < len(self.recipes):
            raise ConfigError(
                f"recipes must name one or more, each once, got {','.join(self.recipes)!r}"
            )
        for recipe in self.recipes:
            find_recipe(recipe)
