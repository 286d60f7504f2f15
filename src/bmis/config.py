"""Settings as frozen values, checked once when made; plain dictionaries in and out; no torch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from bmis.errors import ConfigError, did_you_mean

_S = TypeVar("_S", bound="Settings")
STATISTICS = 19  # of an image, that `familiarity` rests on
RESIZE_RULES = ("squash", "letterbox", "native")


def check_choice(what: str, value: str, options: tuple[str, ...]) -> None:
    """Raise ``ConfigError`` unless ``value`` is one of ``options``."""
    if value not in options:
        raise ConfigError(f"unknown {what} {value!r}{did_you_mean(value, options)}")


@dataclass(frozen=True)
class Settings:
    """Base of everything that is written to ``config.yaml`` and into checkpoints."""

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values: what YAML and JSON can hold."""
        return _plain(asdict(self))  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls: type[_S], values: Mapping[str, Any]) -> _S:
        """The inverse of ``to_dict``.

        Raises:
            ConfigError: A name that this version does not know, or one that is missing.
        """
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(
                    f"unknown setting {name!r} of {cls.__name__}{did_you_mean(name, sorted(known))}"
                )
        try:
            return cls(**{name: _tuples(value) for name, value in values.items()})
        except TypeError as error:
            raise ConfigError(f"{cls.__name__}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _are_numbers(row: object, width: int) -> bool:
    """Whether it holds so many finite numbers of a sensible size."""
    return (
        isinstance(row, tuple)
        and len(row) == width
        and all(type(value) in (int, float) and abs(value) < 1e9 for value in row)
    )


def check_size(size: object) -> None:
    """Raise ``ConfigError`` unless ``size`` is (height, width) in pixels, each 8 to 16384."""
    if not (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, int) and 8 <= side <= 16384 for side in size)
    ):
        raise ConfigError(f"size must be (height, width), each from 8 to 16384, got {size}")


@dataclass(frozen=True)
class InputSpec(Settings):
    """How an image becomes the array that a network takes. Travels with the weights.

    Attributes:
        size: Height and width of the network's input in pixels; the crop and tile for "native".
        channels: 1 (grey) or 3 (RGB).
        mean: Per channel, on the scale 0..1.
        std: Per channel, on the scale 0..1.
        resize: "squash" to ``size``; "letterbox" keeps the aspect and pads with black; "native"
            leaves the pixels as they are, trains on crops and predicts in tiles.
    """

    size: tuple[int, int] = (224, 224)
    channels: int = 3
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: str = "squash"

    def __post_init__(self) -> None:
        check_choice("resize rule", self.resize, RESIZE_RULES)
        check_size(self.size)
        if self.channels not in (1, 3):
            raise ConfigError(f"channels must be 1 (grey) or 3 (RGB), got {self.channels}")
        for name in ("mean", "std"):  # the paper's (x - 0.5) / 0.5 unless said otherwise
            if not getattr(self, name):
                object.__setattr__(self, name, (0.5,) * self.channels)
        numbers = (*self.mean, *self.std)
        if len(numbers) != 2 * self.channels or not all(map(math.isfinite, numbers)):
            raise ConfigError(f"mean and std need {self.channels} finite numbers each")
        if min(self.std) <= 0:
            raise ConfigError(f"std must be above 0, got {self.std}")


@dataclass(frozen=True)
class ModelConfig(Settings):
    """Everything that ``build_model`` needs to build the same network again.

    Attributes:
        name: A registered name, such as "bmis".
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        options: Further constructor arguments, such as ``{"attention": False}``.
    """

    name: str = "bmis"
    in_channels: int = 3
    num_classes: int = 2
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OodReference(Settings):
    """What training images look like, to tell others from them; see ``familiarity``.

    Attributes:
        mean: Of the statistics of an image, F = ``STATISTICS`` of them.
        transform: (F, F): takes statistics less their mean to places where distances count.
        examples: (N, F), the places of some training images.
        limit: Distance from the nearest example beyond which an image looks like none.
    """

    mean: tuple[float, ...]
    transform: tuple[tuple[float, ...], ...]
    examples: tuple[tuple[float, ...], ...]
    limit: float

    def __post_init__(self) -> None:
        tables = (self.mean,), self.transform, self.examples
        if (
            not all(
                isinstance(rows, tuple)
                and rows
                and all(_are_numbers(row, STATISTICS) for row in rows)
                for rows in tables
            )
            or len(self.transform) != STATISTICS
        ):
            raise ConfigError(f"familiarity must hold rows of {STATISTICS} numbers below 1e9")
        if not _are_numbers((self.limit,), 1) or self.limit < 1e-6:
            raise ConfigError(f"limit of familiarity must be 1e-6 or more, got {self.limit!r}")


@dataclass(frozen=True)
class ModelInfo(Settings):
    """What a checkpoint says besides its weights; enough to use them without the data set.

    Attributes:
        model: The network.
        input: Its input.
        classes: Names of the classes, background first.
        provenance: What was trained on what, when and with which versions, for people to read.
        ood: What the training images look like, where it is known.
    """

    model: ModelConfig
    input: InputSpec
    classes: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    ood: OodReference | None = None

    def __post_init__(self) -> None:
        kinds = (("model", ModelConfig), ("input", InputSpec), ("ood", OodReference))
        for name, kind in kinds:
            value = getattr(self, name)
            if isinstance(value, Mapping):
                object.__setattr__(self, name, kind.from_dict(value))
        if len(self.classes) != self.model.num_classes:
            raise ConfigError(
                f"{len(self.classes)} class names for {self.model.num_classes} classes"
            )
        if self.model.in_channels != self.input.channels:
            raise ConfigError(
                f"the network takes {self.model.in_channels} channels, "
                f"its input has {self.input.channels}"
            )


@dataclass(frozen=True)
class RuntimeOptions(Settings):
    """How a trained network is run; no choice changes what the masks mean.

    Attributes:
        device: For run folders and ``.safetensors`` files, which torch runs: "auto" (the first
            GPU where there is one), "cpu", "cuda", "cuda:1", ...
        engine: For bundles: "onnxruntime", "openvino", or "auto", the quicker of those that are
            installed.
        precision: For bundles: "fp32", "bf16", "int8", or "auto", int8 where the bundle has it,
            else fp32. Run folders are run in fp32.
        threads: Processor threads that share one call; None for one on each core that the
            process may use (for torch its own choice).
    """

    device: str = "auto"
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, ("auto", "onnxruntime", "openvino"))
        check_choice("precision", self.precision, ("auto", "fp32", "bf16", "int8"))
        if self.threads is not None and not 1 <= self.threads <= 1024:
            raise ConfigError(f"threads must be 1 to 1024, got {self.threads}")


@dataclass(frozen=True)
class TrainConfig(Settings):
    """What ``bmis train`` is asked to do; written to ``config.yaml`` in the run folder.

    Attributes:
        data: Dataset folder.
        model: A registered name.
        options: Further constructor arguments of the model; channels and classes are the data's.
        recipe: "default", "paper" or "fast".
        epochs: Passes over the training images.
        size: Height and width of the network's input in pixels.
        resize: "squash", "letterbox" or "native"; see ``InputSpec``.
        fold: Number of the fold, or path of a fold file; None for the data set's own split.
        seed: Of the weights, the order, the augmentation and a split that has to be made.
        split_seed: Of such a split, where it shall not follow ``seed``.
        batch_size: Images a step over all processes; None for the recipe's.
        learning_rate: The highest; None for the recipe's.
        device: "auto", "cpu" or "cuda".
        precision: "auto" (bf16 where the processor has it), "bf16" or "32".
        devices: Processes on each machine, one GPU each.
        nodes: Machines.
        compile: Compile the network; pays on GPUs and long trainings.
        deterministic: Bit-identical weights from the same seed on the same machine.
        tensorboard: Write TensorBoard files too.
        init: Run folder or ``.safetensors`` file whose weights are started from, those of the same
            network with the same options; None for random ones.
        teacher: Run folder, ``.safetensors`` file or name of a trained network whose answers are
            learnt from beside the masks; None for the masks alone.
    """

    data: str
    model: str = "bmis"
    options: dict[str, Any] = field(default_factory=dict)
    recipe: str = "default"
    epochs: int = 60
    size: tuple[int, int] = (224, 224)
    resize: str = "squash"
    fold: int | str | None = None
    seed: int = 0
    split_seed: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    device: str = "auto"
    precision: str = "auto"
    devices: int = 1
    nodes: int = 1
    compile: bool = False
    deterministic: bool = False
    tensorboard: bool = False
    init: str | None = None
    teacher: str | None = None

    def __post_init__(self) -> None:
        for name in ("data", "fold", "init", "teacher"):  # a Path is as good as its text
            if isinstance(getattr(self, name), Path):
                object.__setattr__(self, name, str(getattr(self, name)))
        check_size(self.size)
        check_choice("device", self.device, ("auto", "cpu", "cuda"))
        check_choice("precision", self.precision, ("auto", "bf16", "32"))
        check_choice("resize rule", self.resize, RESIZE_RULES)
        for name in ("epochs", "devices", "nodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed must be 0 to {2**32 - 1}, got {self.seed}")
        for name in ("in_channels", "num_classes"):
            if name in self.options:
                raise ConfigError(f"option {name!r} follows from the data set; leave it out")
