"""What belongs to trained weights: the network, its input, its classes; travels with them."""

import sys
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from bmis.config.checks import Size, one_of
from bmis.config.postprocessing import PostProcessing
from bmis.config.settings import Settings
from bmis.errors import ConfigError
from bmis.wording import counted

MAX_CHANNELS = 32  # of an image
STATISTICS = 19  # of an image, that its out-of-distribution score rests on

_MAX = sys.float_info.max
_Finite = Annotated[float, Meta(ge=-_MAX, le=_MAX)]
_Positive = Annotated[float, Meta(gt=0, le=_MAX)]
_Statistic = Annotated[float, Meta(gt=-1e9, lt=1e9)]
_Row = Annotated[tuple[_Statistic, ...], Meta(min_length=STATISTICS, max_length=STATISTICS)]

InputSize = Annotated[Size, Meta(description="Height and width of the network's input in pixels.")]
RESIZE_RULES = ("squash", "letterbox", "native")
Resize = Annotated[
    str,
    one_of(*RESIZE_RULES),
    Meta(
        description="How images get that size: squash, letterbox (keeps the aspect, pads with "
        "black) or native (keeps the pixels, trains on crops, predicts in tiles)."
    ),
]


@dataclass(frozen=True)
class InputSpec(Settings):
    """How an image becomes the array that a network takes.

    Example:
        >>> InputSpec(size=(128, 128), channels=1).mean
        (0.5,)
    """

    size: InputSize = (224, 224)
    channels: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_CHANNELS,
            title=f"a number from 1 to {MAX_CHANNELS}",
            description="Channels of the image: 1 is grey, 3 is RGB.",
        ),
    ] = 3
    mean: Annotated[
        tuple[_Finite, ...],
        Meta(
            title="finite numbers, one for each channel",
            description="Mean of each channel on the scale 0..1; 0.5 each by default.",
        ),
    ] = ()
    std: Annotated[
        tuple[_Positive, ...],
        Meta(
            title="finite numbers above 0, one for each channel",
            description="Standard deviation of each channel, on the same scale; 0.5 each by "
            "default.",
        ),
    ] = ()
    resize: Resize = "squash"

    def __post_init__(self) -> None:
        """Check every value; the default mean and std are the paper's (x - 0.5) / 0.5."""
        super().__post_init__()
        for name in ("mean", "std"):
            values = getattr(self, name) or (0.5,) * self.channels
            if len(values) != self.channels:
                raise ConfigError(f"{name} needs {self.channels} finite numbers, got {values}")
            object.__setattr__(self, name, values)


@dataclass(frozen=True)
class ModelConfig(Settings):
    """Everything that ``build_model`` needs to build the same network again.

    Example:
        >>> ModelConfig("bmis", num_classes=3, options={"attention": False}).in_channels
        3
    """

    name: Annotated[str, Meta(description='Registered name, such as "bmis".')] = "bmis"
    in_channels: Annotated[int, Meta(description="Channels of the image.")] = 3
    num_classes: Annotated[
        int, Meta(description="Channels of the logits, background included.")
    ] = 2
    options: Annotated[
        dict[str, Any],
        Meta(description='Further arguments of the network, such as ``{"attention": False}``.'),
    ] = field(default_factory=dict)


@dataclass(frozen=True)
class OodReference(Settings):
    """What training images look like, to tell others from them; see ``predict.ood``.

    Each image is F = ``STATISTICS`` numbers, all below 1e9.

    Example:
        >>> row = (0.0,) * STATISTICS
        >>> reference = OodReference(row, (row,) * STATISTICS, (row, row), limit=2.0)
        >>> len(reference.examples)
        2
    """

    mean: Annotated[
        _Row,
        Meta(
            title=f"{STATISTICS} numbers below 1e9",
            description="Mean of the statistics over the training images, (F,).",
        ),
    ]
    transform: Annotated[
        tuple[_Row, ...],
        Meta(
            min_length=STATISTICS,
            max_length=STATISTICS,
            title=f"{STATISTICS} rows of {STATISTICS} numbers below 1e9",
            description="Takes statistics less their mean to where distances count, (F, F).",
        ),
    ]
    examples: Annotated[
        tuple[_Row, ...],
        Meta(
            min_length=1,
            title=f"one or more rows of {STATISTICS} numbers below 1e9",
            description="Some training images after the transform, (N, F).",
        ),
    ]
    limit: Annotated[
        float,
        Meta(
            ge=1e-6,
            lt=1e9,
            title="a number from 1e-6 to 1e9",
            description="Distance from the nearest example beyond which an image is out of "
            "distribution.",
        ),
    ]


@dataclass(frozen=True)
class Confidence(Settings):
    """How to tell the Dice of a mask from the network's own probabilities.

    See ``predict.confidence``, which learns these numbers and uses them.

    Example:
        >>> Confidence(intercept=-0.7, slope=0.8, empty=0.0).slope
        0.8
    """

    intercept: Annotated[
        float,
        Meta(
            ge=-100,
            le=100,
            title="a number from -100 to 100",
            description="Log-odds of the expected Dice where those of the soft Dice are 0.",
        ),
    ]
    slope: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            title="a number from 0 to 100",
            description="Log-odds of the expected Dice for each unit of those of the soft Dice.",
        ),
    ]
    empty: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            title="a number from 0 to 1",
            description="Expected Dice of an empty mask: how often one is right.",
        ),
    ]


@dataclass(frozen=True)
class ModelInfo(Settings):
    """What a checkpoint says besides its weights; enough to use them without the data set.

    Example:
        >>> info = ModelInfo(ModelConfig(), InputSpec(), classes=("background", "polyp"))
        >>> ModelInfo.from_dict(info.to_dict()) == info
        True
    """

    model: Annotated[ModelConfig, Meta(description="The network.")]
    input: Annotated[InputSpec, Meta(description="Its input.")]
    classes: Annotated[tuple[str, ...], Meta(description="Names of the classes, background first.")]
    provenance: Annotated[
        dict[str, Any],
        Meta(description="What was trained on what, when and with which versions; for people."),
    ] = field(default_factory=dict)
    ood: Annotated[
        OodReference | None,
        Meta(description="What the training images look like, where it is known."),
    ] = None
    postprocessing: Annotated[
        PostProcessing, Meta(description="What is done with the network's answer.")
    ] = field(default_factory=PostProcessing)
    confidence: Annotated[
        Confidence | None,
        Meta(description="How to tell the Dice of a mask, where it was calibrated."),
    ] = None

    def __post_init__(self) -> None:
        """Check every value, and that classes and channels agree."""
        super().__post_init__()
        if len(self.classes) != self.model.num_classes:
            raise ConfigError(
                f"{counted(len(self.classes), 'class name')} for "
                f"{counted(self.model.num_classes, 'class')}; "
                "give one name for each, background first"
            )
        if self.model.in_channels != self.input.channels:
            raise ConfigError(
                f"the network takes {counted(self.model.in_channels, 'channel')}, "
                f"its input has {self.input.channels}; they must be the same"
            )
        if self.model.num_classes > 2 and self.postprocessing.threshold != 0.5:
            raise ConfigError(
                f"a threshold is for two classes, the network has {self.model.num_classes}, of "
                "which the most likely one is taken; leave threshold out"
            )
