"""The scores in int8, on this processor, of the networks that come with the package.

    python benchmarks/int8_sums.py DATA [--only chest-xray ...]
    python benchmarks/int8_sums.py DATA --engines lung.bmis

x86 processors without VNNI clip sums of products of int8 in ONNX Runtime unless an option forbids
it; ``bmis.runtime.engines`` sets that option there. Each network is scored on the test images of
its data set with the option and without, and timed on one thread and on all. The IoU of the same
graph on the machine of the export stands beside it. With ``--engines`` a bundle that ``bmis export
--int8 --keep-float --formats onnx,openvino`` has written is timed instead, with every engine and
precision. Writes ``results/int8_sums_<machine>.json``.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from five_modalities import MODALITIES, command_line
from machine import describe, short_name

from bmis import RuntimeOptions, evaluate_model, profile_bundle
from bmis.bundle import Bundle, read_bundle
from bmis.pretrained.lookup import FOLDER
from bmis.runtime.engines import OnnxRuntimeEngine
from bmis.system.files import output_folder, write_json
from bmis.system.processor import usable_cores
from bmis.system.stopwatch import time_calls

RESULTS = Path(__file__).parent / "results"
# the processor's features as the engine sees them; without VNNI it asks for exact sums
FLAGS = {"clipped": frozenset({"avx512_vnni"}), "exact": frozenset[str]()}


def measure(name: str, root: Path) -> dict[str, Any]:
    """One network both ways."""
    path = FOLDER / f"{name}-bmis.bmis"
    bundle = read_bundle(path)
    graph = bundle.find("onnx", "int8")
    assert graph is not None, f"{name} holds no int8 graph"
    found: dict[str, Any] = {"exported": graph.check["iou"]}
    for way, flags in FLAGS.items():
        with mock.patch("bmis.runtime.engines.processor_flags", lambda flags=flags: flags):
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


def milliseconds(graph: bytes, bundle: Bundle, threads: int) -> float:
    """Median time of one image."""
    spec = bundle.manifest.info.input
    image = np.random.default_rng(0).standard_normal((1, spec.channels, *spec.size))
    batch, run = image.astype(np.float32), OnnxRuntimeEngine(graph, threads=threads)
    return statistics.median(time_calls(lambda: run(batch), seconds=1.0)) * 1e3


def engines(bundle: Path) -> list[dict[str, Any]]:
    """The costs of every engine and precision of a bundle, on one thread and on all."""
    return [
        {
            **profile_bundle(bundle, batches=(1,), threads=threads).to_dict(),
            "bundle": bundle.name,
        }
        for threads in sorted({1, usable_cores()})
    ]


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--engines", type=Path, metavar="BUNDLE", help="time this bundle instead")
    args = parser.parse_args()
    out = output_folder(RESULTS) / f"int8_sums_{short_name()}.json"
    found = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {"networks": {}}
    if args.engines:
        write_json(out, {**found, "engines": engines(args.engines), "machine": describe()})
        return
    for name in args.only:
        found["networks"][name] = measure(name, args.data)
        print(name, found["networks"][name], flush=True)
        write_json(out, {**found, "machine": describe()})


if __name__ == "__main__":
    main()
