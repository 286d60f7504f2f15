"""A fit that is killed at ten random moments ends as one that never was.

    python benchmarks/fit_kills.py DATA [--images 60] [--side 96] [--trials 12] [--kills 10]
        [--device FILE [--max-ms 1000]]

Takes some images of DATA, scaled to SIDE pixels, and runs ``bmis fit`` twice, on one core, with the
same seed and a number of trials instead of a time. The budget lets every network in, so that no
measured time decides who takes part; with a file of ``bmis bench`` nothing is measured at all,
which saves most of the time, and a smaller budget is safe. The second run is killed (SIGKILL) and
given again each time. A call is killed at a moment drawn from a share of the time of the first,
counted from when it writes something new: how long a call takes to start is another matter, and
changes with what else the machine does. Compared are the winner,
every trial, each weight of the finished network, the files of its bundle and the scores of the test
images. Writes ``results/fit_kills.json``, and ends with 1 if anything differs.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from PIL import Image
from safetensors.numpy import load_file

from bmis import open_dataset
from bmis.bundle import read_bundle
from bmis.data.cases import load_case
from bmis.data.images import write_image
from bmis.system.files import to_csv, write_json, write_text

RESULT = Path(__file__).parent / "results" / "fit_kills.json"
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
STEPS = ("data", "candidates", "plan", "trials", "finish", "test", "fit")  # files, in their order
SEED = 0
_AT_ONCE = ("settings.json", "time.json", ".lock")  # which every call writes
_PERIOD = 0.2  # seconds between two looks
_SPREAD = 1.4  # times the even share of the undisturbed time: so they reach the end, but not all


def make_small(data: Path, out: Path, images: int, side: int) -> Path:
    """Some images of each split of a data set with their masks, no longer than a side."""
    dataset = open_dataset(data)
    rows = [("id", "split")]
    for split, share in SHARES.items():
        for case in dataset.split(split)[: round(share * images)]:
            image, labels = load_case(case, dataset)
            scale = side / max(labels.shape)
            size = tuple(max(1, round(scale * length)) for length in labels.shape[::-1])
            pixels = np.asarray(Image.fromarray(image.pixels.squeeze()).resize(size))
            mask = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
            for folder, what in (("images", pixels), ("masks", mask)):
                (out / folder).mkdir(parents=True, exist_ok=True)
                write_image(out / folder / f"{case.id}.png", what)
            rows.append((case.id, split))
    write_text(out / "splits.csv", to_csv(rows))
    return out


class Fit:
    """One fit in a folder, which may take several calls."""

    def __init__(self, data: Path, out: Path, args: argparse.Namespace) -> None:
        self.out, self.seconds, self.calls = out, 0.0, 0
        self._command = [
            *(sys.executable, "-m", "bmis", "fit", str(data), "--out", str(out)),
            *("--max-ms", f"{args.max_ms:g}", "--hours", "2", "--epochs", "9"),
            *("--trials", str(args.trials), "--engine", "onnxruntime"),
            *("--seed", str(SEED), "--json"),
            *(("--device", str(args.device)) if args.device else ()),
        ]

    def call(self, seconds: float | None = None) -> bool:
        """Give the command; kill it so many seconds after it does something new, if any.

        Returns:
            Whether it came to its end.
        """
        begun, before = time.monotonic(), self._written()
        self.calls += 1
        with (self.out.parent / f"{self.out.name}.log").open("a") as log:
            process = subprocess.Popen(self._command, stdout=log, stderr=log)
            try:
                while seconds is not None and self._written() == before and process.poll() is None:
                    time.sleep(_PERIOD)
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
        self.seconds += time.monotonic() - begun
        if code not in (0, -9):
            sys.exit(f"bmis fit ended with {code}; see {log.name}")
        return code == 0

    def _written(self) -> float:
        """When a file with results was last written."""
        times = [0.0]
        for path in self.out.rglob("*"):
            with suppress(OSError):  # it has gone meanwhile
                if path.name not in _AT_ONCE and path.is_file():
                    times.append(path.stat().st_mtime)
        return max(times)

    def state(self) -> dict[str, Any]:
        """How far it is: measured candidates, trials that have ended, and the last step done."""
        done = [name for name in STEPS if (self.out / f"{name}.json").exists()]
        return {
            "done": done[-1] if done else "nothing",
            "measured": len(self.read("measured").get("measured", ())),
            "trials": dict(self.trials()),
        }

    def read(self, name: str) -> dict[str, Any]:
        path = self.out / f"{name}.json"
        found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return found

    def trials(self) -> Counter[str]:
        """The states of the trials in the database that have begun, and how many are in each."""
        path = self.out / "search.db"
        if not path.exists():
            return Counter()
        with closing(sqlite3.connect(path)) as database:
            states = database.execute("SELECT state FROM trials WHERE state != 'WAITING'")
            return Counter(state for (state,) in states)

    def weights(self) -> dict[str, Any]:
        return load_file(self.out / self.read("finish")["run"] / "model.safetensors")

    def bundle(self) -> dict[str, bytes]:
        bundle = read_bundle(self.out / "best.bmis")
        names = [name for graph in bundle.manifest.graphs for name in graph.files]
        return {name: bundle.read(name) for name in names}

    def files(self) -> set[str]:
        """What is in its folder, but the folders of candidates that only one of two fits timed."""
        return {str(path.relative_to(self.out)) for path in self.out.rglob("*") if path.is_file()}


def compare(one: Fit, other: Fit) -> dict[str, bool]:
    """What must be the same in two fits."""
    trials = [fit.read("trials")["trials"] for fit in (one, other)]
    weights = [fit.weights() for fit in (one, other)]
    measured = [
        [row["candidate"] for row in fit.read("measured").get("measured", ())]
        for fit in (one, other)
    ]
    numbers = [trial["number"] for trial in trials[1]]
    return {
        "winner": _winner(one) == _winner(other),
        "plan": _without_times(one.read("plan")) == _without_times(other.read("plan")),
        "candidates measured, none twice": measured[0] == measured[1],
        "trials with settings and scores": trials[0] == trials[1],
        "trials are numbered from 0, none twice": numbers == list(range(len(numbers))),
        "trials in the database have ended": one.trials() == other.trials()
        and "RUNNING" not in other.trials(),
        "weights, bit by bit": weights[0].keys() == weights[1].keys()
        and all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0]),
        "graphs of the bundle, byte by byte": one.bundle() == other.bundle(),
        "scores of the test images": one.read("test") == other.read("test"),
        "names of the files": one.files() == other.files(),
    }


def _winner(fit: Fit) -> tuple[Any, ...]:
    found = fit.read("finish")
    return (found["candidate"], found["trial"], found["way"]["engine"], found["way"]["precision"])


def _without_times(plan: dict[str, Any]) -> tuple[Any, ...]:
    names = [one["costed"]["counted"]["candidate"] for one in plan["contenders"]]
    return (names, plan["epochs"], plan["trials"], plan["threads"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--device", type=Path, help="file of `bmis bench`")
    parser.add_argument("--max-ms", type=float, default=1000.0, help="less only with --device")
    parser.add_argument("--folder", type=Path, help="keep the fits here; a new folder")
    args = parser.parse_args()
    args.device = args.device and args.device.resolve()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core: nobody chooses threads
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / "data"
        if not data.exists():
            make_small(args.data, data, args.images, args.side)
        whole, parts = (Fit(data, folder / name, args) for name in ("whole", "parts"))
        undisturbed = folder / "undisturbed.json"
        if undisturbed.exists():  # by a call before this one
            whole.seconds = json.loads(undisturbed.read_text("utf-8"))["seconds"]
        else:
            whole.call()
            write_json(undisturbed, {"seconds": whole.seconds})
        print(f"undisturbed: {whole.seconds:.0f} s", flush=True)
        most = _SPREAD * whole.seconds / args.kills
        kills = []
        for seconds in np.random.default_rng(SEED).uniform(0, most, args.kills):
            if parts.call(float(seconds)):
                sys.exit("it came to its end before all kills; choose more images")
            kills.append({"seconds_after_it_went_on": round(float(seconds), 1), **parts.state()})
            print(f"killed: {kills[-1]}", flush=True)
        parts.call()
        same = compare(whole, parts)
        found = {
            "machine": describe(),
            "data": {"name": args.data.name, "images": args.images, "side": args.side},
            "seed": SEED,
            "measured_here": args.device is None,
            "seconds": {"undisturbed": round(whole.seconds), "killed": round(parts.seconds)},
            "seconds_counted_by_the_killed_fit": round(parts.read("time")["seconds"]),
            "kills": kills,
            "winner": parts.read("fit")["rows"][0],
            "trials": parts.read("trials")["trials"],
            "test": {fit.out.name: fit.read("test")["means"] for fit in (whole, parts)},
            "same": same,
        }
    write_json(RESULT, found)
    print(json.dumps(same, indent=1), f"\n{RESULT}")
    if not all(same.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
