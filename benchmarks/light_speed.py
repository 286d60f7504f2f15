"""All light networks in turns in one process: how long one image takes on a device's engines.

    python benchmarks/light_speed.py [NAMES...] [--rounds 10]

Untrained weights, which are as fast as trained ones, and a phantom image, at 224 x 224 and
256 x 256, on one core and on two; ONNX Runtime and OpenVINO in float32, OpenVINO in bf16. In every
turn each network is called once without counting and three times with it, so that whatever slows
the machine meets all networks. Writes medians in milliseconds, and how many times BMIS's time each
takes, into ``results/light_speed_<machine>.json``. The machine should do nothing else.
"""

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from machine import describe, short_name
from runtimes import Batch, phantoms, turns

from bmis.errors import BmisError
from bmis.export.onnx import serialised, to_onnx
from bmis.export.openvino import to_openvino
from bmis.models import build_untrained, find_method, list_models
from bmis.runtime.engines import OnnxRuntimeEngine, OpenVinoEngine
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
BASE = "bmis"
ENGINES: dict[str, Callable[[bytes, int], Callable[[Batch], Batch]]] = {
    "onnxruntime fp32": lambda graph, threads: OnnxRuntimeEngine(graph, threads=threads),
    "openvino fp32": lambda graph, threads: OpenVinoEngine(*to_openvino(graph), threads=threads),
    "openvino bf16": lambda graph, threads: OpenVinoEngine(
        *to_openvino(graph), threads=threads, bf16=True
    ),
}


def export(names: list[str], size: int) -> dict[str, bytes]:
    """The graph of each network that can be exported at this size."""
    graphs = {}
    for name in names:
        model = build_untrained(name).eval()
        try:
            graphs[name] = serialised(to_onnx(model, model.valid_size(size, size)))
        except BmisError as error:
            print(f"{name}: left out ({error})", flush=True)
    return graphs


def measure(
    graphs: dict[str, bytes], size: int, engine: str, threads: int, rounds: int
) -> dict[str, Any]:
    """Median milliseconds of each network, in turns."""
    ways = {name: ENGINES[engine](graph, threads) for name, graph in graphs.items()}
    milliseconds = turns(ways, phantoms((size, size))[:1], rounds)
    base = milliseconds[BASE]
    return {
        "size": size,
        "engine": engine,
        "threads": threads,
        "ms": milliseconds,
        "of_bmis": {name: round(value / base, 3) for name, value in milliseconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    light = [name for name in list_models() if find_method(name).group == "light"]
    names = list(dict.fromkeys([BASE, *(args.names or light)]))
    out = output_folder(RESULTS) / f"light_speed_{short_name()}.json"
    runs: list[dict[str, Any]] = []
    for size in (224, 256):
        graphs = export(names, size)
        for engine, threads in product(ENGINES, (1, 2)):
            runs.append(measure(graphs, size, engine, threads, args.rounds))
            write_json(out, {"machine": describe(), "rounds": args.rounds, "runs": runs})
            ratios = sorted(runs[-1]["of_bmis"].items(), key=lambda one: one[1])
            print(size, engine, threads, ratios, flush=True)


if __name__ == "__main__":
    main()
