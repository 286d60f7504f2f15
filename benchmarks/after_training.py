"""What flips bring to a network without another training.

    python benchmarks/after_training.py DATA RUN

Writes the IoU of each validation image into ``results/after_training.json``; the test images are
not used. ``results_pages.py`` makes a row of it in ``docs/how-to/train.md``.
"""

import argparse
import tempfile
from pathlib import Path

from machine import describe
from pages.records import RESULTS

from bmis import evaluate_model
from bmis.system.files import write_json


def values(run: Path, data: Path, **rules: str) -> dict[str, float]:
    """IoU of each validation image."""
    with tempfile.TemporaryDirectory() as out:
        scores = evaluate_model(run, data=data, split="val", out=out, postprocessing=rules)
    return {case: value for case, value in scores.values("iou").items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    args = parser.parse_args()
    found = {
        "as trained": values(args.run, args.data),
        "flips": values(args.run, args.data, flips="both"),
    }
    target = RESULTS / "after_training.json"
    write_json(target, {"data": args.data.name, "values": found, "machine": describe()})


if __name__ == "__main__":
    main()
