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
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from device import PACKAGES
from emulated import BOARDS, FOLDER, Board, fetch, make_root
from machine import describe

from bmis.data.images import read_mask
from bmis.fit.bench import find_bundles
from bmis.fit.untrained import make_bench
from bmis.system.files import write_json

CHECKOUT = Path(__file__).parents[1]
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


class Steps:
    """What the steps found, kept in a file: a run that was stopped goes on, with the same files.

    Args:
        path: The file.
        digest: Of the files that are tried; with others all begins anew.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self._known = known if known.get("digest") == digest else {"digest": digest, "seconds": 0.0}

    @property
    def seconds(self) -> float:
        """Time of all steps."""
        return float(self._known["seconds"])

    def __call__(self, name: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a step, or take what it found before."""
        if name not in self._known:
            begun = time.monotonic()
            self._known[name] = do()
            self._known["seconds"] += time.monotonic() - begun
            write_json(self._path, self._known)
        found: dict[str, Any] = self._known[name]
        print(name, json.dumps(found), flush=True)
        return found

    def forget(self) -> None:
        self._path.unlink()


def copy_checkout(target: Path) -> str:
    """The files that git knows, as they are now, and their digest."""
    shutil.rmtree(target, ignore_errors=True)
    digest = sha256()
    names = subprocess.run(
        ["git", "-C", CHECKOUT, "ls-files", "-z", "src", "pyproject.toml", "README.md", "LICENSE"],
        check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, target / name)
        digest.update(name.encode() + (target / name).read_bytes())
    return digest.hexdigest()


def install_anew(board: Board) -> dict[str, Any]:
    """The device side alone, in a new environment."""
    shutil.rmtree(board.work / "device", ignore_errors=True)
    board.run("python3", "-m", "venv", "--without-pip", "device")
    return install(board)


def install(board: Board, *extras: str) -> dict[str, Any]:
    """Install the package into the environment from the wheels alone; what all of it takes."""
    what = f"./source[{','.join(extras)}]" if extras else "./source"
    offline = ("--no-index", "--find-links", "wheels", "--quiet")
    board.run("pip", "--python", "device/bin/python", "install", *offline, what)
    found: dict[str, int] = json.loads(board.run("device/bin/python", "-c", PACKAGES))
    return {
        "installed_mb": sum(found.values()) / 1e6,
        "packages_mb": {
            name: size / 1e6 for name, size in sorted(found.items(), key=lambda item: -item[1])
        },
    }


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
    here("-m", "bmis", "phantom", "drawn", "--count", "40", "--size", "96", folder=local)
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
