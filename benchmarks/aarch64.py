"""The device side on an emulated aarch64: it installs, how near its masks are to x86's, `bench`.

    sudo python benchmarks/aarch64.py ROOT IMAGES [--bench FOLDER] [--count 20] [--bundles 4]

Needs Debian's ``debootstrap`` and ``qemu-user-static``, whose aarch64 the kernel must know
(``arch-test arm64``). Makes a Debian for arm64 in ROOT where there is none, fetches wheels for
glibc 2.28 (the other engines': 2.35) and installs the checkout there with ``pip install .``. Then,
on the processors of a Raspberry Pi 4 and a Raspberry Pi 5 as QEMU knows them:

- ``bmis predict`` segments some photos, here and there; pixels and logits are compared;
- with OpenVINO and ncnn installed too, every engine runs some of the untrained bundles of
  ``bmis bench --make`` on the same noise;
- ``bmis bench`` measures these bundles, and ``bmis fit --device`` takes its file, here.

Given again, it goes on where it was stopped. Times under emulation mean nothing. Writes
``results/aarch64.json``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from emulated import (
    BOARDS,
    CHECKOUT,
    FOLDER,
    Board,
    Steps,
    copy_checkout,
    fetch,
    install,
    install_anew,
    make_root,
)
from machine import describe

from bmis.data.images import read_mask
from bmis.fit.bench import find_bundles
from bmis.fit.untrained import make_bench
from bmis.system.files import write_json

OUT = Path(__file__).parent / "results" / "aarch64.json"
GLIBC = (28, 27, 24, 17)  # minor versions of the wheels that are taken, newest first
GLIBC_OF_ENGINES = (35, 34, 31, *GLIBC)
MODEL, USUAL = "colonoscopy", "Raspberry Pi 5"
LOGITS = """
import sys
import numpy as np
import bmis
from bmis.data.images import read_image
model, out, *photos = sys.argv[1:]
predictor = bmis.load(model, engine="onnxruntime", threads=1)
for photo in photos:
    (found,) = predictor.infer([predictor.prepare(read_image(photo))])
    name = f"{out}/{photo.rsplit('/', 1)[-1]}"
    np.save(f"{name}.npy", found.logits)
    np.save(f"{name}.frame", found.frame.pixels)
"""
ENGINES = """
import sys
import numpy as np
from pathlib import Path
from bmis.bundle import read_bundle
from bmis.config import RuntimeOptions
from bmis.errors import BmisError
from bmis.runtime.bundle import load_bundle, runnable
out, *paths = map(Path, sys.argv[1:])
for path in paths:
    bundle = read_bundle(path)
    spec = bundle.manifest.info.input
    noise = np.random.default_rng(0).standard_normal((1, spec.channels, *spec.size), np.float32)
    for engine, precision in runnable(bundle):
        name = out / f"{path.stem} {engine} {precision}"
        try:
            run, *_ = load_bundle(path, RuntimeOptions("cpu", engine, precision, 1))
            np.save(f"{name}.npy", run(noise))
        except BmisError as error:
            Path(f"{name}.txt").write_text(str(error))
"""


def here(*arguments: str, folder: Path) -> str:
    """Run this Python with the checkout's code."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    return subprocess.run(
        [sys.executable, *arguments],
        check=True, capture_output=True, text=True, cwd=folder, env=environment,
    ).stdout  # fmt: skip


def compare_masks(board: Board, local: Path) -> dict[str, Any]:
    """Masks and logits of the photos, there and here."""
    photos = sorted(str(path.relative_to(board.work)) for path in board.work.glob("photos/*"))
    for folder in (local, board.work):
        for name in ("logits", "masks"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "logits").mkdir()
    predict = ("-m", "bmis", "predict", MODEL, "photos", "--out", "masks", "--threads", "1")
    logits = ("-c", LOGITS, MODEL, "logits", *photos)
    for arguments in (predict, logits):
        board.run("device/bin/python", *arguments)
        here(*arguments, folder=local)
    return {
        "photos": len(photos),
        **_pixels(sorted((local / "masks").rglob("*.png")), local, board.work),
        "same_frames": _same_frames(local / "logits", board.work / "logits"),
        "logits": _differences(local / "logits", board.work / "logits"),
    }


def _pixels(masks: list[Path], local: Path, there: Path) -> dict[str, Any]:
    """How many pixels of the masks are the same, and the mean Dice of what is marked."""
    total, equal, whole, dices = 0, 0, 0, list[float]()
    for path in masks:
        one, other = (read_mask(root / path.relative_to(local)) for root in (local, there))
        same = int((one == other).sum())
        total, equal, whole = total + one.size, equal + same, whole + (same == one.size)
        marked = int((one > 0).sum() + (other > 0).sum())
        dices.append(2 * int(((one == other) & (one > 0)).sum()) / marked if marked else 1.0)
    return {
        "masks": len(masks),
        "identical_masks": whole,
        "pixels": total,
        "equal_pixels": equal,
        "mean_dice": float(np.mean(dices)),
        "least_dice": min(dices),
    }


def _same_frames(one: Path, other: Path) -> int:
    """How many photos are the same, bit by bit, at the network's size."""
    names = [path.name for path in one.glob("*.frame.npy")]
    return sum(np.array_equal(np.load(one / name), np.load(other / name)) for name in names)


def _differences(one: Path, other: Path) -> dict[str, float]:
    """The largest difference of any logit, and the largest logit."""
    names = sorted(path.name for path in one.glob("*.npy") if ".frame." not in path.name)
    pairs = [(np.load(one / name), np.load(other / name)) for name in names]
    return {
        "largest_difference": max(float(np.abs(a - b).max()) for a, b in pairs),
        "mean_difference": float(np.mean([np.abs(a - b).mean() for a, b in pairs])),
        "largest": max(float(np.abs(a).max()) for a, _ in pairs),
    }


def compare_engines(board: Board, local: Path) -> dict[str, Any]:
    """The logits of the bundles by every engine, there and here."""
    bundles = sorted(str(path.relative_to(board.work)) for path in board.work.glob("bench/*"))
    for folder in (local, board.work):
        shutil.rmtree(folder / "engines", ignore_errors=True)
        (folder / "engines").mkdir()
    arguments = ("-c", ENGINES, "engines", *bundles)
    board.run("device/bin/python", *arguments)
    here(*arguments, folder=local)
    found: dict[str, Any] = {
        path.stem: {"failed": path.read_text()}
        for path in sorted((board.work / "engines").glob("*.txt"))
    }
    for path in sorted((board.work / "engines").glob("*.npy")):
        if (local / "engines" / path.name).exists():
            one, other = np.load(local / "engines" / path.name), np.load(path)
            found[path.stem] = {
                "largest_difference": float(np.abs(one - other).max()),
                "largest": float(np.abs(one).max()),
                "same_class": float((one.argmax(1) == other.argmax(1)).mean()),
            }
    return found


def bench_and_fit(board: Board, local: Path) -> dict[str, Any]:
    """`bmis bench` there, and `bmis fit` here with its file, on drawn images."""
    board.run("device/bin/bmis", "bench", "bench", "--out", "board.json")
    shutil.copyfile(board.work / "board.json", local / "board.json")
    measured = json.loads((local / "board.json").read_text("utf-8"))
    drawn = ("phantom", "--modality", "dermoscopy", "--count", "40", "--size", "96", "drawn")
    here("-m", "bmis", *drawn, folder=local)
    slowest = max(way["ms"] for one in measured["bundles"] for way in one["ways"])
    budget = ("--max-ms", f"{slowest:.0f}", "--device", "board.json", "--threads", "1")
    short = ("--epochs", "9", "--trials", "3", "--hours", "2", "--out", "fit", "--json")
    fitted = json.loads(here("-m", "bmis", "fit", "drawn", *budget, *short, folder=local))
    return {
        "machine": measured["machine"],
        "engines": measured["engines"],
        "bundles": {
            f"{one['model']} at {one['size'][0]}": [
                f"{way['engine']} {way['precision']}" for way in one["ways"]
            ]
            for one in measured["bundles"]
        },
        "fit": {
            "candidates": fitted["candidates"],
            "winner": fitted["rows"][0]["name"],
            "by": fitted["rows"][0]["way"],
            "validation_iou": fitted["finish"]["trial"]["scores"],
        },
    }


def fill(folder: Path, paths: Sequence[Path]) -> None:
    """A folder with copies of these files alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in paths:
        shutil.copyfile(path, folder / path.name)


def bundles(folder: Path, count: int) -> list[Path]:
    """The first untrained bundles of a folder; made there if it is new."""
    return (find_bundles(folder) if folder.exists() else make_bench(folder))[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--bench", type=Path, help="bundles of `bmis bench --make`, made if absent")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--bundles", type=int, default=4, help="of these, the first")
    args = parser.parse_args()
    make_root(args.root)
    work = args.root / FOLDER
    fetch(work / "wheels", GLIBC, str(CHECKOUT), "hatchling>=1.24")
    fetch(work / "wheels", GLIBC_OF_ENGINES, f"{CHECKOUT}[openvino,ncnn]")
    digest = copy_checkout(work / "source")
    boards = {name: Board(args.root, name) for name in BOARDS}
    usual = boards[USUAL]
    step = Steps(work / "steps.json", digest)
    device_side = step("device side", partial(install_anew, usual))
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder)
        for target in (local, work):
            fill(target / "photos", sorted(args.images.iterdir())[: args.count])
            fill(target / "bench", bundles(args.bench or local / "all", args.bundles))
        masks = {
            name: step(f"masks, {name}", partial(compare_masks, board, local))
            for name, board in boards.items()
        }
        with_engines = step("with engines", partial(install, usual, "openvino", "ncnn"))
        engines = {
            name: step(f"engines, {name}", partial(compare_engines, board, local))
            for name, board in boards.items()
        }
        bench = step("bench and fit", partial(bench_and_fit, usual, local))
    emulator = subprocess.run(
        ["qemu-aarch64-static", "--version"], check=True, capture_output=True, text=True
    ).stdout
    found = {
        "emulator": emulator.splitlines()[0],
        "system": f"Debian {(args.root / 'etc/debian_version').read_text().strip()}",
        "python": usual.run("python3", "--version").strip(),
        "device_side": device_side,
        "with_engines": with_engines,
        "boards": {
            name: {"processor": board.cpu, "masks": masks[name], "engines": engines[name]}
            for name, board in boards.items()
        },
        "bench": bench,
        "minutes": round(step.seconds / 60, 1),
        "machine": describe(),
    }
    write_json(OUT, found)
    step.forget()
    print(f"{found['minutes']} minutes: {OUT}")


if __name__ == "__main__":
    main()
