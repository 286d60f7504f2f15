"""Two recipes on real images: same network, images, split, seed and number of epochs.

    python benchmarks/recipes.py DATA... --epochs 30 --runs RUNS

Trains ``default`` and ``paper`` on every dataset folder, unless they are trained already. Scores
the best validation epoch on the test split at the images' own size, compares the two image by
image, and writes ``results/recipes_<data>_<epochs>.json``.
"""

import argparse
import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import describe

from bmis import TrainConfig, evaluate_model, paired_difference, train_model
from bmis.system.files import write_json

RESULTS = Path(__file__).parent / "results"
RECIPES = ("default", "paper")


def run(data: Path, recipe: str, epochs: int, runs: Path, seed: int) -> dict[str, Any]:
    """One recipe on one data set: scores, time, and the values of each image."""
    folder = runs / f"{data.name}-bmis-{recipe}-{epochs}ep-seed{seed}"
    config = TrainConfig(data=str(data), recipe=recipe, epochs=epochs, seed=seed)
    done = train_model(config, out=folder)
    scores = evaluate_model(folder)
    with (folder / "log.csv").open(encoding="utf-8") as stream:
        seconds = [float(row["seconds"]) for row in csv.DictReader(stream)]
    return {
        "recipe": recipe,
        "best_epoch": done.best_epoch,
        "validation_iou": done.val_iou,
        "seconds": sum(seconds),
        "fastest_epoch_seconds": min(seconds),
        "images": len(scores.cases),
        "summary": scores.summary,
        "values": {name: scores.values(name) for name in ("iou", "dice")},
    }


def compare(data: Path, epochs: int, runs: Path, seed: int) -> dict[str, Any]:
    """Both recipes on one data set, and their paired difference."""
    results = {recipe: run(data, recipe, epochs, runs, seed) for recipe in RECIPES}
    values = {recipe: result.pop("values") for recipe, result in results.items()}
    return {
        "data": data.name,
        "epochs": epochs,
        "seed": seed,
        "size": 224,
        "recipes": results,
        "default_minus_paper": {
            name: asdict(paired_difference(values["default"][name], values["paper"][name]))
            for name in ("iou", "dice")
        },
        "machine": describe(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for data in args.data:
        result = compare(data, args.epochs, args.runs, args.seed)
        write_json(RESULTS / f"recipes_{data.name}_{args.epochs}.json", result)
        for name, gain in result["default_minus_paper"].items():
            print(f"{data.name}: default - paper, {name}: {gain}")


if __name__ == "__main__":
    main()
