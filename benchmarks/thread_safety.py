"""Thousands of images by one predictor and many threads, on every engine: masks and memory.

    python benchmarks/thread_safety.py [--images 5000] [--threads 8]

The network for nuclei that comes with the package, exported for 64 x 64 pixels, float32 and int8,
for both engines; and in torch. One thread segments 250 phantoms; then the threads segment them
over and over, and each answer must be the same to the last bit, probabilities included. Resident
memory is sampled all the while (Linux): its growth is that of the last half over the first half's
end. Writes ``results/thread_safety_<machine>.json``.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name
from numpy.typing import NDArray

from bmis import Predictor, RuntimeOptions, draw_phantom, load_runtime
from bmis.bundle import FILES, Graph, read_bundle, write_bundle
from bmis.data.preprocess import fit, normalise
from bmis.export.onnx import serialised, to_onnx
from bmis.export.openvino import to_openvino
from bmis.export.quantise import quantise
from bmis.models.checkpoint import read_checkpoint
from bmis.pretrained.lookup import FOLDER, find_weights
from bmis.runtime.torch_network import TorchRuntime
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
SIZE = (64, 64)
Pixels = NDArray[np.uint8]
DIFFERENT = 250  # images
SAMPLES = 40  # of memory
WAYS = [(engine, kind) for engine in ("onnxruntime", "openvino") for kind in ("fp32", "int8")]


def export(path: Path, images: Sequence[Pixels]) -> None:
    """A bundle with the network in both formats and precisions."""
    model, _ = read_checkpoint(find_weights("nuclei-bmis"))
    manifest = read_bundle(FOLDER / "nuclei-bmis.bmis").manifest
    spec = replace(manifest.info.input, size=SIZE)
    graph = to_onnx(model, SIZE)
    few = np.stack([normalise(fit(image, spec)[0], spec) for image in images[:8]])
    contents = {"float32": serialised(graph)}
    contents["int8"] = serialised(quantise(graph, few, lambda _: 0.0).graph)
    graphs: list[Graph] = []
    members: dict[str, bytes] = {}
    for kind, content in contents.items():
        for format, files in (("onnx", (content,)), ("openvino", to_openvino(content))):
            one = Graph(FILES[format, kind][0], format, kind, SIZE)
            graphs.append(one)
            members |= dict(zip(one.files, files, strict=True))
    info = replace(manifest.info, input=spec, ood=None)
    write_bundle(path, replace(manifest, info=info, graphs=tuple(graphs)), members, "# Nuclei\n")


def digest(predictor: Predictor, image: Pixels) -> bytes:
    probabilities = predictor(image).probabilities
    assert probabilities is not None
    return sha256(probabilities.tobytes()).digest()


def measure(predictor: Predictor, images: Sequence[Pixels], count: int, threads: int) -> Any:
    """How many answers differ, and how much memory the process takes from sample to sample."""
    alone = [digest(predictor, image) for image in images]
    wrong, memory, start = 0, [resident_mb()], time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for part in np.array_split(np.arange(count) % len(images), SAMPLES):
            found = pool.map(lambda index: digest(predictor, images[index]), part)
            wrong += sum(alone[i] != one for i, one in zip(part, found, strict=True))
            memory.append(resident_mb())
    return {
        "images": count,
        "different": wrong,
        "seconds": time.perf_counter() - start,
        "resident_mb": memory,
        "growth_mb": max(memory[SAMPLES // 2 :]) - memory[SAMPLES // 2],
    }


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=8)
    args = parser.parse_args()
    images = [draw_phantom("dermoscopy", size=SIZE, seed=seed)[0] for seed in range(DIFFERENT)]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.bmis"
        export(path, images)
        for engine, precision in WAYS:
            options = RuntimeOptions(engine=engine, precision=precision, threads=1)
            predictor = Predictor(*load_runtime(path, options), keep_probabilities=True)
            found[f"{engine} {precision}"] = measure(predictor, images, args.images, args.threads)
        model, _ = read_checkpoint(find_weights("nuclei-bmis"))
        info = read_bundle(path).manifest.info
        predictor = Predictor(TorchRuntime(model), info, keep_probabilities=True)
        found["torch fp32"] = measure(predictor, images, args.images, args.threads)
    for name, way in found.items():
        print(f"{name:20} {way['different']} differ, memory grows by {way['growth_mb']:.1f} MB")
    out = output_folder(RESULTS) / f"thread_safety_{short_name()}.json"
    write_json(out, {"threads": args.threads, "found": found, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
