"""What a bundle says about itself: ``manifest.json``, checked to the last value."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bmis.config import MAX_CHANNELS, ModelInfo, Settings, check_choice, check_size
from bmis.config.checks import check_value
from bmis.errors import BundleError, ConfigError

FORMAT, FORMAT_VERSION = "bmis-bundle", 2
FORMATS = ("onnx", "openvino", "ncnn", "executorch", "litert")
PRECISIONS = ("float32", "int8")
CARD, MANIFEST = "MODEL_CARD.md", "manifest.json"
TEXT_LIMIT = 1 << 20  # bytes of the manifest, and of the card
# every file that there can be: format and precision -> the graph, and what belongs to it
FILES = {
    ("onnx", "float32"): ("model.onnx",),
    ("onnx", "int8"): ("model.int8.onnx",),
    ("openvino", "float32"): ("openvino/model.xml", "openvino/model.bin"),
    ("openvino", "int8"): ("openvino/model.int8.xml", "openvino/model.int8.bin"),
    ("ncnn", "float32"): ("ncnn/model.param", "ncnn/model.bin"),
    ("executorch", "float32"): ("model.pte",),
    ("litert", "float32"): ("model.tflite",),
}
_DEPTH, _DIGITS = 16, 18  # of what JSON may hold here: nesting, and digits of whole numbers
_MAX = 1.7976931348623157e308  # the largest finite number
_Finite = int | Annotated[float, Meta(ge=-_MAX, le=_MAX)]  # counts stay whole numbers
_Checks = Annotated[dict[str, _Finite], Meta(title="names with finite numbers")]
_Byte = Annotated[int, Meta(ge=0, le=255)]
_Colours = Annotated[
    tuple[tuple[_Byte, _Byte, _Byte], ...],
    Meta(title="red, green and blue (0 to 255) for each class"),
]
_Stride = Annotated[int, Meta(ge=1, le=1024, title="a whole number from 1 to 1024")]
_Parameters = Annotated[int, Meta(ge=0, le=10**12, title=f"a whole number up to {10**12}")]
_Macs = Annotated[int, Meta(ge=0, le=10**18, title=f"a whole number up to {10**18}")]
_Named = Annotated[dict[str, Any], Meta(title="names with values")]
# of ModelInfo, which leaves these ranges to its writers
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Names = Annotated[tuple[_Name, ...], Meta(title="texts of 1 to 200 printable characters")]
_Classes = Annotated[int, Meta(ge=1, le=256, title="1 to 256")]
_Channels = Annotated[int, Meta(ge=1, le=MAX_CHANNELS, title=f"1 to {MAX_CHANNELS}")]
_Mean = Annotated[
    tuple[Annotated[float, Meta(gt=-1e6, lt=1e6)], ...], Meta(title="numbers below a million")
]
_Std = Annotated[
    tuple[Annotated[float, Meta(ge=1e-6, lt=1e6)], ...],
    Meta(title="numbers of 1e-6 or more, below a million"),
]


@dataclass(frozen=True)
class Graph(Settings):
    """One form of the network in a bundle.

    Attributes:
        file: Its name in the bundle.
        format: "onnx", "openvino", "ncnn", "executorch" or "litert".
        precision: "float32" or "int8".
        size: Height and width in pixels that it takes; None for all multiples of the stride.
        check: How near it came to the torch network when it was exported, for people to read.

    Example:
        >>> Graph("openvino/model.xml", "openvino", "float32").files
        ('openvino/model.xml', 'openvino/model.bin')
    """

    file: str
    format: str
    precision: str
    size: tuple[int, int] | None = None
    check: _Checks = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every value."""
        check_choice("format", self.format, FORMATS)
        check_choice("precision", self.precision, PRECISIONS)
        if self.file != self.files[0]:
            raise ConfigError(
                f"the {self.format} graph in {self.precision} is {self.files[0]}, got {self.file!r}"
            )
        if self.size is not None:
            check_size(self.size)
        super().__post_init__()

    @property
    def files(self) -> tuple[str, ...]:
        """All files in the bundle that it consists of, its own first."""
        if (self.format, self.precision) not in FILES:
            raise ConfigError(f"there is no {self.format} graph in {self.precision}")
        return FILES[self.format, self.precision]


@dataclass(frozen=True)
class Manifest(Settings):
    """All that a device must know to use a bundle, and what people may want to know.

    Attributes:
        info: Network, input and classes, as in a checkpoint.
        stride: Height and width of every batch are multiples of it.
        graphs: Each pair of format and precision at most once; a file has one or more.
        colours: Red, green and blue, 0 to 255, of each class.
        parameters: Number of weights of the network.
        macs: Multiply-accumulates for one image of ``info.input.size``.
        quality: Scores of the graphs on the test split, for people to read.

    Example:
        >>> from bmis.config import InputSpec, ModelConfig
        >>> info = ModelInfo(ModelConfig(), InputSpec(), ("background", "polyp"))
        >>> graph = Graph("model.onnx", "onnx", "float32")
        >>> manifest = Manifest(info, 16, (graph,), ((0, 0, 0), (230, 60, 40)), 440_000, 10**9)
        >>> Manifest.from_dict(manifest.to_dict()) == manifest
        True
    """

    info: ModelInfo
    stride: _Stride
    graphs: tuple[Graph, ...]
    colours: _Colours
    parameters: _Parameters
    macs: _Macs
    quality: _Named = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make nested settings of nested dictionaries, and check every value."""
        super().__post_init__()
        _check_info(self.info)
        kinds = [(graph.format, graph.precision) for graph in self.graphs]
        if len(set(kinds)) < len(kinds):
            raise ConfigError("graphs must differ in format or precision")
        self._check_pixels()

    def _check_pixels(self) -> None:
        side = self.info.input.size
        if side[0] % self.stride or side[1] % self.stride:
            raise ConfigError(f"the input {side[0]}x{side[1]} is no multiple of {self.stride}")
        for graph in self.graphs:
            if graph.size not in (None, side):
                raise ConfigError(
                    f"{graph.file} takes {graph.size}, the input is {side}; both must be the same"
                )
        if len(self.colours) != self.info.model.num_classes:
            raise ConfigError("colours must be red, green and blue (0 to 255) for each class")


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the manifest promises of another member.

    Attributes:
        sha256: SHA-256 of its content, in hexadecimal.
        bytes: Its length.

    Example:
        >>> Member("0" * 64, bytes=12).bytes
        12
    """

    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    bytes: Annotated[int, Meta(ge=0, le=2**40)]


def dump_manifest(manifest: Manifest, members: Mapping[str, Member]) -> bytes:
    """``manifest.json`` of a bundle with these other members; see ``parse_manifest``.

    Raises:
        ConfigError: Something in it is not a plain finite value.

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> bundle = read_bundle(find_model_file("nuclei"))
        >>> data = dump_manifest(bundle.manifest, bundle.members)
        >>> parse_manifest(data) == (bundle.manifest, bundle.members)
        True
    """
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **manifest.to_dict(),
        "members": {name: msgspec.structs.asdict(member) for name, member in members.items()},
    }
    try:
        return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a manifest must hold plain finite values: {error}") from error


def parse_manifest(data: bytes) -> tuple[Manifest, dict[str, Member]]:
    """The inverse of ``dump_manifest``, for untrusted input.

    Raises:
        BundleError: Not a manifest, of a newer version, or with values that cannot be.

    Example:
        >>> parse_manifest(b'{"format": "bmis-bundle", "format_version": 3}')
        Traceback (most recent call last):
        bmis.errors.BundleError: format version 3, this bmis reads up to 2; update bmis
    """
    try:
        values = _parse_json(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{MANIFEST} is not JSON as bmis writes it ({error}); copy or export it again"
        ) from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise BundleError(f"a zip, but its {MANIFEST} is not of bmis; name a file of `bmis export`")
    version = values.pop("format_version", None)
    if type(version) is not int or version < 1:
        raise BundleError(f"{MANIFEST} has no format_version; export it again")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"format version {version}, this bmis reads up to {FORMAT_VERSION}; update bmis"
        )
    try:
        members = check_value("members", values.pop("members", None), dict[str, Member])
        return Manifest.from_dict(values), members
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"{MANIFEST} cannot be used ({error}); export it again, or update bmis"
        ) from error


def _check_info(info: ModelInfo) -> None:
    """Check what ``ModelInfo`` leaves to its writers."""
    model, spec = info.model, info.input
    for name, value, kind in (
        ("the names of network and classes", (model.name, *info.classes), _Names),
        ("num_classes", model.num_classes, _Classes),
        ("channels", model.in_channels, _Channels),
        ("channels", spec.channels, _Channels),
        ("mean", spec.mean, _Mean),
        ("std", spec.std, _Std),
        ("options", model.options, _Named),
        ("provenance", info.provenance, _Named),
    ):
        check_value(name, value, kind)
    if not all(name.isprintable() for name in (model.name, *info.classes)):
        raise ConfigError("the names of network and classes must be printable characters")


def _parse_json(data: bytes) -> Any:
    """Read JSON more strictly than the standard library does.

    Raises:
        ValueError: Not JSON, a name that is there twice, a number that is not finite or too long,
            half a character, or too deep a nesting.
        RecursionError: Far too deep a nesting.
    """
    values = json.loads(data.decode(), parse_int=_parse_int, object_pairs_hook=_unique)
    msgspec.json.decode(data)  # refuses what is not finite, and half characters
    level = [values]
    for _ in range(_DEPTH):
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [part for item in containers for part in _parts(item)]
    if level:
        raise ValueError(f"nested more than {_DEPTH} deep")
    return values


def _parts(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _parse_int(text: str) -> int:
    if len(text) > _DIGITS + 1:  # long ones take quadratic time
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is there twice")
    return values
