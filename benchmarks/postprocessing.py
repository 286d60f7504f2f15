"""What each kind of post-processing costs on a photograph of 1024 x 1024 pixels.

    python benchmarks/postprocessing.py PHOTO [--network colonoscopy-bmis]

From the photograph in memory to its mask, one thread, all kinds in turns. Times are those of the
processor, so that other work on the machine does not count. Writes
``results/postprocessing_<machine>.json``.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name
from PIL import Image as Pillow

from bmis import Predictor, load_runtime, read_image
from bmis.config import PostProcessing, RuntimeOptions
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
SIDE, ROUNDS = 1024, 30
KINDS = {
    "nothing": PostProcessing(),
    "threshold": PostProcessing(threshold=0.4),
    "largest piece": PostProcessing(largest_piece=True),
    "smallest size": PostProcessing(smallest_size=0.002),
    "holes": PostProcessing(fill_holes=True),
    "all of these": PostProcessing(0.4, largest_piece=True, smallest_size=0.002, fill_holes=True),
    "horizontal flip": PostProcessing(flips="horizontal"),
    "both flips": PostProcessing(flips="both"),
}


def measure(network: str, photo: Path) -> dict[str, Any]:
    options = RuntimeOptions(engine="onnxruntime", threads=1)
    runtime, info = load_runtime(network, options)
    picture = Pillow.fromarray(read_image(photo, channels=3).pixels)
    pixels = np.asarray(picture.resize((SIDE, SIDE), Pillow.Resampling.BILINEAR))
    predictors = {
        name: Predictor(runtime, replace(info, postprocessing=rules))
        for name, rules in KINDS.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in KINDS}
    for number in range(ROUNDS + 1):
        for name, predictor in predictors.items():
            start = time.process_time()
            predictor(pixels)
            if number:  # the first one allocates
                seconds[name].append(time.process_time() - start)
    return {
        "network": network,
        "side": SIDE,
        "rounds": ROUNDS,
        "ms": {name: 1e3 * statistics.median(each) for name, each in seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--network", default="colonoscopy-bmis")
    args = parser.parse_args()
    found = measure(args.network, args.photo)
    print(found)
    out = output_folder(RESULTS) / f"postprocessing_{short_name()}.json"
    write_json(out, {**found, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
