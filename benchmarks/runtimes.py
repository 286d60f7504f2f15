"""Every network as a graph: whether it exports, and how fast the device's engines run it.

    python benchmarks/runtimes.py [NAMES...] [--size 224] [--rounds 8]

Untrained weights, which are as fast as trained ones, and a phantom image; the gates of
`bmis export` need trained networks and are not part of this. Each network in a process of its own:
torch (ours, float32, channels-last), ONNX Runtime and OpenVINO in float32, OpenVINO in bf16, and
for the light networks, U-Net and DSU-Net int8 by both; the sides take turns. Writes
``results/runtimes_<machine>.json`` after each network (what is there is not measured again). The
machine should do nothing else. The table is on the speed page, which ``results_pages.py`` writes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
HEAVY_INT8 = ("unet", "dsu_net")  # besides the light ones
CALIBRATION = 8
Batch = NDArray[np.float32]


def measure(name: str, size: int, rounds: int) -> dict[str, Any]:
    """One network, in this process."""
    import torch

    from bmis.errors import BmisError
    from bmis.export.onnx import serialised, to_onnx
    from bmis.export.openvino import to_openvino
    from bmis.export.quantise import quantise
    from bmis.models import build_model, find_method, size_options
    from bmis.runtime.engines import OnnxRuntimeEngine, OpenVinoEngine
    from bmis.runtime.torch_network import TorchRuntime

    torch.manual_seed(0)
    threads = len(os.sched_getaffinity(0))
    model = build_model(name, **size_options(name, {}, (size, size))).eval()
    sides = model.valid_size(size, size)
    images = phantoms(sides)
    facts: dict[str, Any] = {"name": name, "group": find_method(name).group, "size": sides}
    try:
        graph = to_onnx(model, sides)
    except BmisError as error:
        return {**facts, "failed": str(error)}
    content = serialised(graph)
    facts["float_mb"] = len(content) / 1e6
    makers: dict[str, Callable[[], Callable[[Batch], Batch]]] = {
        "torch fp32": lambda: TorchRuntime(model),
        "onnxruntime fp32": lambda: OnnxRuntimeEngine(content, threads=threads),
        "openvino fp32": lambda: OpenVinoEngine(*to_openvino(content), threads=threads),
        "openvino bf16": lambda: OpenVinoEngine(*to_openvino(content), threads=threads, bf16=True),
    }
    if facts["group"] == "light" or name in HEAVY_INT8:
        int8 = serialised(quantise(graph, images, lambda _: 0.0).graph)
        facts["int8_mb"] = len(int8) / 1e6
        makers |= {
            "onnxruntime int8": lambda: OnnxRuntimeEngine(int8, threads=threads),
            "openvino int8": lambda: OpenVinoEngine(*to_openvino(int8), threads=threads),
        }
    ways: dict[str, Callable[[Batch], Batch]] = {}
    refused: dict[str, str] = {}
    for side, make in makers.items():
        try:
            way = make()
            way(images[:1])
            ways[side] = way
        except BmisError as error:
            refused[side] = str(error)
    if refused:
        facts["refused"] = refused
    expected = ways["torch fp32"](images[:1])
    off = np.abs(ways["onnxruntime fp32"](images[:1]) - expected).max()
    facts["logits_error"] = float(off / max(1.0, np.abs(expected).max()))
    return {**facts, "ms": turns(ways, images[:1], rounds)}


def phantoms(sides: tuple[int, int]) -> Batch:
    from bmis.config import InputSpec
    from bmis.data.phantoms.write import draw_phantom
    from bmis.data.preprocess import normalise

    spec = InputSpec(sides, 3)
    drawn = (draw_phantom("endoscopy", seed=seed, size=sides) for seed in range(CALIBRATION))
    return np.stack([normalise(pixels, spec) for pixels, _ in drawn])


def turns(ways: dict[str, Callable[[Batch], Batch]], image: Batch, rounds: int) -> dict[str, float]:
    """Median milliseconds; in each turn one call that is not counted and three that are."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way(image)
            for _ in range(3):
                start = time.perf_counter()
                way(image)
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def alone(name: str, size: int, rounds: int) -> dict[str, Any]:
    """Measure in a process of its own, so that no network affects the next."""
    arguments = [sys.executable, __file__, name, "--size", str(size), "--rounds", str(rounds)]
    done = subprocess.run([*arguments, "--child"], check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"name": name, "crashed": last[:300]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.names[0], args.size, args.rounds)))
        return
    run_all(args)


def run_all(args: argparse.Namespace) -> None:
    from machine import describe, short_name

    from bmis.models import list_models
    from bmis.system.files import write_json

    out = ROOT / "benchmarks" / "results" / f"runtimes_{short_name()}.json"
    result = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {"networks": []}
    result |= {"machine": describe(), "file": out.name, "size": args.size}
    for name in args.names or list_models():
        if not args.names and name in {row["name"] for row in result["networks"]}:
            continue
        found = alone(name, args.size, args.rounds)
        others = [row for row in result["networks"] if row["name"] != name]
        result["networks"] = sorted([*others, found], key=lambda row: str(row["name"]))
        write_json(out, result)
        print(name, found.get("ms") or found, flush=True)


if __name__ == "__main__":
    main()
