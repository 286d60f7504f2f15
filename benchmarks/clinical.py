"""Speed of a clip and memory of volumes in ``bmis predict``, each in a fresh process (Linux).

    python benchmarks/clinical.py [--frames 300] [--slices 400] [--side 512] [--model NAME]

- **Clip**: an ultrasound clip of DICOM, from the file to the segmentation and the table, against
  the time that the network alone takes for as many images, called in the same batches. The ratio is
  what reading, resizing, writing and all else cost.
- **Volumes**: side x side x slices of 16 bits as NIfTI (mapped and compressed) and as a stack of
  TIFF; the most memory that the process ever had, packages and network included. More than 1 GB is
  a failure.

All is drawn by the package. Run it on a machine that does nothing else. Writes
``results/clinical_<machine>.json``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from numpy.typing import NDArray

from bmis import draw_phantom
from bmis.clinical.run import predict_study
from bmis.runtime.load import load_runtime
from bmis.system.files import output_folder, write_json
from bmis.system.memory import peak_resident

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
sys.path.append(str(ROOT / "tests"))

from helpers import dicoms  # type: ignore[import-not-found]  # noqa: E402  (of the tests)

_MOST_MB = 1000
_DRAWN = 8  # pictures that are drawn; volumes repeat them
_SCALE = 8  # of the clip of the tests: 512 x 640 pixels, the tissue 384 x 384
_VOLUMES = ("volume.nii", "volume.nii.gz", "volume.tif")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=300, help="of the clip")
    parser.add_argument("--slices", type=int, default=400, help="of the volumes")
    parser.add_argument("--side", type=int, default=512, help="of a slice in pixels")
    parser.add_argument("--model", default="breast-ultrasound")
    parser.add_argument("--alone", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        print(json.dumps(measure(args.alone[0], args.alone[1], args.model)))
        return 0
    from machine import describe, short_name  # brings torch, which the processes shall not have

    with tempfile.TemporaryDirectory() as folder:
        files = make(Path(folder), args.frames, args.slices, args.side)
        found = {file.name: _alone(file, Path(folder, "out"), args.model) for file in files}
    shape = {"frames": args.frames, "volume": [args.side, args.side, args.slices]}
    out = output_folder(RESULTS) / f"clinical_{short_name()}.json"
    write_json(out, {"model": args.model, **shape, "measured": found, "machine": describe()})
    print(out.read_text(encoding="utf-8"))
    return int(any(found[name]["peak_mb"] > _MOST_MB for name in _VOLUMES))


def make(folder: Path, frames: int, slices: int, side: int) -> list[Path]:
    """Draw the clip and the volumes."""
    real = dicoms.phantom
    drawn: dict[tuple[Any, ...], NDArray[np.uint8]] = {}

    def phantom(kind: str, size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
        key = (kind, size, seed % _DRAWN)
        drawn[key] = drawn[key] if key in drawn else real(*key)
        return drawn[key]

    dicoms.phantom = phantom
    clip = dicoms.write_clip(folder / "clip.dcm", frames=frames, scale=_SCALE)
    pictures = [draw_phantom("ultrasound", size=(side, side), seed=k)[0] for k in range(_DRAWN)]
    pages = [pictures[index % _DRAWN][..., 0].astype(np.int16) * 4 for index in range(slices)]
    for name in _VOLUMES[:2]:
        nibabel.save(_volume(pages), folder / name)
    with tifffile.TiffWriter(folder / _VOLUMES[2]) as file:
        for page in pages:
            file.write(page.astype(np.uint16), photometric="minisblack", contiguous=False)
    return [clip, *(folder / name for name in _VOLUMES)]


def _volume(pages: list[NDArray[np.int16]]) -> Any:
    image: Any = nibabel.Nifti1Image  # of a package without types
    return image(np.stack(pages, axis=2), np.diag([-0.5, -0.5, 1.0, 1.0]))


def measure(path: Path, out: Path, model: str) -> dict[str, Any]:
    """One prediction in this process, which should have done nothing else before."""
    start = time.perf_counter()
    done = predict_study(model, [path], out)
    seconds = time.perf_counter() - start
    peak = peak_resident() or 0
    if done.failed:
        raise SystemExit(done.failed[0][1])
    found = {"seconds": round(seconds, 3), "peak_mb": round(peak / 1e6, 1)}
    if path.suffix == ".dcm":
        found["network_seconds"] = round(_network_seconds(model, _frames(path)), 3)
        found["ratio"] = round(found["seconds"] / found["network_seconds"], 3)
    return found


def _frames(path: Path) -> int:
    from pydicom import dcmread

    return int(dcmread(path, stop_before_pixels=True).NumberOfFrames)


def _network_seconds(model: str, images: int) -> float:
    """Time of the network for so many images in its own batches, loading included as above."""
    start = time.perf_counter()
    runtime, info = load_runtime(model)
    for count in _batches(images, runtime.batch):
        runtime(np.zeros((count, info.input.channels, *info.input.size), np.float32))
    return time.perf_counter() - start


def _batches(images: int, batch: int) -> Iterator[int]:
    while images > 0:
        yield min(batch, images)
        images -= batch


def _alone(path: Path, out: Path, model: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--model", model, "--alone", str(path), str(out)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    print(path.name, found)
    return found


if __name__ == "__main__":
    sys.exit(main())
