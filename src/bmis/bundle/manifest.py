"""What a bundle says about itself: ``manifest.json``, checked to the last value."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bmis.config import ModelInfo, Settings, check_choice, check_size
from bmis.errors import BundleError, ConfigError

FORMAT, FORMAT_VERSION = "bmis-bundle", 1
FORMATS = ("onnx", "openvino", "executorch", "litert")
PRECISIONS = ("float32", "int8")
CARD, MANIFEST = "MODEL_CARD.md", "manifest.json"
TEXT_LIMIT = 1 << 20  # bytes of the manifest, and of the card
# every file that there can be: format and precision -> the graph, and what belongs to it
FILES = {
    ("onnx", "float32"): ("model.onnx",),
    ("onnx", "int8"): ("model.int8.onnx",),
    ("openvino", "float32"): ("openvino/model.xml", "openvino/model.bin"),
    ("openvino", "int8"): ("openvino/model.int8.xml", "openvino/model.int8.bin"),
    ("executorch", "float32"): ("model.pte",),
    ("litert", "float32"): ("model.tflite",),
}
_DEPTH, _DIGITS = 16, 18  # of what JSON may hold here: nesting, and digits of whole numbers


@dataclass(frozen=True)
class Graph(Settings):
    """One form of the network in a bundle.

    Attributes:
        file: Its name in the bundle.
        format: "onnx", "openvino", "executorch" or "litert".
        precision: "float32" or "int8".
        size: Height and width in pixels that it takes; None for all multiples of the stride.
        check: How near it came to the torch network when it was exported, for people to read.
    """

    file: str
    format: str
    precision: str
    size: tuple[int, int] | None = None
    check: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("format", self.format, FORMATS)
        check_choice("precision", self.precision, PRECISIONS)
        if self.file != self.files[0]:
            raise ConfigError(
                f"the {self.format} graph in {self.precision} is {self.files[0]}, got {self.file!r}"
            )
        if self.size is not None:
            check_size(self.size)
        if not all(_is_number(value) for value in _dict("check", self.check).values()):
            raise ConfigError(f"check of {self.file} must hold finite numbers")

    @property
    def files(self) -> tuple[str, ...]:
        """All names in the bundle that it consists of, its own first."""
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
        parameters: Weights of the network.
        macs: Multiply-accumulates for one image of ``info.input.size``.
        quality: Scores of the graphs on the test split, for people to read.
    """

    info: ModelInfo
    stride: int
    graphs: tuple[Graph, ...]
    colours: tuple[tuple[int, int, int], ...]
    parameters: int
    macs: int
    quality: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.info, ModelInfo):
            object.__setattr__(self, "info", ModelInfo.from_dict(_dict("info", self.info)))
        graphs = tuple(
            graph if isinstance(graph, Graph) else Graph.from_dict(_dict("a graph", graph))
            for graph in self.graphs
        )
        object.__setattr__(self, "graphs", graphs)
        _check_info(self.info)
        for name, most in (("stride", 1024), ("parameters", 10**12), ("macs", 10**18)):
            value = getattr(self, name)
            if not _is_whole(value, int(name == "stride"), most):
                raise ConfigError(f"{name} must be a whole number up to {most}, got {value!r}")
        kinds = [(graph.format, graph.precision) for graph in graphs]
        if len(set(kinds)) < len(kinds):
            raise ConfigError("graphs must differ in format or precision")
        self._check_pixels()
        _dict("quality", self.quality)

    def _check_pixels(self) -> None:
        side = self.info.input.size
        if side[0] % self.stride or side[1] % self.stride:
            raise ConfigError(f"the input {side[0]}x{side[1]} is no multiple of {self.stride}")
        for graph in self.graphs:
            if graph.size not in (None, side):
                raise ConfigError(
                    f"{graph.file} takes {graph.size}, the input is {side}; both must be the same"
                )
        if len(self.colours) != self.info.model.num_classes or not all(
            isinstance(colour, tuple)
            and len(colour) == 3
            and all(_is_whole(value, 0, 255) for value in colour)
            for colour in self.colours
        ):
            raise ConfigError("colours must be red, green and blue (0 to 255) for each class")


class Member(NamedTuple):
    """What the manifest promises of another member.

    Attributes:
        sha256: Of its content, in hexadecimal.
        bytes: Its length.
    """

    sha256: str
    bytes: int


def dump_manifest(manifest: Manifest, members: Mapping[str, Member]) -> bytes:
    """``manifest.json`` of a bundle with these other members.

    Raises:
        ConfigError: Something in it is not a plain finite value.
    """
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **manifest.to_dict(),
        "members": {name: member._asdict() for name, member in members.items()},
    }
    try:
        return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a manifest must hold plain finite values: {error}") from error


def parse_manifest(data: bytes) -> tuple[Manifest, dict[str, Member]]:
    """The inverse of ``dump_manifest``, for untrusted input.

    Raises:
        BundleError: Not a manifest, of a newer version, or with values that cannot be.
    """
    try:
        values = json.loads(data.decode(), parse_int=_parse_int, object_pairs_hook=_unique)
        _check_plain(values)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{MANIFEST} is not JSON as bmis writes it ({error}); copy or export it again"
        ) from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise BundleError(f"a zip, but its {MANIFEST} is not of bmis; name a file of `bmis export`")
    version = values.pop("format_version", None)
    if not _is_whole(version, 1, 10**9):
        raise BundleError(f"{MANIFEST} has no format_version; export it again")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"format version {version}, this bmis reads up to {FORMAT_VERSION}; update bmis"
        )
    try:
        members = _parse_members(_dict("members", values.pop("members", None)))
        return Manifest.from_dict(values), members
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"{MANIFEST} cannot be used ({error}); export it again, or update bmis"
        ) from error


def _parse_members(values: dict[str, Any]) -> dict[str, Member]:
    members = {}
    for name, value in values.items():
        member = Member(**_dict("a member", value))
        if not _is_whole(member.bytes, 0, 2**40) or not (
            isinstance(member.sha256, str) and re.fullmatch("[0-9a-f]{64}", member.sha256)
        ):
            raise ConfigError(f"members needs sha256 and bytes of {name!r}")
        members[name] = member
    return members


def _check_info(info: ModelInfo) -> None:
    """The kinds of values that ``ModelInfo`` leaves to its writers."""
    model, spec = info.model, info.input
    texts = (model.name, spec.resize, *info.classes)
    if not isinstance(info.classes, tuple) or not all(
        isinstance(text, str) and text.isprintable() and 0 < len(text) <= 200 for text in texts
    ):
        raise ConfigError("the names of network and classes must be 1 to 200 printable characters")
    if not _is_whole(model.num_classes, 1, 256):
        raise ConfigError(f"num_classes must be 1 to 256, got {model.num_classes!r}")
    if not all(_is_whole(n, 1, 3) for n in (model.in_channels, spec.channels)):
        raise ConfigError(f"channels must be 1 or 3, got {spec.channels!r}")
    if not all(_is_number(value) and abs(value) < 1e6 for value in (*spec.mean, *spec.std)):
        raise ConfigError("mean and std must be numbers below a million")
    if min(spec.std) < 1e-6:
        raise ConfigError(f"std must be 1e-6 or more, got {min(spec.std)}")
    _dict("options", model.options)
    _dict("provenance", info.provenance)


def _dict(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{what} must be names with values, got {type(value).__name__}")
    return value


def _is_whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most  # True and 1.0 are no whole numbers


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _parse_int(text: str) -> int:
    if len(text) > _DIGITS + 1:  # long ones take quadratic time
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name stands there twice")
    return values


def _check_plain(value: Any) -> None:
    """Raise ``ValueError`` for values that are nested too deep, not finite, or half characters."""
    level = [value]
    for _ in range(_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper += [*item, *item.values()]
            elif isinstance(item, list):
                deeper += item
            elif isinstance(item, str):
                item.encode()  # a lone surrogate could be neither shown nor written
            elif isinstance(item, float) and not math.isfinite(item):
                raise ValueError("a number that is not finite")
        level = deeper
    if level:
        raise ValueError(f"nested more than {_DEPTH} deep")
