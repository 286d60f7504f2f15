"""What can be had without another training: flips and the mean of two networks, on validation images.

    python benchmarks/after_training.py DATA RUN RUN

The runs are trainings of one network with two seeds. Writes IoU image by image into
``results/after_training.json``; the test images are not used. ``results_pages.py`` makes a table of
it in ``docs/how-to/train.md``.
"""

import argparse
import tempfile
from pathlib import Path

from machine import describe
from pages.records import RESULTS

from bmis import evaluate_model
from bmis.system.files import write_json


def values(runs: list[Path], data: Path, **rules: str) -> dict[str, float]:
    """IoU of each validation image by the mean of some networks."""
    with tempfile.TemporaryDirectory() as out:
        models = [str(run) for run in runs]
        scores = evaluate_model(models, data=data, split="val", out=out, postprocessing=rules)
    return {case: value for case, value in scores.values("iou").items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", nargs=2, type=Path)
    args = parser.parse_args()
    first, data = args.runs[:1], args.data
    found = {
        "one network": values(first, data),
        "flips": values(first, data, flips="both"),
        "two networks": values(args.runs, data),
    }
    target = RESULTS / "after_training.json"
    write_json(target, {"data": data.name, "values": found, "machine": describe()})


if __name__ == "__main__":
    main()
