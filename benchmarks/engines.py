"""Whether `auto` takes the fastest engine and precision of a bundle, on one core.

    taskset -c 0 python benchmarks/engines.py FOLDER [--rounds 10] [--networks 12]

Writes the bundles of ``bmis bench --make`` into FOLDER where they are not there yet: twelve
untrained networks, in the formats of all engines that are installed. Each bundle is loaded by
every engine in every precision and timed in turns on one thread. Then `auto` chooses, three times,
with nothing remembered; the worst choice counts. Writes ``results/engines_<machine>.json``:
milliseconds of each way, what `auto` took, and its time over the best's; bf16, which `auto` never
takes because no gate has compared it, is timed but never counts as best. The machine should do
nothing else.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name
from runtimes import Batch, turns

from bmis.bundle import read_bundle
from bmis.config import RuntimeOptions
from bmis.fit.untrained import make_bench
from bmis.runtime.bundle import load_bundle, runnable
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
WANTED = 1.05  # times the best
CHOICES = 3
_SHORT = {"float32": "fp32", "int8": "int8"}


def measure(path: Path, rounds: int) -> dict[str, Any]:
    """One bundle: every way in turns, and what `auto` takes."""
    bundle = read_bundle(path)
    spec = bundle.manifest.info.input
    image = np.random.default_rng(0).standard_normal((1, spec.channels, *spec.size), np.float32)
    ways: dict[str, Callable[[Batch], Batch]] = {
        f"{engine} {precision}": load_bundle(path, RuntimeOptions("cpu", engine, precision, 1))[0]
        for engine, precision in runnable(bundle)
    }
    milliseconds = turns(ways, image, rounds)
    chosen = [choose(path) for _ in range(CHOICES)]
    best = min((name for name in ways if "bf16" not in name), key=milliseconds.__getitem__)
    return {
        "bundle": path.name,
        "ms": milliseconds,
        "auto": chosen,
        "best": best,
        "ratio": max(milliseconds[name] for name in chosen) / milliseconds[best],
    }


def choose(path: Path) -> str:
    """What `auto` takes with nothing remembered."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        chosen = load_bundle(path, RuntimeOptions("cpu", threads=1))[0]
    return f"{chosen.engine.name} {_SHORT[chosen.graph.precision]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--networks", type=int, default=12)
    args = parser.parse_args()
    out = output_folder(RESULTS) / f"engines_{short_name()}.json"
    rows: list[dict[str, Any]] = []
    for path in make_bench(args.folder)[: args.networks]:
        rows.append(measure(path, args.rounds))
        near = sum(row["ratio"] <= WANTED for row in rows)
        found = {"machine": describe(), "threads": 1, "rounds": args.rounds, "networks": rows}
        write_json(out, {**found, "within_5_percent": near})
        print(path.name, {name: round(ms, 2) for name, ms in rows[-1]["ms"].items()}, flush=True)
        took = " or ".join(dict.fromkeys(rows[-1]["auto"]))
        print(f"  auto {took}, best {rows[-1]['best']}: {rows[-1]['ratio']:.3f}", flush=True)
    print(f"within 5 %: {near} of {len(rows)}; {out}")


if __name__ == "__main__":
    main()
