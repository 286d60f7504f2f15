"""What bundles cost on a machine: the file that ``bmis bench`` writes and ``bmis fit`` reads."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from bmis.bundle import Graph
from bmis.bundle.archive import pack
from bmis.config import MAX_CHANNELS, InputSize, Settings
from bmis.config.checks import one_of
from bmis.data.coding import IGNORE
from bmis.errors import ConfigError, DataError
from bmis.profile.bundle import BundleProfile
from bmis.runtime.engines import ENGINES
from bmis.system.files import write_json
from bmis.system.reading import read_bytes
from bmis.wording import short

FORMAT, VERSION = "bmis-device", 1
_AGAIN = "measure it again with `bmis bench`"
_Cost = Annotated[float, Meta(gt=0, le=1e9)]
_MOST = 256  # bundles of a device file
_BESIDE = 0.03  # MB of what a bundle holds beside its graphs: manifest, statistics, card
_NEEDS = {  # formats and precisions of the graphs that a way needs in its bundle
    "onnxruntime fp32": (("onnx", "float32"),),
    "onnxruntime int8": (("onnx", "int8"),),
    "openvino fp32": (("onnx", "float32"),),
    "openvino int8": (("onnx", "int8"), ("openvino", "int8")),
    "ncnn fp32": (("onnx", "float32"), ("ncnn", "float32")),
}
_WRITERS: dict[str, tuple[str, ...]] = {  # packages; the last is the extra that brings both
    "openvino int8": ("openvino", "nncf"),
    "ncnn fp32": ("ncnn", "pnnx"),
}


@dataclass(frozen=True)
class WayCost(Settings):
    """What one image costs by one engine in one precision.

    Attributes:
        engine: "onnxruntime", "openvino" or "ncnn".
        precision: "fp32" or "int8".
        ms: Median milliseconds of one call.
        mb: Megabytes of a bundle with what this way needs; None where it is not known.
        resident_mb: The most memory of the process in megabytes; None where it is not known.

    Example:
        >>> WayCost("onnxruntime", "int8", ms=3.1, mb=0.9).name
        'onnxruntime int8'
    """

    engine: Annotated[str, one_of(*ENGINES)]
    precision: Annotated[str, one_of("fp32", "int8")]
    ms: _Cost
    mb: _Cost | None = None
    resident_mb: _Cost | None = None

    @property
    def name(self) -> str:
        """Engine and precision."""
        return f"{self.engine} {self.precision}"


@dataclass(frozen=True)
class DeviceBundle(Settings):
    """What one bundle costs on a machine.

    Attributes:
        model: Name of the network.
        options: Arguments of its constructor.
        size: Height and width of the image in pixels.
        channels: Channels of the image.
        classes: Number of classes, background included.
        ways: One entry for each engine and precision.

    Example:
        >>> way = WayCost("onnxruntime", "fp32", ms=5.0)
        >>> DeviceBundle("bmis_edge", {}, (224, 224), 3, 2, (way,)).ways[0].ms
        5.0
    """

    model: str
    options: dict[str, Any]
    size: InputSize
    channels: Annotated[int, Meta(ge=1, le=MAX_CHANNELS)]
    classes: Annotated[int, Meta(ge=2, le=IGNORE)]
    ways: tuple[WayCost, ...]


@dataclass(frozen=True)
class DeviceFile(Settings):
    """A machine and what bundles cost on it.

    Attributes:
        machine: Name of its processor.
        threads: How many threads share one call.
        engines: Versions of its engines by name.
        bundles: What was measured.

    Example:
        >>> DeviceFile("a board", 4, {"onnxruntime": "1.20"}, ()).machine
        'a board'
    """

    machine: str
    threads: int
    engines: dict[str, str]
    bundles: Annotated[tuple[DeviceBundle, ...], Meta(max_length=_MOST)] = field(
        default_factory=tuple
    )


def ways_of(profile: BundleProfile, sizes: dict[str, float] | None = None) -> tuple[WayCost, ...]:
    """The engines and precisions of a profile that could be run, for one image at a time.

    Args:
        profile: Measured with batches of one.
        sizes: Megabytes of a bundle for each way by its name; those not known are left open.

    Example:
        >>> import bmis
        >>> profile = bmis.profile_bundle("nuclei", batches=(1,), threads=1, seconds=0)
        >>> [way.name for way in ways_of(profile)]
        ['onnxruntime int8']
    """
    known = sizes or {}
    return tuple(
        WayCost(
            cost.engine,
            cost.precision,
            cost.batches[0].latency_p50_ms,
            known.get(f"{cost.engine} {cost.precision}"),
            cost.batches[0].resident_mb,
        )
        for cost in profile.engines
        if cost.batches and cost.precision != "bf16"  # which no bundle is run in by itself
    )


def way_sizes(graphs: Iterable[Graph], read: Callable[[str], bytes]) -> dict[str, float]:
    """Megabytes of a bundle that holds only what one engine in one precision needs.

    Args:
        graphs: The graphs of a bundle.
        read: Gives the content of a file of the bundle.

    Returns:
        One entry for each way that has all its graphs.

    Example:
        >>> graph = Graph("model.int8.onnx", "onnx", "int8")
        >>> way_sizes([graph], lambda file: bytes(1000))
        {'onnxruntime int8': 0.03...}
    """
    files = {(one.format, one.precision): one.files for one in graphs}
    return {
        name: len(pack({file: read(file) for kind in kinds for file in files[kind]})) / 1e6
        + _BESIDE
        for name, kinds in _NEEDS.items()
        if all(kind in files for kind in kinds)
    }


def missing_extra(way: str) -> str | None:
    """The extra that is missing here to export a network for a way; None where nothing is.

    Example:
        >>> missing_extra("onnxruntime int8") is None
        True
    """
    packages = _WRITERS.get(way, ())
    return None if all(find_spec(package) for package in packages) else packages[-1]


def costs_in_words(way: WayCost) -> str:
    """The costs of a way in words.

    Example:
        >>> costs_in_words(WayCost("onnxruntime", "int8", ms=3.1, mb=0.9))
        '3.10 ms, 0.900 MB'
    """
    parts = [f"{short(way.ms)} ms"]
    parts += [f"{short(way.mb)} MB"] if way.mb else []
    parts += [f"{way.resident_mb:.0f} MB of memory"] if way.resident_mb else []
    return ", ".join(parts)


def write_device(path: Path, found: DeviceFile) -> None:
    """Write a device file, whole or not at all.

    Raises:
        DataError: It cannot be written.

    Example:
        >>> bundle = DeviceBundle(
        ...     "unet", {}, (96, 96), 3, 2, (WayCost("onnxruntime", "fp32", ms=5.0),)
        ... )
        >>> write_device(Path("pi5.json"), DeviceFile("a board", 4, {}, (bundle,)))
        >>> read_device(Path("pi5.json")).threads
        4
    """
    write_json(path, {"format": FORMAT, "version": VERSION, **found.to_dict()})


def read_device(path: Path) -> DeviceFile:
    """Read a device file.

    Raises:
        DataError: There is no such file, or it is not of ``bmis bench``, of another version or
            damaged.

    Example:
        >>> read_device(Path("polyps/splits.csv"))
        Traceback (most recent call last):
        bmis.errors.DataError: polyps/splits.csv: is not JSON; name a file of `bmis bench`
    """
    try:
        values = json.loads(read_bytes(path, limit=2**24))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON; name a file of `bmis bench`") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise DataError(f"{path}: is no device file; name a file of `bmis bench`")
    version = values.pop("version", None)
    if version != VERSION:
        raise DataError(
            f"{path}: is a device file of version {version}, this bmis reads {VERSION}; {_AGAIN}"
        )
    try:
        found = DeviceFile.from_dict(values)
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is damaged ({error}); {_AGAIN}") from error
    if not any(bundle.ways for bundle in found.bundles):
        raise DataError(f"{path}: holds no measurement; {_AGAIN}")
    return found
