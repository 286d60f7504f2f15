"""What ``bmis train`` is asked to do."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from bmis.config.checks import one_of
from bmis.config.model import InputSize, Resize
from bmis.config.settings import Settings
from bmis.errors import ConfigError

# Two files of a run folder: the weights of the best epoch, and what the training was asked to do.
MODEL_FILE, SETTINGS_FILE = "model.safetensors", "config.yaml"

RecipeName = Annotated[
    str,
    Meta(description="Recipe: default, robust, fast, paper or a .yaml file of your own."),
]
Epochs = Annotated[int, Meta(ge=1, le=10**6, description="Passes over the training images.")]
Device = Annotated[
    str,
    one_of("auto", "cpu", "cuda"),
    Meta(description="Device to train on; auto is the GPU where there is one."),
]
Precision = Annotated[
    str,
    one_of("auto", "bf16", "32"),
    Meta(description="Precision of the training; auto is bf16 where the processor has it."),
]
_Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
_Machines = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True)
class TrainConfig(Settings):
    """What ``bmis train`` is asked to do; written to ``config.yaml`` in the run folder.

    Example:
        >>> config = TrainConfig("polyps", recipe="fast", epochs=3)
        >>> config.size
        (224, 224)
        >>> TrainConfig("polyps", epochs=0)
        Traceback (most recent call last):
        bmis.errors.ConfigError: epochs must be 1 or more, got 0
    """

    data: Annotated[str, Meta(description="Dataset folder.")]
    model: Annotated[str, Meta(description="Name of the network; see `bmis models`.")] = "bmis"
    options: Annotated[
        dict[str, Any],
        Meta(
            description="Further arguments of the network, such as attention=false or "
            "widths=[8,32,48]; channels and classes follow from the data."
        ),
    ] = field(default_factory=dict)
    recipe: RecipeName = "default"
    epochs: Epochs = 60
    size: InputSize = (224, 224)
    resize: Resize = "squash"
    fold: Annotated[
        int | str | None,
        Meta(
            description="Number of the fold, or a CSV file with id,split; the data set's own "
            "split if not given."
        ),
    ] = None
    seed: Annotated[
        _Seed,
        Meta(description="Seed of the weights, the order, the augmentation and any split made."),
    ] = 0
    split_seed: Annotated[
        _Seed | None, Meta(description="Seed of a split to be made, if not ``seed``.")
    ] = None
    batch_size: Annotated[
        int | None,
        Meta(description="Images per step over all processes; the recipe's if not given."),
    ] = None
    learning_rate: Annotated[
        float | None, Meta(description="Highest learning rate; the recipe's if not given.")
    ] = None
    device: Device = "auto"
    precision: Precision = "auto"
    devices: Annotated[_Machines, Meta(description="Processes on each machine, one GPU each.")] = 1
    nodes: Annotated[_Machines, Meta(description="Number of machines.")] = 1
    compile: Annotated[
        bool, Meta(description="Compile the network; pays on GPUs and in long trainings.")
    ] = False
    deterministic: Annotated[
        bool, Meta(description="The same bits every time, from one seed on one machine.")
    ] = False
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(
            description="Processor threads; the number that is fastest in the first steps if not "
            "given."
        ),
    ] = None
    logger: Annotated[
        str,
        one_of("csv", "tensorboard", "mlflow"),
        Meta(description="Where the epochs are logged beside log.csv; csv is that file alone."),
    ] = "csv"
    init: Annotated[
        str | None,
        Meta(
            description="Run folder, .safetensors file or name whose weights to start from, of "
            "the same network with the same options; random ones if not given."
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Meta(
            description="Run folder, .safetensors file or name of a trained network to learn from "
            "beside the masks."
        ),
    ] = None
    unlabelled: Annotated[
        str | None,
        Meta(
            description="Folder of images without masks to learn from too; they are labelled by "
            "the running average of the weights."
        ),
    ] = None
    patience: Annotated[
        int | None,
        Meta(
            description="End after this many epochs without a better validation; the recipe's if "
            "not given, 0 for never."
        ),
    ] = None
    changes: Annotated[
        dict[str, Any],
        Meta(
            description="Settings of the recipe to change, such as augmentation.flip=0; see "
            "--show-recipe."
        ),
    ] = field(default_factory=dict)
    no_pictures: Annotated[
        bool, Meta(description="Draw no images of the data on the run's page, report.html.")
    ] = False
    plugins: Annotated[
        tuple[str, ...], Meta(description="Python files that register networks.")
    ] = ()

    def __post_init__(self) -> None:
        """Check every value, and that the options leave to the data what is the data's."""
        super().__post_init__()
        for name in ("in_channels", "num_classes"):
            if name in self.options:
                raise ConfigError(f"option {name!r} follows from the data set; leave it out")
