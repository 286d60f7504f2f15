"""A start from a network in the package against a start from ImageNet, on few images.

    python benchmarks/few_images.py DATA [--runs RUNS]

``bmis_edge`` on 20, 50 and 200 training images of Kvasir-SEG, from ``dermoscopy`` or from ImageNet
alone, and of BUSI, from ``chest-xray`` or ImageNet: 1,600 passes each, 224 x 224, recipe
``default``, seed 0. The best epoch is chosen by 24 validation images; the test images are scored
once, at their own size. Writes ``results/few_images.json`` after each training and goes on from
there.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from five_modalities import MODALITIES, described
from machine import describe

from bmis import TrainConfig, evaluate_model, open_dataset, train_model
from bmis.data.cases import Case
from bmis.system.files import output_folder, write_json, write_text

FILE = Path(__file__).parent / "results" / "few_images.json"
STARTS = {"colonoscopy": "dermoscopy", "breast-ultrasound": "chest-xray"}
IMAGES = (20, 50, 200)
VALIDATION, PASSES = 24, 1600


def spread(cases: Sequence[Case], count: int) -> set[str]:
    """The ids of so many cases, evenly over all of them."""
    return {cases[index * len(cases) // count].id for index in range(count)}


def keep_some(data: Path, images: int, folder: Path) -> Path:
    """A division with so many training images, few validation images and all test images."""
    dataset = open_dataset(data)
    kept = (
        spread(dataset.split("train"), images)
        | spread(dataset.split("val"), VALIDATION)
        | {case.id for case in dataset.split("test")}
    )
    lines = [f"{case.id},{case.split if case.id in kept else ''}" for case in dataset.cases]
    file = output_folder(folder) / f"{data.name}-{images}.csv"
    write_text(file, "\n".join(["id,split", *lines]) + "\n")
    return file


def train(name: str, root: Path, runs: Path, images: int, init: str | None) -> dict[str, float]:
    """Train from one start; IoU of each test image."""
    data = described(name, root, runs)
    config = TrainConfig(
        str(data),
        model="bmis_edge",
        epochs=PASSES // images,
        fold=str(keep_some(data, images, runs)),
        init=init,
    )
    run = train_model(config, out=runs / f"{name}-{images}-{init or 'imagenet'}", page=False).run
    found = evaluate_model(run).values("iou")
    return {case: value for case, value in found.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/few_images"))
    args = parser.parse_args()
    done = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    for name, images in product(STARTS, IMAGES):
        starts = done.setdefault(name, {}).setdefault(str(images), {})
        for init in (None, STARTS[name]):
            key = init or "imagenet"
            if key not in starts:
                found = train(name, args.data, args.runs, images, init)
                starts[key] = {"iou": found, "machine": describe()}
                write_json(FILE, done)
                data = MODALITIES[name].data
                print(data, images, key, round(sum(found.values()) / len(found), 3), flush=True)


if __name__ == "__main__":
    main()
