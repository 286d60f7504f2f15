"""Levers of training compared with the default recipe: same network, images, split and seeds.

    python benchmarks/levers.py DATA [--seeds 3] [--runs RUNS]
    python benchmarks/levers.py            # the table of what has been run so far

At 96 x 96 pixels, so that many trainings fit into an hour of two cores. Scored on the validation
images, which may choose between levers; the test images stay out of it. Writes
``results/levers/<data>.json`` after each training; trainings stopped at any moment go on.
"""

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from machine import describe

from bmis import TrainConfig, evaluate_model, paired_difference, train_model
from bmis.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results" / "levers"
SIDE, EPOCHS = 96, 30


@dataclass(frozen=True)
class Lever:
    """A training that differs from the default in one thing.

    Attributes:
        epochs: Passes over the training images.
        init: Weights to start from.
    """

    epochs: int = EPOCHS
    init: str | None = None


LEVERS = {
    "default": Lever(),
    "from dermoscopy": Lever(init="dermoscopy"),
    "twice the epochs": Lever(epochs=2 * EPOCHS),
}


def values(data: Path, lever: str, seed: int, runs: Path) -> dict[str, float]:
    """IoU of each validation image."""
    config = TrainConfig(data=str(data), size=(SIDE, SIDE), seed=seed, split_seed=0)
    config = replace(config, **asdict(LEVERS[lever]))
    run = runs / data.name / f"{lever.replace(' ', '-')}-seed{seed}"
    train_model(config, out=run)
    found = evaluate_model(run, split="val").values("iou")
    return {case: value for case, value in found.items() if value is not None}


def add(data: Path, lever: str, seed: int, runs: Path) -> None:
    """Run one training, unless its values are there."""
    target = output_folder(RESULTS) / f"{data.name}.json"
    done = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {"values": {}}
    seeds = done["values"].setdefault(lever, {})
    if str(seed) not in seeds:
        seeds[str(seed)] = values(data, lever, seed, runs)
        write_json(target, {**done, "machine": describe()})


def render(name: str, done: dict[str, Any]) -> list[str]:
    """A row for each lever: means over the seeds that it and the default have in common."""
    rows = []
    for lever, seeds in done["values"].items():
        shared = sorted(set(seeds) & set(done["values"]["default"]))
        ours, theirs = (_means(group, shared) for group in (seeds, done["values"]["default"]))
        mean = sum(ours.values()) / len(ours)
        gain = "" if lever == "default" else _gain(ours, theirs)
        rows.append(f"| {name} | {lever} | {len(shared)} | {mean:.3f} | {gain} |")
    return rows


def _means(group: dict[str, dict[str, float]], seeds: list[str]) -> dict[str, float]:
    """Of each image, over the seeds; images that have no IoU in one of them are left out."""
    images = set.intersection(*(set(group[seed]) for seed in seeds))
    return {case: sum(group[seed][case] for seed in seeds) / len(seeds) for case in images}


def _gain(ours: dict[str, float], theirs: dict[str, float]) -> str:
    found = paired_difference(ours, theirs)
    low, high = found.ci95 or (float("nan"),) * 2
    return f"{found.mean:+.3f} [{low:+.3f}, {high:+.3f}], p {found.p:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/levers"))
    args = parser.parse_args()
    for data in args.data:
        for seed in range(args.seeds):
            for lever in LEVERS:
                add(data, lever, seed, args.runs)
    print("| data | lever | seeds | validation IoU | minus default [95 %] |")
    print("|---|---|--:|--:|---|")
    for file in sorted(RESULTS.glob("*.json")):
        for row in render(file.stem, json.loads(file.read_text(encoding="utf-8"))):
            print(row)


if __name__ == "__main__":
    main()
