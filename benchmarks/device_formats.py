"""Graphs for ExecuTorch and LiteRT against the torch network and ONNX Runtime.

    python benchmarks/device_formats.py executorch [--methods bmis unext malunet] [--keep FOLDER]
    python benchmarks/device_formats.py litert --bundles FOLDER/bmis.bmis [...]

Networks are trained on phantoms for some epochs and exported in this format beside ONNX: the gate
of ``bmis export`` runs both graphs on all test images and compares them with the torch network.
Then both are timed in turns on one image, on all cores, with as many threads; ``--bundles`` takes
bundles that are there. The tests of bmis replace these libraries by stand-ins; this validates with
the libraries themselves, each in an environment of its own, as they need different versions of
torch. Writes ``results/device_formats_<format>_<machine>.json``.
"""

import argparse
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name

import bmis
from bmis.bundle import FILES, read_bundle
from bmis.config import RuntimeOptions
from bmis.data.phantoms.write import write_phantoms
from bmis.export.run import export_run
from bmis.export.settings import ExportOptions
from bmis.export.validation import FIXED
from bmis.runtime.load import load_runtime
from bmis.system.files import output_folder, write_json
from bmis.system.processor import usable_cores

RESULTS = Path(__file__).parent / "results"
PACKAGES = {
    "executorch": ("executorch", "torch"),
    "litert": ("litert-torch", "ai-edge-litert", "torch"),
}


def make(methods: list[str], format: str, size: int, epochs: int, folder: Path) -> list[Path]:
    """Bundles of networks trained on phantoms, so that weights and norms are not initial ones."""
    data, bundles = folder / "phantoms", []
    write_phantoms(data, modality="endoscopy", count=40, size=(size, size), seed=0)
    for method in methods:
        config = bmis.TrainConfig(
            str(data), model=method, size=(size, size), epochs=epochs, precision="32", device="cpu"
        )
        run = bmis.train_model(config, out=str(folder / method)).run
        options = ExportOptions(formats=("onnx", format))
        bundles.append(export_run(run, folder / f"{method}.bmis", options).path)
    return bundles


def measure(path: Path, format: str, turns: int) -> dict[str, Any]:
    """What the gate found for ONNX and for this format, their sizes, and their times in turns."""
    bundle = read_bundle(path)
    info, stride = bundle.manifest.info, bundle.manifest.stride
    content = bundle.read(FILES[format, "float32"][0])
    options = RuntimeOptions(engine="onnxruntime", threads=usable_cores())
    runtimes = {
        "onnx": load_runtime(path, options)[0],
        format: FIXED[format].run(content, info.input.size, stride),
    }
    shape = (1, info.input.channels, *info.input.size)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in runtimes}
    for turn in range(turns + 2):
        for name, runtime in runtimes.items():
            runtime(image)  # caches that the other has emptied
            start = time.perf_counter()
            runtime(image)
            if turn > 1:  # the first warm up
                times[name].append(1000 * (time.perf_counter() - start))
    found = {
        graph.format: {
            **graph.check,
            "bytes": len(bundle.read(graph.file)),
            "median_ms": statistics.median(times[graph.format]),
        }
        for graph in bundle.manifest.graphs
        if graph.format in times
    }
    facts = {"network": info.model.name, "data": bundle.manifest.quality["data"]}
    return {**facts, "size": info.input.size, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("format", choices=sorted(FIXED))
    parser.add_argument("--methods", nargs="*", default=["bmis", "unext", "malunet"])
    parser.add_argument("--bundles", nargs="*", type=Path, help="in place of training")
    parser.add_argument("--keep", type=Path, help="folder to leave bundles in")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--turns", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or Path(name)
        bundles = args.bundles or make(args.methods, args.format, args.size, args.epochs, folder)
        found = [measure(path, args.format, args.turns) for path in bundles]
    versions = {package: version(package) for package in PACKAGES[args.format]}
    for row in found:
        print(f"{row['network']} on {row['data']}, {versions}")
        for kind in ("onnx", args.format):
            print(f"  {kind}: {row[kind]}")
    target = output_folder(RESULTS) / f"device_formats_{args.format}_{short_name()}.json"
    write_json(target, {"networks": found, "versions": versions, "machine": describe()})
    print(f"written to {target}")


if __name__ == "__main__":
    main()
