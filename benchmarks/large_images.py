"""Large images: masks by tiles against masks of the whole image, and what 4096 x 4096 pixels take.

    bmis train DATA --resize native ...
    bmis export RUN --size any --out lesion.bmis
    python benchmarks/large_images.py DATA RUN [lesion.bmis ...] [--grids 1 2 4] [--tiles 224 448]
    python benchmarks/large_images.py DATA RUN lesion.bmis --only costs [--side 4096]

Differences: the first model segments the test images whole, in one pass, and in tiles. Measured
are the percentage of pixels whose label differs, and the IoU of each with the reference masks. A
grid of 2 is four test images of one size side by side at their own scale, as one picture.

Costs: each model takes one picture of SIDE x SIDE pixels, a grid of the same images cut off there,
by `bmis predict` in a new process. Measured are its seconds and the peak of its resident memory
(Linux).

Writes ``results/large_images_<data>_<machine>.json``; what is not measured again stays there.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe, short_name
from numpy.typing import NDArray

import bmis
from bmis.data.cases import Dataset, load_case
from bmis.data.folder import open_dataset
from bmis.data.images import write_image
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
WHOLE = 16384  # a tile that no picture here exceeds
Pixels = NDArray[np.uint8]
# a small process in between: the peak of a process is never below that of the one it came from
ALONE = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
run = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "resident_mb": peak / 1e6, "error": run.stderr[-300:]}))
sys.exit(run.returncode)
"""


def pictures(dataset: Dataset, grid: int) -> list[tuple[Pixels, Pixels]]:
    """Test images and their masks in grids of ``grid`` by ``grid``; a remainder is dropped."""
    loaded = (load_case(case, dataset) for case in dataset.split("test"))
    pairs = [(image.pixels, mask) for image, mask in loaded]
    found = []
    for first in range(0, len(pairs) - grid**2 + 1, grid**2):
        part = pairs[first : first + grid**2]
        found.append((in_grid([p for p, _ in part], grid), in_grid([m for _, m in part], grid)))
    return found


def in_grid(parts: list[Pixels], grid: int) -> Pixels:
    """Pictures of one size, row by row."""
    rows = (np.concatenate(parts[i : i + grid], axis=1) for i in range(0, len(parts), grid))
    return np.concatenate(list(rows), axis=0)


def iou(mask: Pixels, truth: Pixels) -> float:
    """IoU over all that is not background; pixels must have the same class."""
    union = np.count_nonzero((mask > 0) | (truth > 0))
    return np.count_nonzero((mask == truth) & (mask > 0)) / union if union else 1.0


def differences(model: Path, dataset: Dataset, grid: int, tiles: list[int]) -> dict[str, Any]:
    """Masks of the whole image against masks by tiles, for one grid."""
    pairs = pictures(dataset, grid)
    ways = {str(tile): bmis.load(model, tile=tile) for tile in tiles}
    whole = [bmis.load(model, tile=WHOLE)(pixels).labels for pixels, _ in pairs]
    found: dict[str, Any] = {
        "pictures": len(pairs),
        "size": pairs[0][0].shape[:2],
        "foreground_percent": 100 * float(np.mean([(mask > 0).mean() for mask in whole])),
        "iou_whole": float(np.mean([iou(m, t) for m, (_, t) in zip(whole, pairs, strict=True)])),
        "tiles": {},
    }
    for tile, way in ways.items():
        masks = [way(pixels).labels for pixels, _ in pairs]
        apart = [100 * float((a != b).mean()) for a, b in zip(masks, whole, strict=True)]
        found["tiles"][tile] = {
            "different_percent": float(np.mean(apart)),
            "different_percent_each": apart,
            "iou": float(np.mean([iou(m, t) for m, (_, t) in zip(masks, pairs, strict=True)])),
        }
        print(f"{found['size']} tile {tile}: {np.mean(apart):.3f} %", flush=True)
    return found


def costs(model: Path, picture: Path, folder: Path) -> dict[str, Any]:
    """`bmis predict` of one picture in a process of its own."""
    command = [sys.executable, "-m", "bmis", "predict", str(model), str(picture)]
    alone = [sys.executable, "-c", ALONE, *command, "--out", str(folder / "masks")]
    answer = subprocess.run(alone, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(answer)
    print(f"{model.name}: {found['seconds']:.1f} s, {found['resident_mb']:.0f} MB", flush=True)
    return found


def all_costs(models: list[Path], pixels: Pixels) -> dict[str, Any]:
    """The costs of each model, by the name of its file."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "large.png"
        write_image(picture, pixels)
        return {
            model.name if model.is_file() else "run": {
                "size": pixels.shape[:2],
                **costs(model, picture, Path(folder)),
            }
            for model in models
        }


def large_picture(dataset: Dataset, side: int) -> Pixels:
    """A picture filled with the test images, repeated as often as needed."""
    parts = [pixels for pixels, _ in pictures(dataset, 1)]
    grid = math.ceil(side / min(parts[0].shape[:2]))
    again = [parts[i % len(parts)] for i in range(grid**2)]
    return np.ascontiguousarray(in_grid(again, grid)[:side, :side])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--only", choices=("differences", "costs"))
    parser.add_argument("--grids", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--tiles", type=int, nargs="+", default=[224, 320, 448])
    parser.add_argument("--side", type=int, default=4096)
    args = parser.parse_args()
    dataset = open_dataset(args.data)
    found: dict[str, Any] = {"machine": describe()}
    if args.only != "costs":
        found["differences"] = [
            differences(args.models[0], dataset, grid, args.tiles) for grid in args.grids
        ]
    if args.only != "differences":
        found["costs"] = all_costs(args.models, large_picture(dataset, args.side))
    out = output_folder(RESULTS) / f"large_images_{dataset.name}_{short_name()}.json"
    before = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    if "costs" in found:
        found["costs"] = before.get("costs", {}) | found["costs"]
    write_json(out, before | found)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
