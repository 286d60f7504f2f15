"""Each of the further augmentations by itself against none of them: what it brings, and where.

    OMP_NUM_THREADS=1 python benchmarks/augmentations.py DATA [--seeds 1] [--variants NAME ...]

Trains ``bmis_edge`` at 96 x 96 for 6 epochs by the recipe ``default``, to which one augmentation is
added with a probability of 0.3. The validation images are scored as they are, in grey, inside a
black border of 10 % of each side, and at half their size on black. The test images are not used.
Writes ``results/augmentations/<data>.json`` after each training, and goes on from there when it is
stopped. ``results_pages.py`` makes the table of it. For data sets of two classes.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from numpy.typing import NDArray
from PIL import Image

import bmis
from bmis.data.cases import load_case
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results" / "augmentations"
NONE, ALL = "none of them", "all of them, 0.15 each"
PROBABILITY, SHARED = 0.3, 0.15
KINDS = ("border", "dark_corners", "grey", "zoom_out", "quarter_turns", "paste")
VARIANTS: Mapping[str, Mapping[str, float]] = {
    NONE: {},
    **{kind: {f"augmentation.{kind}": PROBABILITY} for kind in KINDS},
    ALL: {f"augmentation.{kind}": SHARED for kind in KINDS},
}
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def padded(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Pair:
    """Inside a black border, of 10 % of each side of what comes of it."""
    down, across = (round(side / 8) for side in labels.shape)
    room = ((down, down), (across, across))
    return np.pad(pixels, (*room, (0, 0))), np.pad(labels, room)


def grey(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Pair:
    """Without colours."""
    flat = np.asarray(Image.fromarray(pixels).convert("L"))
    return np.repeat(flat[..., None], 3, axis=2), labels


def halved(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Pair:
    """At half its size in the middle of a black canvas."""
    (down, up), (left, right) = ((side // 2, side - side // 2) for side in labels.shape)
    room = ((down, up), (left, right))
    return np.pad(pixels, (*room, (0, 0))), np.pad(labels, room)


CONDITIONS: Mapping[str, Callable[[NDArray[np.uint8], NDArray[np.uint8]], Pair]] = {
    "as they are": lambda pixels, labels: (pixels, labels),
    "10 % black border": padded,
    "grey": grey,
    "half size": halved,
}


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
    found: dict[str, dict[str, float]] = {name: {} for name in CONDITIONS}
    for case in dataset.split("val"):
        image, labels = load_case(case, dataset)
        for name, change in CONDITIONS.items():
            pixels, truth = change(image.pixels, labels)
            mask = predictor(pixels).labels > 0
            either = int((mask | (truth > 0)).sum())
            if either:
                found[name][case.id] = int((mask & (truth > 0)).sum()) / either
    return found


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
