"""Each of the further augmentations by itself against none of them: what it brings, and where.

    OMP_NUM_THREADS=1 python benchmarks/augmentations.py DATA [--seeds 1] [--variants NAME ...]

Trains ``bmis_edge`` at 96 x 96 for 6 epochs by the recipe ``default``, to which one augmentation is
added with a probability of 0.3. The validation images are scored as they are, inside a black
border, in grey, and at half their size on black. The test images are not used.
Writes ``results/augmentations/<data>.json`` after each training, and goes on from there when it is
stopped. ``results_pages.py`` makes the table of it. For data sets of two classes.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

import bmis
from bmis.data.cases import load_case
from bmis.evaluate.perturbations import PERTURBATIONS, Sample
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results" / "augmentations"
NONE, ALL = "none of them", "all of them, 0.15 each"
PERTURBED, HALVED = ("black border, 10 %, all sides", "grey"), "half size on black"
PROBABILITY, SHARED = 0.3, 0.15
KINDS = ("border", "dark_corners", "grey", "zoom_out", "quarter_turns", "paste")
VARIANTS: Mapping[str, Mapping[str, float]] = {
    NONE: {},
    **{kind: {f"augmentation.{kind}": PROBABILITY} for kind in KINDS},
    ALL: {f"augmentation.{kind}": SHARED for kind in KINDS},
}


def halved(sample: Sample) -> Sample:
    """At half its size in the middle of a black canvas twice as large, as ``zoom_out`` draws it."""
    around = [(side // 2, side - side // 2) for side in sample.labels.shape]
    return Sample(np.pad(sample.pixels, (*around, (0, 0))), np.pad(sample.labels, around))


def conditions(sample: Sample, case: str) -> Iterator[tuple[str, Sample]]:
    """A validation image as it is, and as it may come."""
    yield "as they are", sample
    for one in PERTURBATIONS:
        if one.name in PERTURBED:
            yield one.name, one(sample, case)
    yield HALVED, halved(sample)


def train(data: Path, variant: str, seed: int, runs: Path) -> Path:
    """Train a variant; the run folder."""
    config = bmis.TrainConfig(
        str(data),
        model="bmis_edge",
        size=(96, 96),
        epochs=6,
        seed=seed,
        split_seed=0,
        changes=dict(VARIANTS[variant]),
    )
    name = "".join(letter if letter.isalnum() else "-" for letter in variant)
    return bmis.train_model(config, out=runs / data.name / f"{name}-seed{seed}").run


def scores(data: Path, run: Path) -> dict[str, dict[str, float]]:
    """IoU of each validation image in each condition."""
    dataset, predictor = bmis.open_dataset(data), bmis.load(run)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for case in dataset.split("val"):
        image, labels = load_case(case, dataset)
        for name, sample in conditions(Sample(image.pixels, labels), case.id):
            mask, truth = predictor(sample.pixels).labels > 0, sample.labels > 0
            if either := int((mask | truth).sum()):
                found[name][case.id] = int((mask & truth).sum()) / either
    return dict(found)


def add(data: Path, variant: str, seed: int, runs: Path) -> None:
    """Run one training, unless its values are in the file."""
    target = output_folder(RESULTS) / f"{data.name}.json"
    done: dict[str, Any] = {"values": {}, "machines": {}}
    if target.is_file():
        done = json.loads(target.read_text(encoding="utf-8"))
    seeds = done["values"].setdefault(variant, {})
    if str(seed) not in seeds:
        seeds[str(seed)] = scores(data, train(data, variant, seed, runs))
        done["machines"].setdefault(variant, {})[str(seed)] = describe()
        write_json(target, done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/augmentations"))
    args = parser.parse_args()
    for seed, variant in product(range(args.seeds), args.variants):
        add(args.data, variant, seed, args.runs)


if __name__ == "__main__":
    main()
