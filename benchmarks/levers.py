"""Levers of training compared with the recipe without them: same network, images, split, seeds.

    python benchmarks/levers.py DATA --levers "twice the epochs" "inner supervision" [--seeds 3]
    python benchmarks/levers.py            # the table of what has been run so far

At 96 x 96 pixels unless the lever is about the size, so that many trainings fit into an hour of
two cores. Scored on the validation images, which may choose between levers; the test images stay
out of it. Writes ``results/levers/<data>.json`` after each training; trainings stopped at any
moment go on.
"""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from machine import describe

from bmis import TrainConfig, evaluate_model, paired_difference, train_model
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results" / "levers"
BASE = "default"


@dataclass(frozen=True)
class Lever:
    """A training, and the one that it differs from in one thing.

    Attributes:
        against: Name of the other one.
        teacher: A network and its epochs: trained first, on the same images, to be learnt from.
        changes: Of ``TrainConfig``.
    """

    against: str = BASE
    teacher: tuple[str, int] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


_SMALL = {"size": (96, 96), "epochs": 30}
_VESSELS = {"size": (224, 224), "epochs": 50}
SQUASHED = "squashed to 224 x 224"
LEVERS = {
    BASE: Lever(changes=_SMALL),
    "from dermoscopy": Lever(changes={**_SMALL, "init": "dermoscopy"}),
    "twice the epochs": Lever(changes={**_SMALL, "epochs": 60}),
    "inner supervision": Lever(changes={**_SMALL, "options": {"deep_supervision": True}}),
    "no dropout": Lever(changes={**_SMALL, "options": {"dropout": [0.0, 0.0]}}),
    "taught by bmis": Lever(teacher=("bmis", 30), changes=_SMALL),
    "taught by smp_unet": Lever(teacher=("smp_unet", 30), changes=_SMALL),
    SQUASHED: Lever(SQUASHED, changes={**_VESSELS, "epochs": 350}),  # as many passes: 7 crops each
    "crops at native scale": Lever(SQUASHED, changes={**_VESSELS, "resize": "native"}),
}


def train(data: Path, lever: str, seed: int, runs: Path) -> Path:
    """The run folder of a training, and of its teacher's before it."""
    said = LEVERS[lever]
    config = TrainConfig(data=str(data), seed=seed, split_seed=0)
    config = replace(config, **said.changes)
    folder = runs / data.name
    if said.teacher:
        model, epochs = said.teacher
        teacher = folder / f"{model}-seed0"
        train_model(replace(config, model=model, epochs=epochs, seed=0), out=teacher)
        config = replace(config, teacher=str(teacher))
    run = folder / f"{re.sub('[ ,]+', '-', lever)}-seed{seed}"
    return train_model(config, out=run).run


def values(data: Path, lever: str, seed: int, runs: Path) -> dict[str, float]:
    """IoU of each validation image."""
    found = evaluate_model(train(data, lever, seed, runs), split="val").values("iou")
    return {case: value for case, value in found.items() if value is not None}


def add(data: Path, lever: str, seed: int, runs: Path) -> None:
    """Run one training, unless its values are there."""
    target = output_folder(RESULTS) / f"{data.name}.json"
    done = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    done = {"values": {}, "machines": {}} | done
    seeds = done["values"].setdefault(lever, {})
    if str(seed) not in seeds:
        seeds[str(seed)] = values(data, lever, seed, runs)
        done["machines"].setdefault(lever, {})[str(seed)] = describe()
        write_json(target, done)


def render(name: str, done: dict[str, Any]) -> list[str]:
    """A row for each lever: means over the seeds that it and its other side have in common."""
    rows = []
    for lever, seeds in done["values"].items():
        against = LEVERS[lever].against
        other = done["values"][against]
        shared = sorted(set(seeds) & set(other))
        ours, theirs = (_means(group, shared) for group in (seeds, other))
        mean = sum(ours.values()) / len(ours)
        gain = "" if lever == against else _gain(ours, theirs)
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
    parser.add_argument("--levers", nargs="+", choices=LEVERS, default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/levers"))
    args = parser.parse_args()
    wanted = [side for lever in args.levers for side in (LEVERS[lever].against, lever)]
    for data, seed, lever in product(args.data, range(args.seeds), wanted):
        add(data, lever, seed, args.runs)
    print("| data | lever | seeds | validation IoU | minus the other side [95 %] |")
    print("|---|---|--:|--:|---|")
    for file in sorted(RESULTS.glob("*.json")):
        for row in render(file.stem, json.loads(file.read_text(encoding="utf-8"))):
            print(row)


if __name__ == "__main__":
    main()
