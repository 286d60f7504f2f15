"""What every network costs, measured one after another under the same rules.

    python benchmarks/costs.py [NAMES...] [--size 224] [--threads 2]

Writes ``results/costs_<machine>.json`` after each network (what is there is not measured again),
and from it ``docs/images/costs.svg``. The machine should do nothing else. The table is on the
speed page, which ``results_pages.py`` writes.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from machine import describe, short_name
from matplotlib.figure import Figure

from bmis import list_models, profile_model
from bmis.errors import BmisError
from bmis.models import find_method
from bmis.report.figures.scatter import label_points
from bmis.system.files import atomic, write_json

ROOT = Path(__file__).parents[1]
BATCH = 4  # of the training step: the largest networks take ten seconds an image
COLOURS = {"light": "#0072b2", "classic": "#d55e00", "transformer": "#009e73", "own": "#555555"}


def measure(name: str, size: int, device: str, threads: int | None) -> dict[str, Any]:
    """One network's costs, or why there are none."""
    facts = {"name": name, "group": find_method(name).group}
    try:
        profile = profile_model(
            name, size=size, batches=(1, BATCH), device=device, threads=threads, seconds=0.5
        )
    except BmisError as error:
        return {**facts, "failed": str(error)}
    one, many = profile.batches
    return {
        **facts,
        **{key: getattr(profile, key) for key in ("parameters", "macs", "weights_mb", "threads")},
        "latency_p50_ms": one.latency_p50_ms,
        "latency_p95_ms": one.latency_p95_ms,
        "inference_mb": one.inference_mb,
        "images_per_second": many.images_per_second,
        "step_ms": many.step_ms,
        "training_mb": many.training_mb,
    }


def draw(result: dict[str, Any], path: Path) -> None:
    """Time against parameters and against MACs, both logarithmic."""
    figure = Figure(figsize=(14, 9))
    axes = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.05, right=0.995, bottom=0.06, top=0.99, wspace=0.03)
    done = [cost for cost in result["costs"] if "failed" not in cost]
    for axis, key, label in zip(
        axes, ("parameters", "macs"), ("parameters", "MACs of one image"), strict=True
    ):
        for group, colour in COLOURS.items():
            chosen = [cost for cost in done if cost["group"] == group]
            x = [cost[key] for cost in chosen]
            y = [cost["latency_p50_ms"] for cost in chosen]
            if chosen:
                axis.scatter(x, y, color=colour, label=group, s=22)
        axis.set(xscale="log", yscale="log", xlabel=label)
        axis.margins(0.09)
        axis.grid(alpha=0.25, which="both", linewidth=0.5)
        names = [cost["name"] for cost in done]
        points = [(cost[key], cost["latency_p50_ms"]) for cost in done]
        label_points(axis, names, points, [names.index("bmis")] if "bmis" in names else [], 7)
    axes[0].set_ylabel("one image, milliseconds")
    axes[0].legend(loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="networks; all of them by default")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = f"costs_{short_name()}.json"
    file = ROOT / "benchmarks" / "results" / name
    known = json.loads(file.read_text(encoding="utf-8"))["costs"] if file.exists() else []
    costs = {cost["name"]: cost for cost in known}
    threads = args.threads or torch.get_num_threads()
    for model in args.names or list_models():
        if model not in costs or args.names:
            costs[model] = measure(model, args.size, device, threads)
            print(costs[model], flush=True)
            result = {"size": args.size, "threads": threads, "file": name, "machine": describe()}
            write_json(file, {**result, "costs": [costs[key] for key in sorted(costs)]})
    result = json.loads(file.read_text(encoding="utf-8"))
    draw(result, ROOT / "docs" / "images" / "costs.svg")


if __name__ == "__main__":
    main()
