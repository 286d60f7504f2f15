"""What the device side takes: on the disk, to import, to start and to segment one image (Linux).

    python benchmarks/device.py lesion.bmis

Makes a fresh virtual environment, installs the package into it without extras, and measures there:
the size of all packages that came (their files, compiled ones included, without pip); ``import
bmis``; ``bmis predict`` of one 512 x 512 phantom on one core, each time in a new process, once with
every installed file dropped from the system's cache (as after switching on), then from the cache;
the peak of its resident memory. Checks that torch and scipy are absent and that ``bmis evaluate``
and ``bmis profile`` work there too. The bundle has two classes. MB are 10^6 bytes. Writes
``results/device_<machine>.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe, short_name

from bmis.system.files import output_folder, write_json

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
AIMS = {"installed_mb": 220, "import_seconds": 0.1, "predict_seconds": 1.0, "resident_mb": 200}
PACKAGES = """
import json
from importlib.metadata import distributions
from pathlib import Path
sizes = {}
for one in distributions():
    files = [Path(file.locate()) for file in one.files or ()]
    sizes[one.name] = sum(file.stat().st_size for file in files if file.is_file())
print(json.dumps({name: size for name, size in sizes.items() if name not in ("pip", "setuptools")}))
"""
IMPORT = "import time; t = time.perf_counter(); import bmis; print(time.perf_counter() - t)"
# a small process in between: the peak of a process is never below that of the one it came from
ALONE = """
import json, os, resource, subprocess, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
begun = time.perf_counter()
run = subprocess.run(sys.argv[1:], capture_output=True, text=True)
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "resident_mb": peak / 1e6, "error": run.stderr}))
sys.exit(run.returncode)
"""


class Device:
    """A fresh virtual environment with the device side in it.

    Args:
        folder: An empty folder for the environment and all that is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run([sys.executable, "-m", "venv", str(folder / "venv")])
        self.bin = folder / "venv" / "bin"
        self._run([str(self.bin / "pip"), "install", "--quiet", str(ROOT)])

    def python(self, code: str, *arguments: str) -> str:
        return self._run([str(self.bin / "python"), "-c", code, *arguments])

    def bmis(self, *arguments: str) -> str:
        return self._run([str(self.bin / "bmis"), *arguments])

    def lacks(self, package: str) -> bool:
        try:
            self.python(f"import {package}")
        except subprocess.CalledProcessError as error:
            return f"No module named '{package}'" in error.stderr
        return False

    def forget(self) -> None:
        """Drop all installed files from the system's cache."""
        for file in (self.folder / "venv").rglob("*"):
            if file.is_file() and not file.is_symlink():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
                    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _run(self, command: list[str]) -> str:
        # its own cache, and nothing of the environment that this script runs in
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env = {**kept, "XDG_CACHE_HOME": str(self.folder / "cache")}
        run = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=self.folder, env=env
        )
        return run.stdout


def measure(bundle: Path, folder: Path, repeats: int) -> dict[str, Any]:
    device = Device(folder)
    sizes = {name: size / 1e6 for name, size in json.loads(device.python(PACKAGES)).items()}
    device.bmis("phantom", "data", "--modality", "endoscopy", "--count", "10", "--size", "512")
    image = min((folder / "data" / "images").iterdir())
    command = [str(device.bin / "bmis"), "predict", str(bundle), str(image), "--out", "masks"]
    device.forget()
    first = json.loads(device.python(ALONE, *command))
    others = [json.loads(device.python(ALONE, *command)) for _ in range(repeats)]
    imports = [float(device.python(IMPORT)) for _ in range(repeats)]
    evaluate = ("evaluate", str(bundle), "data", "--split", "all", "--out", "scores", "--json")
    scores = json.loads(device.bmis(*evaluate))
    costs = json.loads(device.bmis("profile", str(bundle), "--batch", "1", "--json"))
    return {
        "bundle_mb": bundle.stat().st_size / 1e6,
        "parameters": costs["parameters"],
        "installed_mb": sum(sizes.values()),
        "packages_mb": dict(sorted(sizes.items(), key=lambda item: -item[1])),
        "import_seconds": median(imports),
        "predict_seconds": median(one["seconds"] for one in others),
        "predict_seconds_uncached": first["seconds"],
        "resident_mb": max(one["resident_mb"] for one in others),
        "absent": {package: device.lacks(package) for package in ("torch", "scipy", "onnx")},
        "evaluated_images": scores["images"],
        "profile": costs["engines"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.bundle.resolve(), Path(folder), args.repeats)
    for name, aim in AIMS.items():
        print(f"{name}: {found[name]:.3f} (aim {aim})")
    print(f"absent: {found['absent']}")
    out = output_folder(RESULTS) / f"device_{short_name()}.json"
    write_json(out, {**found, "aims": AIMS, "repeats": args.repeats, "machine": describe()})
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
