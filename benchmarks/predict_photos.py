"""``bmis predict`` over large photographs, end to end, against the network's own time.

    python benchmarks/predict_photos.py [--images 60] [--side 1024]

Drawn endoscopy images as JPEG, by ``colonoscopy`` and ``colonoscopy-bmis``; one core and two, each
in a process that is pinned to them. Reading, inference and writing overlap where there are cores.
Writes milliseconds an image into ``results/predict_photos_<machine>.json``: the whole way, the
network alone, and reading one file alone. The machine should do nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe, short_name
from PIL import Image

from bmis import load
from bmis.data.image_files import find_images
from bmis.data.images import read_image
from bmis.data.phantoms.write import draw_phantom
from bmis.predict.folder import write_masks
from bmis.system.files import write_json
from bmis.system.stopwatch import time_calls

RESULTS = Path(__file__).parent / "results"
NETWORKS = ("colonoscopy", "colonoscopy-bmis")


def draw(folder: Path, count: int, side: int) -> None:
    """So many photographs."""
    for seed in range(count):
        pixels, _ = draw_phantom("endoscopy", seed=seed, size=(side, side))
        Image.fromarray(pixels).save(folder / f"{seed:03}.jpg", quality=90)


def measure(name: str, folder: Path) -> dict[str, float]:
    """Milliseconds an image on the cores that this process may use."""
    predictor, images = load(name), find_images(folder)
    frame = predictor.prepare(read_image(images[0]))
    with tempfile.TemporaryDirectory() as out:
        write_masks(predictor, images[:4], Path(out) / "warm")
        begun = time.perf_counter()
        write_masks(predictor, images, Path(out) / "masks")
        whole = (time.perf_counter() - begun) / len(images)
    network = statistics.median(time_calls(lambda: predictor.infer([frame]), seconds=1))
    reading = statistics.median(time_calls(lambda: read_image(images[0]), seconds=1))
    found = {"whole": whole, "network": network, "reading": reading}
    return {key: round(1000 * seconds, 2) for key, seconds in found.items()}


def alone(name: str, folder: Path, cores: int) -> Any:
    """What ``measure`` gives in a process of its own that is pinned to so many cores."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores)}
    pinned = ["taskset", "-c", f"0-{cores - 1}", sys.executable, __file__]
    child = [*pinned, "--child", name, str(folder)]
    answer = subprocess.run(child, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child[0], Path(args.child[1]))))
        return
    found: dict[str, Any] = {"machine": describe(), "images": args.images, "side": args.side}
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), args.images, args.side)
        for name in NETWORKS:
            found[name] = {str(cores): alone(name, Path(folder), cores) for cores in (1, 2)}
            print(name, found[name], flush=True)
    write_json(RESULTS / f"predict_photos_{short_name()}.json", found)


if __name__ == "__main__":
    main()
