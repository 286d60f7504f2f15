"""The process that measures one engine: the job as JSON on stdin, the answer as JSON on stdout.

``bmis.profile.bundle`` runs it as ``python -m bmis.profile.bundle_worker``. Its answer holds
``start_seconds``, ``batches`` and ``error``, as ``EngineCost`` does.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bmis.config import RuntimeOptions
from bmis.errors import BmisError
from bmis.runtime.bundle import load_bundle
from bmis.system.memory import peak_resident
from bmis.system.stopwatch import time_calls


@dataclass(frozen=True)
class EngineJob:
    """What to measure, in plain values.

    Attributes:
        path: The bundle.
        options: Engine, precision and threads, as ``RuntimeOptions.to_dict`` gives them.
        batches: Batch sizes.
        size: Height and width of the images in pixels.
        seconds: Least time for each measurement.
        begun: When the process was started, in seconds since the epoch.

    Example:
        >>> EngineJob("a.bmis", {"engine": "onnxruntime"}, (1, 8), (224, 224), 1.0, 0.0).batches
        (1, 8)
    """

    path: str
    options: dict[str, Any]
    batches: Sequence[int]
    size: Sequence[int]
    seconds: float
    begun: float


def measure_engine(job: EngineJob) -> dict[str, Any]:
    """Start the engine and time it with each batch size, until one does not work.

    Example:
        >>> job = EngineJob("missing.bmis", {}, (1,), (32, 32), 0.0, 0.0)
        >>> measure_engine(job)["error"].partition(":")[0]
        'missing.bmis'
    """
    answer: dict[str, Any] = {"start_seconds": None, "batches": [], "error": None}
    try:
        runtime, bundle = load_bundle(Path(job.path), RuntimeOptions.from_dict(job.options))
        shape = (bundle.manifest.info.input.channels, *job.size)
        runtime(np.zeros((1, *shape), np.float32))
        answer["start_seconds"] = time.time() - job.begun
        for batch in job.batches:
            images = np.random.default_rng(0).standard_normal((batch, *shape), np.float32)
            times = time_calls(partial(runtime, images), seconds=job.seconds)
            answer["batches"].append(_batch_time(batch, times))
    except (BmisError, MemoryError) as error:
        answer["error"] = str(error) or "not enough memory"
    return answer


def _batch_time(batch: int, times: Sequence[float]) -> dict[str, Any]:
    """The values of a ``BatchTime``."""
    resident = peak_resident()
    return {
        "batch": batch,
        "latency_p50_ms": float(np.percentile(times, 50)) * 1e3,
        "latency_p95_ms": float(np.percentile(times, 95)) * 1e3,
        "images_per_second": batch / float(np.mean(times)),
        "resident_mb": None if resident is None else resident / 1e6,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure_engine(EngineJob(**json.loads(sys.stdin.read())))))
