"""Variants of the training, each against the recipe without it: same images, split and seeds.

    python benchmarks/training_ablations.py DATA --variants "twice the epochs" [--seeds 3]

Variants of ``bmis`` are trained at 96 x 96 pixels unless they are about the size, so that many
trainings fit into an hour of two cores. Those of ``bmis_edge`` are trained at 224 x 224. They are
scored on the validation images, which may choose between variants; the test images are not used.
Writes ``results/training_ablations/<data>.json`` after each training, and
goes on from there when it is stopped. ``results_pages.py`` makes the table of them.
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

from bmis import TrainConfig, evaluate_model, open_dataset, train_model
from bmis.system.files import output_folder, write_json, write_text

RESULTS = Path(__file__).parent / "results" / "training_ablations"
BASE = "default"


@dataclass(frozen=True)
class Variant:
    """A training, and the one that it differs from in one thing.

    Attributes:
        against: Name of the training that it is compared with.
        teacher: A network and its epochs; it is trained first, on the same images.
        masks: Share of the training images that keep their masks; the others are left out.
        unlabelled: Whether those are learnt from without masks.
        changes: Settings of ``TrainConfig``.
    """

    against: str = BASE
    teacher: tuple[str, int] | None = None
    masks: float = 1.0
    unlabelled: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


_SMALL = {"size": (96, 96), "epochs": 30}
_VESSELS = {"size": (224, 224), "epochs": 50}
TENTH = "a tenth of the masks"
_TENTH = {"model": "bmis_edge", "size": (96, 96), "epochs": 60}
SQUASHED = "squashed to 224 x 224"
EDGE = "bmis_edge"


def _edge(model: str = EDGE, **options: Any) -> Variant:
    """A variant of ``bmis_edge``, whose parts are options, or another network trained as it is."""
    changes = {"model": model, "size": (224, 224), "epochs": 20, "options": options}
    return Variant(EDGE, changes=changes)


VARIANTS = {
    BASE: Variant(changes=_SMALL),
    "from dermoscopy": Variant(changes={**_SMALL, "init": "dermoscopy-bmis"}),
    "twice the epochs": Variant(changes={**_SMALL, "epochs": 60}),
    "deep supervision": Variant(changes={**_SMALL, "options": {"deep_supervision": True}}),
    "no dropout": Variant(changes={**_SMALL, "options": {"dropout": [0.0, 0.0]}}),
    "taught by bmis": Variant(teacher=("bmis", 30), changes=_SMALL),
    "taught by smp_unet": Variant(teacher=("smp_unet", 30), changes=_SMALL),
    "maps of smp_unet": Variant(
        teacher=("smp_unet", 30), changes={**_SMALL, "changes": {"distillation.features": 1.0}}
    ),
    TENTH: Variant(TENTH, masks=0.1, changes=_TENTH),
    "and the others without": Variant(TENTH, masks=0.1, unlabelled=True, changes=_TENTH),
    SQUASHED: Variant(
        SQUASHED, changes={**_VESSELS, "epochs": 350}
    ),  # as many passes: 7 crops each
    "crops at native scale": Variant(SQUASHED, changes={**_VESSELS, "resize": "native"}),
    EDGE: _edge(),
    "`bmis_edge_s`": _edge("bmis_edge_s"),
    "`bmis` for as long": _edge("bmis"),
    "untrained trunk": _edge(weights="none"),
    "cut after stage 4": _edge(stages=4),
    "32 channels": _edge(width=32),
    "depthwise decoder": _edge(depthwise=True),
    "a step at 1/2": _edge(finest=2),
    "dilated blocks at 1/16": _edge(context="dilated"),
    "attention at 1/16": _edge(context="attention"),
    "deep supervision at 1/16": _edge(deep_supervision=True),
}


def train(data: Path, variant: str, seed: int, runs: Path) -> Path:
    """Train a variant, after its teacher if it has one; the run folder."""
    chosen = VARIANTS[variant]
    config = TrainConfig(data=str(data), seed=seed, split_seed=0)
    config = replace(config, **chosen.changes)
    folder = runs / data.name
    if chosen.masks < 1:
        config = replace(config, fold=str(keep_masks(data, chosen.masks, folder)))
    if chosen.unlabelled:
        config = replace(config, unlabelled=str(data / "images"))
    if chosen.teacher:
        model, epochs = chosen.teacher
        teacher = folder / f"{model}-seed0"
        taught_by = replace(config, model=model, epochs=epochs, seed=0, changes={})
        train_model(taught_by, out=teacher)
        config = replace(config, teacher=str(teacher))
    run = folder / f"{re.sub('[ ,/`]+', '-', variant)}-seed{seed}"
    return train_model(config, out=run).run


def keep_masks(data: Path, share: float, folder: Path) -> Path:
    """A division of the data set in which every so many of the training images are left."""
    every, number, lines = round(1 / share), 0, ["id,split"]
    for case in open_dataset(data).cases:
        number += case.split == "train"
        kept = case.split != "train" or number % every == 0
        lines.append(f"{case.id},{case.split if kept else ''}")
    file = output_folder(folder) / f"masks-{share}.csv"
    write_text(file, "\n".join(lines) + "\n")
    return file


def values(data: Path, variant: str, seed: int, runs: Path) -> dict[str, float]:
    """IoU of each validation image."""
    found = evaluate_model(train(data, variant, seed, runs), split="val").values("iou")
    return {case: value for case, value in found.items() if value is not None}


def add(data: Path, variant: str, seed: int, runs: Path) -> None:
    """Run one training, unless its values are in the file."""
    target = output_folder(RESULTS) / f"{data.name}.json"
    done = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    done = {"values": {}, "machines": {}} | done
    seeds = done["values"].setdefault(variant, {})
    if str(seed) not in seeds:
        seeds[str(seed)] = values(data, variant, seed, runs)
        done["machines"].setdefault(variant, {})[str(seed)] = describe()
        write_json(target, done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/training_ablations"))
    args = parser.parse_args()
    wanted = [name for one in args.variants for name in (VARIANTS[one].against, one)]
    for data, seed, variant in product(args.data, range(args.seeds), wanted):
        add(data, variant, seed, args.runs)


if __name__ == "__main__":
    main()
