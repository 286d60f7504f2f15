"""Whether the trained networks would score higher with another threshold than one half.

    python benchmarks/thresholds.py DATA [--only nuclei ...] [--runs RUNS]

The networks of five_modalities.py on their validation images, at the images' own size: mean IoU
where a pixel counts as marked from a probability of 0.3, 0.4, ... on. The test images stay out of
it. Writes ``results/thresholds.json``.
"""

import json
from pathlib import Path

import numpy as np
from five_modalities import RESULTS, command_line, described, run_folder
from machine import describe
from numpy.typing import NDArray

from bmis import load, open_dataset, paired_difference
from bmis.data.cases import load_case
from bmis.system.files import write_json

TARGET = RESULTS.parent / "thresholds.json"
LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7)


def overlap(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """IoU; 1 where nothing was to be found and nothing was."""
    union = np.count_nonzero(ours | theirs)
    return np.count_nonzero(ours & theirs) / union if union else 1.0


def values(data: Path, run: Path) -> dict[float, dict[str, float]]:
    """IoU of each validation image at each level."""
    dataset, predictor = open_dataset(data), load(run, probabilities=True)
    found: dict[float, dict[str, float]] = {level: {} for level in LEVELS}
    for case in dataset.split("val"):
        image, truth = load_case(case, dataset)
        probabilities = predictor(image).probabilities
        assert probabilities is not None
        for level in LEVELS:
            found[level][case.id] = overlap(probabilities[1] > level, truth > 0)
    return found


def compared(found: dict[float, dict[str, float]]) -> dict[str, object]:
    """Mean IoU at each level, and the gain of the best level over one half, image by image."""
    means = {level: float(np.mean(list(each.values()))) for level, each in found.items()}
    best = max(means, key=lambda level: means[level])
    gain = paired_difference(found[best], found[0.5])
    return {
        "images": len(found[best]),
        "iou": {str(level): mean for level, mean in means.items()},
        "best": best,
        "gain": gain.mean,
        "ci95": gain.ci95,
        "p": gain.p,
        "agrees": gain.agrees,
    }


def main() -> None:
    args = command_line(__doc__).parse_args()
    done = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else {}
    for name in args.only:
        data = described(name, args.data, args.runs)
        found = compared(values(data, run_folder(name, args.runs)))
        print(name, found, flush=True)
        done[name] = {**found, "machine": describe()}
        write_json(TARGET, done)


if __name__ == "__main__":
    main()
