"""Training steps with and without ``learn_by_products``, in turns: what it brings each network.

    python benchmarks/products.py [--methods bmis unet] [--batch 4] [--rounds 5]

Float32, 224 x 224: forward, cross-entropy, backward, AdamW. Only on processors with AVX2 and no
wider vectors do the two differ. Writes ``results/products_<machine>.json``.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import describe, short_name

from bmis.files import output_folder, write_json
from bmis.launch import keep_freed_memory
from bmis.models import build_model
from bmis.models.gradients import learn_by_products
from bmis.timing import training

RESULTS = Path(__file__).parent / "results"
SIZE = (224, 224)


def make_step(name: str, batch: int, *, products: bool) -> Callable[[], object]:
    model = build_model(name).to(memory_format=torch.channels_last)
    if products:
        learn_by_products(model)
    return training(model, batch, SIZE)


def compare(name: str, batch: int, rounds: int) -> dict[str, Any]:
    """Seconds of each counted step of both ways, which take turns."""
    ways = {
        way: make_step(name, batch, products=way == "products") for way in ("torch", "products")
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, step in ways.items():
            start = time.perf_counter()
            step()
            if number:  # the first one allocates
                seconds[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    times = medians["torch"] / medians["products"]
    print(f"{name}: {medians['torch']:.2f} s, by products {medians['products']:.2f} s: {times:.2f}")
    return {"seconds": seconds, "medians": medians, "times_as_quick": times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", nargs="+", default=["bmis", "smp_unet", "cmunext", "unet"])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    keep_freed_memory()
    found = {name: compare(name, args.batch, args.rounds) for name in args.methods}
    out = output_folder(RESULTS) / f"products_{short_name()}.json"
    write_json(out, {"batch": args.batch, "methods": found, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
