"""BMIS on a fold of its authors' cross-validation: by their protocol, and by an honest one.

    python benchmarks/authors_fold.py DATA [--fold 1] [--recipe default] [--epochs 250]

DATA is ISIC 2018 with ``folds/fold<K>.csv``. "honest": the best epoch is chosen by the fold's
validation images, and the test images are scored once. "published": as in the authors' code, the
test images choose the epoch themselves. Both trainings see the same images in the same order, and
go on where they were stopped. Writes ``results/authors_fold/<recipe>-fold<K>-<epochs>.json``.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import describe

from bmis import TrainConfig, evaluate_model, paired_difference, train_model
from bmis.data.tables import read_table
from bmis.system.files import output_folder, write_json, write_text

RESULTS = Path(__file__).parent / "results" / "authors_fold"
TEST = {"honest": "test", "published": "val"}  # the split that holds the fold's test images


def swap_test_and_val(fold: Path, target: Path) -> Path:
    """Write the fold with test and validation exchanged, so that the test images choose."""
    swap = {"train": "train", "test": "val", "val": "test"}
    rows = [f"{case},{swap[row.split or 'train']}" for case, row in read_table(fold).items()]
    write_text(target, "\n".join(["id,split", *rows, ""]))
    return target


def score(run: Path, protocol: str) -> tuple[dict[str, Any], dict[str, float]]:
    """The scores of a run, and the IoU of each test image."""
    scores = evaluate_model(run, split=TEST[protocol])
    found = {case: value for case, value in scores.values("iou").items() if value is not None}
    cases = scores.summary["cases"]
    return {metric: cases[metric] for metric in ("iou", "dice")}, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--runs", type=Path, default=Path("runs/authors_fold"))
    args = parser.parse_args()
    name = f"{args.recipe}-fold{args.fold}-{args.epochs}"
    fold = (args.data / "folds" / f"fold{args.fold}.csv").resolve()
    files = {
        "honest": fold,
        "published": swap_test_and_val(
            fold, output_folder(args.runs) / f"{fold.stem}-test-chooses.csv"
        ),
    }
    result: dict[str, Any] = {}
    values: dict[str, dict[str, float]] = {}
    for protocol, file in files.items():
        config = TrainConfig(
            data=str(args.data), recipe=args.recipe, epochs=args.epochs, fold=str(file)
        )
        done = train_model(config, out=args.runs / f"{name}-{protocol}")
        found, values[protocol] = score(done.run, protocol)
        result[protocol] = {"best_epoch": done.best_epoch, **found}
        print(f"{name}, {protocol}: {result[protocol]}", flush=True)
    gain = paired_difference(values["published"], values["honest"])
    result["published minus honest, IoU"] = asdict(gain)
    write_json(output_folder(RESULTS) / f"{name}.json", {**result, "machine": describe()})
    odd = "" if gain.agrees else " of the ranks, which disagree with the mean"
    print(f"published - honest: {gain.mean:+.4f} {gain.ci95}, p {gain.p:.2g}{odd}")


if __name__ == "__main__":
    main()
