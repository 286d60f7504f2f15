"""The verb ``profile`` for a bundle: what it holds, and what each engine takes to run it.

Needs no torch. Each engine in each precision is measured in a process of its own that begins with
nothing, so that start-up and memory are those of a device. Times are of the network alone, on
noise of the size of its input. MB are 10^6 bytes.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bmis.bundle import read_bundle
from bmis.config import RuntimeOptions
from bmis.errors import BmisError, BundleError, ConfigError
from bmis.pretrained.lookup import find_model_file
from bmis.runtime.bundle import load_bundle, runnable
from bmis.runtime.engines import installed_engines
from bmis.system.memory import peak_resident
from bmis.system.processor import processor_name, usable_cores
from bmis.system.progress import track
from bmis.system.stopwatch import time_calls

_ALONE = "from bmis.profile.bundle import answer_alone; answer_alone()"


@dataclass(frozen=True)
class BatchTime:
    """The costs at one batch size.

    Attributes:
        batch: Images at once.
        latency_p50_ms: Median time of a batch.
        latency_p95_ms: 95th percentile of it.
        images_per_second: From the mean time.
        resident_mb: The most memory that the process had held by then, Python and all libraries
            included; None where the system does not tell (other than Linux).
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
        engine: "onnxruntime" or "openvino".
        precision: "fp32", "bf16" or "int8".
        start_seconds: From the start of Python to the first answer; None where there was none.
        batches: From the smallest on; those that could be run.
        fault: Why it could not be run, or not with larger batches; None if all went well.
    """

    engine: str
    precision: str
    start_seconds: float | None
    batches: tuple[BatchTime, ...]
    fault: str | None


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
        file_mb: Of the whole bundle.
        processor: Its name.
        threads: That share one call.
        versions: Of the engines that are installed.
        engines: One entry for each engine and precision that the bundle and this machine have.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def profile_bundle(
    bundle: Path | str,
    *,
    size: int | tuple[int, int] | None = None,
    batches: Sequence[int] = (1, 8),
    threads: int | None = None,
    seconds: float = 1.0,
) -> BundleProfile:
    """Tell and measure what a bundle costs.

    Args:
        bundle: A ``.bmis`` file, or the name of one that comes with the package.
        size: Side, or height and width, of the images in pixels; by default the network's own.
        batches: Batch sizes to measure.
        threads: That share one call; by default one on each core that this process may use.
        seconds: Least time for each measurement; ten calls are counted at least.

    Raises:
        ConfigError: A value is out of range.
        BundleError: See ``bundle.read_bundle``; or no engine can run it.
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
    options = [
        RuntimeOptions(engine=engine, precision=precision, threads=threads)
        for engine, precision in runnable(found)
    ]
    runs = (_in_own_process(found.path, one, sorted(batches), shape, seconds) for one in options)
    engines = tuple(track(runs, "measuring engines", total=len(options)))
    if not any(engine.batches for engine in engines):
        why = engines[0].fault if engines else "none is installed that has a graph in it"
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
    )


def _in_own_process(
    path: Path,
    options: RuntimeOptions,
    batches: Sequence[int],
    size: tuple[int, int],
    seconds: float,
) -> EngineCost:
    question = {
        "path": str(path.resolve()),
        "options": options.to_dict(),
        "batches": list(batches),
        "size": list(size),
        "seconds": seconds,
        "begun": time.time(),
    }
    run = subprocess.run(  # noqa: S603  (this Python, our own module)
        [sys.executable, "-c", _ALONE],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    names = (options.engine, options.precision)
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["no word"])[-1]
        return EngineCost(*names, None, (), f"its process ended with {run.returncode} ({last})")
    answer = json.loads(run.stdout)
    times = tuple(BatchTime(**one) for one in answer["batches"])
    return EngineCost(*names, answer["start_seconds"], times, answer["fault"])


def answer_alone() -> None:
    """The other end of ``_in_own_process``: JSON from stdin, JSON to stdout."""
    question = json.loads(sys.stdin.read())
    answer: dict[str, Any] = {"start_seconds": None, "batches": [], "fault": None}
    try:
        options = RuntimeOptions.from_dict(question["options"])
        runtime, bundle = load_bundle(Path(question["path"]), options)
        shape = (bundle.manifest.info.input.channels, *question["size"])
        runtime(np.zeros((1, *shape), np.float32))
        answer["start_seconds"] = time.time() - question["begun"]
        for batch in question["batches"]:
            images = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
            times = time_calls(partial(runtime, images), seconds=question["seconds"])
            answer["batches"].append(asdict(_batch_time(batch, times)))
    except (BmisError, MemoryError) as error:
        answer["fault"] = str(error) or "not enough memory"
    sys.stdout.write(json.dumps(answer))


def _batch_time(batch: int, times: Sequence[float]) -> BatchTime:
    resident = peak_resident()
    return BatchTime(
        batch=batch,
        latency_p50_ms=float(np.percentile(times, 50)) * 1e3,
        latency_p95_ms=float(np.percentile(times, 95)) * 1e3,
        images_per_second=batch / float(np.mean(times)),
        resident_mb=None if resident is None else resident / 1e6,
    )
