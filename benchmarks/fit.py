"""How well the networks that come with the package fit the images that they were trained on.

    python benchmarks/fit.py DATA [--only nuclei ...]

Their bundles are scored on the training and the validation images, at the images' own size; the
scores of the test images are those on record. Where training images score no better than others,
more of them will not help much. Writes ``results/fit.json``.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from five_modalities import RESULTS, command_line, described, record_of
from machine import describe

from bmis import evaluate_model
from bmis.system.files import write_json

TARGET = RESULTS.parent / "fit.json"
LOST = 0.1  # Dice below which next to nothing was found


def summarise(ious: list[float], dices: list[float]) -> dict[str, float]:
    """Means, the median Dice, and the share of images in which next to nothing was found."""
    return {
        "images": len(dices),
        "iou": float(np.mean(ious)),
        "dice": float(np.mean(dices)),
        "median_dice": float(np.median(dices)),
        "lost": float(np.mean(np.array(dices) < LOST)),
    }


def scored(name: str, data: Path, split: str) -> dict[str, float]:
    """The scores of a shipped bundle on one split."""
    with tempfile.TemporaryDirectory() as folder:
        found = evaluate_model(name, data=data, split=split, out=folder)
    return summarise(*(defined(found.values(metric)) for metric in ("iou", "dice")))


def on_record(name: str) -> dict[str, float]:
    """The scores of the test images, from the records of ``five_modalities.py``."""
    record = record_of(name)
    return summarise(*(defined(record.values(metric)) for metric in ("iou", "dice")))


def defined(values: dict[str, float | None]) -> list[float]:
    """The values that are not None."""
    return [value for value in values.values() if value is not None]


def main() -> None:
    args = command_line(__doc__).parse_args()
    done: dict[str, Any] = json.loads(TARGET.read_text("utf-8")) if TARGET.is_file() else {}
    for name in args.only:
        data = described(name, args.data, args.runs)
        done[name] = {split: scored(name, data, split) for split in ("train", "val")}
        done[name]["test"] = on_record(name)
        for split, values in done[name].items():
            print(name, split, {key: round(value, 3) for key, value in values.items()}, flush=True)
        done[name]["machine"] = describe()
        write_json(TARGET, done)


if __name__ == "__main__":
    main()
