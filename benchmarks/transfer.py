"""A start from a network in the package against a start from ImageNet, on few images.

    python benchmarks/transfer.py DATA/kvasir [--init dermoscopy] [--runs RUNS]

``bmis_edge``, 20, 50 and 200 images of another data set, 400 steps each; the mean IoU of all
validation images at their own size. Writes ``results/transfer.json`` after each training and goes
on from there.
"""

import argparse
import json
from pathlib import Path

from machine import describe

from bmis import TrainConfig, evaluate_model, open_dataset, train_model
from bmis.system.files import output_folder, write_json, write_text

RESULTS = Path(__file__).parent / "results" / "transfer.json"
IMAGES = (20, 50, 200)
STEPS, BATCH = 400, 8


def keep_some(data: Path, images: int, folder: Path) -> Path:
    """A division in which so many training images are left, spread over all of them."""
    cases = open_dataset(data).cases
    training = [case.id for case in cases if case.split == "train"]
    kept = {training[index * len(training) // images] for index in range(images)}
    lines = [
        f"{case.id},{case.split if case.split != 'train' or case.id in kept else ''}"
        for case in cases
    ]
    file = output_folder(folder) / f"{images}.csv"
    write_text(file, "\n".join(["id,split", *lines]) + "\n")
    return file


def values(data: Path, init: str | None, images: int, runs: Path) -> dict[str, float]:
    """IoU of each validation image."""
    config = TrainConfig(
        str(data),
        model="bmis_edge",
        epochs=round(STEPS * BATCH / images),
        fold=str(keep_some(data, images, runs)),
        init=init,
    )
    run = train_model(config, out=runs / f"{data.name}-{images}-{init or 'imagenet'}").run
    found = evaluate_model(run, split="val").values("iou")
    return {case: value for case, value in found.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--init", default="dermoscopy")
    parser.add_argument("--runs", type=Path, default=Path("runs/transfer"))
    args = parser.parse_args()
    done = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    of_data = done.setdefault(args.data.name, {})
    for images in IMAGES:
        for init in (None, args.init):
            starts = of_data.setdefault(str(images), {})
            if (init or "imagenet") not in starts:
                found = values(args.data, init, images, args.runs)
                starts[init or "imagenet"] = {"iou": found, "machine": describe()}
                write_json(RESULTS, done)
                print(images, init, sum(found.values()) / len(found), flush=True)


if __name__ == "__main__":
    main()
