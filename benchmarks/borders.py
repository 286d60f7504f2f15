"""Does a mask stay when a black border is drawn around the image? By the command, as installed.

    python benchmarks/borders.py DATA [--images 40] [--python PYTHON]

Installs the package with nothing but `pip install .` into an environment of its own, or takes the
environment of ``--python``. ``bmis predict`` then marks test images of each data set as they are
and with a border of ten percent of the side on all sides, by both networks of the modality. The
border is cut off the second mask, and the two are compared by Dice. Writes
``results/borders.json``.
"""

import argparse
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
from five_modalities import MODALITIES
from machine import describe
from PIL import Image

from bmis import open_dataset
from bmis.system.files import output_folder, write_json

ROOT = Path(__file__).parents[1]
FILE = ROOT / "benchmarks" / "results" / "borders.json"
BOTH = ("clean", "bordered")
SHARE = 10  # of the side, in percent, that the border adds


def install(folder: Path) -> Path:
    """An environment that holds the package and what it needs; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT], check=True)
    return python


def border_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns that the border adds to each side."""
    return round(shape[0] * SHARE / 100), round(shape[1] * SHARE / 100)


def draw(images: list[Path], clean: Path, bordered: Path) -> None:
    """The images as they are and with a black border, in two folders."""
    for path in images:
        pixels = np.asarray(Image.open(path))
        Image.fromarray(pixels).save(output_folder(clean) / f"{path.stem}.png")
        rows, columns = border_of(pixels.shape)
        around = [(rows, rows), (columns, columns), (0, 0)][: pixels.ndim]
        Image.fromarray(np.pad(pixels, around)).save(output_folder(bordered) / f"{path.stem}.png")


def predict(python: Path, name: str, images: Path, out: Path) -> None:
    """What a user types."""
    command = f"-m bmis predict {name} {images} --out {out}".split()
    subprocess.run([python, *command], check=True, stdout=subprocess.DEVNULL)


def read(path: Path) -> np.ndarray:
    """A mask (H, W) of booleans."""
    return np.asarray(Image.open(path)) > 0


def agreement(clean: Path, bordered: Path) -> float:
    """Dice of two masks of one image, the second without its border; 1 if both are empty."""
    ours, theirs = read(clean), read(bordered)
    rows, columns = border_of(ours.shape)
    theirs = theirs[rows : rows + ours.shape[0], columns : columns + ours.shape[1]]
    marked = int(ours.sum() + theirs.sum())
    return 2 * int((ours & theirs).sum()) / marked if marked else 1.0


def measure(name: str, images: list[Path], python: Path, work: Path) -> dict[str, float]:
    """Dice between both masks of each image."""
    draw(images, *(work / kind for kind in BOTH))
    for kind in BOTH:
        predict(python, name, work / kind, work / f"{kind}-{name}")
    return {
        path.stem: round(
            agreement(*(work / f"{kind}-{name}" / f"{path.stem}.png" for kind in BOTH)), 4
        )
        for path in images
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--python", type=Path)
    args = parser.parse_args()
    found: dict[str, Any] = {"border_percent": SHARE, "machine": describe()}
    with tempfile.TemporaryDirectory() as folder:
        python = args.python or install(Path(folder) / "venv")
        for kind, modality in MODALITIES.items():
            cases = open_dataset(args.data / modality.data).split("test")
            chosen = [case.image for case in cases[:: max(1, len(cases) // args.images)]]
            for name in (kind, f"{kind}-bmis"):
                dice = measure(name, chosen[: args.images], python, Path(folder) / kind)
                found[name] = {"mean": round(float(np.mean(list(dice.values()))), 4), "dice": dice}
                print(f"{name}: {found[name]['mean']}, worst {min(dice.values())}", flush=True)
    write_json(FILE, found)


if __name__ == "__main__":
    main()
