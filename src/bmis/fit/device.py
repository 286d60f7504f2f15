"""What bundles cost on a machine: the file that ``bmis bench`` writes and ``bmis fit`` reads."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from bmis.config import InputSize, Settings
from bmis.errors import ConfigError, DataError
from bmis.profile.bundle import BundleProfile
from bmis.system.files import write_json
from bmis.system.reading import read_text

FORMAT, VERSION = "bmis-device", 1
_AGAIN = "measure it again with `bmis bench`"
_Cost = Annotated[float, Meta(gt=0, le=1e9)]


@dataclass(frozen=True)
class WayCost(Settings):
    """What one image costs by one engine in one precision.

    Attributes:
        engine: "onnxruntime" or "openvino".
        precision: "fp32" or "int8".
        ms: Median milliseconds of one call.
        mb: Megabytes of a bundle with what this way needs; None where it is not known.
        resident_mb: The most memory of the process in megabytes; None where it is not known.

    Example:
        >>> WayCost("onnxruntime", "int8", ms=3.1, mb=0.9).name
        'onnxruntime int8'
    """

    engine: str
    precision: str
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
    channels: int
    classes: int
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
    bundles: tuple[DeviceBundle, ...] = field(default_factory=tuple)


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
        values = json.loads(read_text(path, limit=2**24))
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
