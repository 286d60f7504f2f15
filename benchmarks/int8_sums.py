"""What the networks that come with the package score on this processor, in int8.

    python benchmarks/int8_sums.py DATA [--only chest-xray ...]

x86 processors without VNNI clip sums of products of int8 in ONNX Runtime unless it is told not to;
``bmis.engines`` tells it so there. Each network is scored on the test images of its data set with
the remedy and without, and timed on one thread and on all; beside it the IoU of the same graph
where it was exported. Writes ``results/int8_sums_<machine>.json``.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from five_modalities import MODALITIES, command_line
from machine import describe, short_name

from bmis import RuntimeOptions, evaluate_model
from bmis.bundle import read_bundle
from bmis.engines import OnnxRuntimeEngine
from bmis.files import output_folder, write_json
from bmis.processor import usable_cores
from bmis.shipped import FOLDER

RESULTS = Path(__file__).parent / "results"
CALLS = 30
FLAGS = {
    "clipped": frozenset({"avx512_vnni"}),
    "exact": frozenset[str](),
}  # that the engine is told


def measure(name: str, root: Path) -> dict[str, Any]:
    """One network both ways."""
    path = FOLDER / f"{name}.bmis"
    bundle = read_bundle(path)
    graph = bundle.find("onnx", "int8")
    assert graph is not None, f"{name} holds no int8 graph"
    found: dict[str, Any] = {"exported": graph.check["iou"]}
    for way, flags in FLAGS.items():
        with mock.patch("bmis.engines.processor_flags", lambda flags=flags: flags):
            found[way] = {
                "iou": score(path, root / MODALITIES[name].data),
                "ms": {
                    threads: milliseconds(bundle.read(graph.files[0]), bundle, threads)
                    for threads in sorted({1, usable_cores()})
                },
            }
    return found


def score(path: Path, data: Path) -> float:
    """Mean IoU of the test images."""
    with tempfile.TemporaryDirectory() as out:
        options = RuntimeOptions(engine="onnxruntime", precision="int8")
        scores = evaluate_model(path, data=data, out=out, options=options)
    return float(scores.summary["cases"]["iou"]["mean"])


def milliseconds(graph: bytes, bundle: Any, threads: int) -> float:
    """Median time of one image."""
    spec = bundle.manifest.info.input
    image = np.random.default_rng(0).standard_normal((1, spec.channels, *spec.size))
    batch, run = image.astype(np.float32), OnnxRuntimeEngine(graph, threads=threads)
    times = []
    for number in range(CALLS + 3):
        start = time.perf_counter()
        run(batch)
        if number >= 3:
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def main() -> None:
    args = command_line(__doc__).parse_args()
    out = output_folder(RESULTS) / f"int8_sums_{short_name()}.json"
    found = {}
    for name in args.only:
        found[name] = measure(name, args.data)
        print(name, found[name], flush=True)
        write_json(out, {"networks": found, "machine": describe()})


if __name__ == "__main__":
    main()
