"""The command ``profile`` for a bundle: what it holds, and what each engine takes to run it.

Needs no torch. Each engine in each precision is measured in a process of its own that starts with
nothing loaded, so that start-up and memory are those of a device. Times are of the network alone,
on noise of the size of its input. MB are 10^6 bytes.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bmis.bundle import Bundle, read_bundle
from bmis.config import PostProcessing, RuntimeOptions
from bmis.errors import BundleError, ConfigError
from bmis.pretrained.lookup import find_model_file
from bmis.profile import bundle_worker
from bmis.runtime.bundle import runnable
from bmis.runtime.engines import installed_engines
from bmis.system.processor import processor_name, usable_cores
from bmis.system.progress import track

_WORKER = ("-m", bundle_worker.__name__)  # arguments of Python


@dataclass(frozen=True)
class BatchTime:
    """The costs at one batch size.

    Attributes:
        batch: Images at once.
        latency_p50_ms: Median time of a batch.
        latency_p95_ms: 95th percentile of the time of a batch.
        images_per_second: Rate that follows from the mean time.
        resident_mb: The most memory that the process had held by then, Python and all libraries
            included; None on systems other than Linux.

    Example:
        >>> BatchTime(8, 40.0, 42.5, 200.0, None).images_per_second
        200.0
    """

    batch: int
    latency_p50_ms: float
    latency_p95_ms: float
    images_per_second: float
    resident_mb: float | None


@dataclass(frozen=True)
class EngineCost:
    """The costs of one engine in one precision.

    Attributes:
        engine: "onnxruntime", "openvino" or "ncnn".
        precision: "fp32", "bf16" or "int8".
        start_seconds: Time from the start of Python to the first answer; None where there was
            none.
        batches: The batch sizes that could be run, smallest first.
        error: Why the engine could not be run, or not with larger batches; None if all went well.

    Example:
        >>> EngineCost("openvino", "fp32", None, (), "not enough memory").error
        'not enough memory'
    """

    engine: str
    precision: str
    start_seconds: float | None
    batches: tuple[BatchTime, ...]
    error: str | None


@dataclass(frozen=True)
class BundleProfile:
    """The costs of one bundle at one image size on this machine's processor.

    Attributes:
        bundle: The file.
        model: Name of the network.
        in_channels: Channels of the image.
        num_classes: Channels of the logits.
        size: Height and width of the images that were timed, in pixels.
        parameters: Weights of the network.
        macs: Multiply-accumulates of one image of ``macs_size``, attention included.
        macs_size: Height and width of the network's usual input.
        file_mb: Size of the whole bundle.
        processor: Name of this machine's processor.
        threads: How many threads share one call.
        versions: Versions of the engines that are installed, by name.
        engines: One entry for each engine and precision that the bundle and this machine have.
        postprocessing: What is done with the network's answer; its time is not part of the costs,
            but for flips, which take the network's time again.
        calibrated: Whether masks come with the Dice that may be expected of them.

    Example:
        >>> import bmis
        >>> profile = bmis.profile_bundle("nuclei", batches=(1,), threads=1, seconds=0)
        >>> [(cost.engine, cost.precision) for cost in profile.engines]
        [('onnxruntime', 'int8')]
    """

    bundle: str
    model: str
    in_channels: int
    num_classes: int
    size: tuple[int, int]
    parameters: int
    macs: int
    macs_size: tuple[int, int]
    file_mb: float
    processor: str
    threads: int
    versions: dict[str, str]
    engines: tuple[EngineCost, ...]
    postprocessing: PostProcessing = field(default_factory=PostProcessing)
    calibrated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))  # tuples become lists
        return values


def profile_bundle(
    bundle: Path | str,
    *,
    size: int | tuple[int, int] | None = None,
    batches: Sequence[int] = (1, 8),
    threads: int | None = None,
    seconds: float = 1.0,
) -> BundleProfile:
    """Measure what a bundle costs on this machine.

    Args:
        bundle: A ``.bmis`` file, or the name of one that comes with the package.
        size: Side, or height and width, of the images in pixels; by default the network's own.
        batches: Batch sizes to measure.
        threads: How many threads share one call; by default one on each core that this process
            may use.
        seconds: Least time for each measurement; at least ten calls are counted.

    Raises:
        ConfigError: A value is out of range.
        BundleError: See ``read_bundle``; or no engine can run the bundle.

    Example:
        >>> profile = profile_bundle("nuclei", batches=(1,), threads=1, seconds=0)
        >>> profile.parameters, profile.size
        (793896, (224, 224))
    """
    if not batches or min(batches) < 1 or seconds < 0:
        raise ConfigError(
            f"batches must be 1 or more and seconds 0 or more, got {list(batches)} and {seconds}"
        )
    found = read_bundle(find_model_file(bundle))
    manifest = found.manifest
    spec = manifest.info.input
    shape = spec.size if size is None else (size, size) if isinstance(size, int) else size
    threads = usable_cores() if threads is None else threads
    engines = _measure_engines(found, sorted(batches), shape, threads, seconds)
    if not any(engine.batches for engine in engines):
        why = engines[0].error if engines else "none is installed that has a graph in it"
        raise BundleError(f"{bundle}: no engine can run it; {why}")
    return BundleProfile(
        bundle=str(bundle),
        model=manifest.info.model.name,
        in_channels=spec.channels,
        num_classes=manifest.info.model.num_classes,
        size=shape,
        parameters=manifest.parameters,
        macs=manifest.macs,
        macs_size=spec.size,
        file_mb=found.path.stat().st_size / 1e6,
        processor=processor_name(),
        threads=threads,
        versions=installed_engines(),
        engines=engines,
        postprocessing=manifest.info.postprocessing,
        calibrated=manifest.info.confidence is not None,
    )


def _measure_engines(
    bundle: Bundle, batches: Sequence[int], size: tuple[int, int], threads: int, seconds: float
) -> tuple[EngineCost, ...]:
    options = [
        RuntimeOptions(engine=engine, precision=precision, threads=threads)
        for engine, precision in runnable(bundle)
    ]
    runs = (_in_own_process(bundle.path, one, batches, size, seconds) for one in options)
    return tuple(track(runs, "measuring engines", total=len(options)))


def _in_own_process(
    path: Path,
    options: RuntimeOptions,
    batches: Sequence[int],
    size: tuple[int, int],
    seconds: float,
) -> EngineCost:
    job = bundle_worker.EngineJob(
        str(path.resolve()), options.to_dict(), batches, size, seconds, begun=time.time()
    )
    run = subprocess.run(  # noqa: S603  (this Python, our own module)
        [sys.executable, *_WORKER],
        input=json.dumps(asdict(job)),
        capture_output=True,
        text=True,
        check=False,
    )
    names = (options.engine, options.precision)
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["without a message"])[-1]
        return EngineCost(*names, None, (), f"its process ended with {run.returncode} ({last})")
    answer = json.loads(run.stdout)
    times = tuple(BatchTime(**one) for one in answer["batches"])
    return EngineCost(*names, answer["start_seconds"], times, answer["error"])
