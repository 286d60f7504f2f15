"""What other programs make of the objects that ``bmis predict`` writes of studies.

    python benchmarks/viewers.py [DATA] --out FOLDER [--tools FOLDER] [--first N]

A study of each kind (CT, ultrasound clip, endoscopy clip, photograph of skin, chest X-rays as DX
and CR, enhanced CT) is made of phantoms, or of images of the data sets in DATA. The networks that
come with the package segment it. Then other programs read the segmentations: SimpleITK, dcmqi,
DCMTK (dcmj2pnm) and Orthanc, each where it is installed; ``--tools`` names a folder of more of
them, such as that of ``pip install dcmqi``. Each must give the very masks that were written as
PNG, dciodvfy must find no error, and Orthanc must give back every object unchanged. dcmqi reads
only what lies in space.

For people there is a picture of each study: the source as Orthanc shows it, the segmentation as
DCMTK reads it drawn over that, and the capture as DCMTK shows it. Orthanc shows no enhanced file
with the rescale of its functional groups, so there the source is white.

For people there is also a picture of each segmentation that dcmqi reads: its mask drawn over the
source, both placed by their own millimetres (SimpleITK). And dcmqi reads each report, whose
volumes, areas and diameters must be those of the tables.

The counts go to ``results/viewers.json``. The pictures are of DATA, so they stay in the folder.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from dcmqi_tools import compare_in_space, compare_report, read_masks
from machine import describe
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from bmis import draw_phantom
from bmis.cli.main import main as bmis
from bmis.data.images import read_mask
from bmis.system.files import output_folder, write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
sys.path.append(str(ROOT / "tests"))

from helpers import dicoms  # type: ignore[import-not-found]  # noqa: E402  (of the tests)
from helpers.orthanc import ORTHANC, run_orthanc  # type: ignore[import-not-found]  # noqa: E402

_SETS = {
    **{"dermoscopy": "isic2018", "ultrasound": "busi"},
    **{"endoscopy": "kvasir", "xray": "lung_xray"},
}
_OUTPUTS = "seg,sr,nifti,png,csv,sc"
Arrays = NDArray[np.bool_]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="?", help="folder of data sets; else phantoms")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first image")
    parser.add_argument("--tools", type=Path, help="folder of more programs, such as dcmqi's")
    args = parser.parse_args()
    out = output_folder(args.out.resolve())
    if args.tools:
        os.environ["PATH"] += f"{os.pathsep}{args.tools.resolve()}"
    dicoms.phantom = draw_from(args.data, args.first)
    found: dict[str, Any] = {}
    for name, (network, make) in _STUDIES.items():
        found[name] = _study(name, network, make, out)
    orthanc = _orthanc(out) if ORTHANC else "not installed"
    pictures = "phantoms" if args.data is None else "images of the data sets"
    record = {"pictures": pictures, "studies": found, "Orthanc": orthanc, "machine": describe()}
    write_json(RESULTS / "viewers.json", record)
    print((RESULTS / "viewers.json").read_text(encoding="utf-8"))
    return 0


def draw_from(data: Path | None, first: int) -> Callable[..., NDArray[np.uint8]]:
    """What draws the pictures of studies: phantoms, or images of the data sets, resized."""

    def draw(modality: str, size: tuple[int, int] = (64, 64), seed: int = 0) -> NDArray[np.uint8]:
        seed += first
        if data is None:
            return draw_phantom(modality, size=size, seed=seed)[0]
        files = sorted((data / _SETS[modality] / "images").iterdir())
        with Image.open(files[(7 + 13 * seed) % len(files)]) as image:
            grey = modality in ("ultrasound", "xray")
            shown = image.convert("L" if grey else "RGB").resize(size[::-1])
        array = np.asarray(shown)
        return array[..., None] if grey else array

    return draw


_STUDIES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "ct": ("breast-ultrasound", lambda path: dicoms.write_ct(path / "ct", size=(192, 256))),
    "enhanced": (
        "breast-ultrasound",
        lambda path: dicoms.write_enhanced(path / "a.dcm", size=(192, 256)),
    ),
    "ultrasound": ("breast-ultrasound", lambda path: dicoms.write_clip(path / "a.dcm", scale=5)),
    "endoscopy": (
        "colonoscopy",
        lambda path: dicoms.write_endoscopy(path / "a.dcm", size=(256, 320)),
    ),
    "photograph": ("dermoscopy", lambda path: dicoms.write_photo(path / "a.dcm", size=(240, 256))),
    "dx": ("chest-xray", lambda path: dicoms.write_xray(path / "a.dcm", size=(256, 240))),
    "cr": (
        "chest-xray",
        lambda path: dicoms.write_xray(
            path / "a.dcm", modality="CR", photometric="MONOCHROME2", size=(256, 240)
        ),
    ),
}


def _study(name: str, network: str, make: Callable[[Path], Path], out: Path) -> dict[str, Any]:
    """Make a study, segment it, and have others read what was written."""
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    source = make(folder / "study")
    code = bmis(
        ["predict", network, str(source), "--out", str(folder / "results"), "--as", _OUTPUTS]
    )
    (segmentation,) = folder.glob("results/*/segmentation.dcm")
    masks = [read_mask(one) > 0 for one in sorted((segmentation.parent / "masks").iterdir())]
    ours = np.stack(masks)
    objects = [segmentation, segmentation.with_name("report.dcm")]
    objects += sorted((segmentation.parent / "captures").iterdir())
    return {
        "exit code": code,
        "masks": len(ours),
        "pixels": int(ours.sum()),
        "dciodvfy": _errors(objects),
        **{reader: _same(read, segmentation, ours) for reader, read in _READERS.items()},
        "dcmqi in space": compare_in_space(segmentation, source, ours, out / f"{name}-dcmqi.png"),
        "dcmqi of the report": compare_report(segmentation),
    }


def _errors(objects: list[Path]) -> dict[str, int]:
    """Objects, and errors that dciodvfy finds in them."""
    program = shutil.which("dciodvfy", path=f"{Path(sys.executable).parent}{os.pathsep}/usr/bin")
    if program is None:
        return {}
    found: Counter[str] = Counter()
    for path in objects:
        run = subprocess.run([program, path], check=False, capture_output=True, text=True)
        wrong = [one for one in run.stderr.splitlines() if one.startswith(("Error", "Abort"))]
        found.update(objects=1, errors=len(wrong))
    return dict(found)


def _same(read: Callable[[Path, Path], Arrays], segmentation: Path, ours: Arrays) -> str:
    """Whether a reader gives our masks, those of frames without foreground left out."""
    work = output_folder(segmentation.parent / "read" / read.__name__)
    try:
        theirs = read(segmentation, work)
    except FileNotFoundError as error:
        return f"not installed: {error.filename}"
    except (subprocess.CalledProcessError, RuntimeError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        return f"not read: {'; '.join(said[-3:])}"
    shown = ours[ours.any(axis=(1, 2))]
    if theirs.shape != shown.shape:
        return f"differs: {theirs.shape} in place of {shown.shape}"
    for order in (theirs, theirs[::-1]):  # a series may be read from the other end
        if np.array_equal(order, shown):
            return "the same masks"
    return f"differs in {int((theirs != shown).sum())} pixels"


def simple_itk(segmentation: Path, work: Path) -> Arrays:
    """The frames of a segmentation by SimpleITK (GDCM)."""
    return _frames(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(segmentation)))


def dcmqi(segmentation: Path, work: Path) -> Arrays:
    """The masks of all segments by dcmqi, as it writes them for 3D Slicer."""
    return _frames(read_masks(segmentation, work))


def dcmtk(segmentation: Path, work: Path) -> Arrays:
    """The frames of a segmentation as DCMTK draws them."""
    _call("dcmj2pnm", "+Fa", "+on", segmentation, work / "frame")
    found = sorted(work.glob("frame.*.png"), key=lambda path: int(path.suffixes[-2][1:]))
    return _frames(np.stack([np.asarray(Image.open(path).convert("L")) for path in found]))


_READERS: dict[str, Callable[[Path, Path], Arrays]] = {
    "SimpleITK": simple_itk,
    "dcmqi": dcmqi,
    "DCMTK": dcmtk,
}


def _frames(array: NDArray[Any]) -> Arrays:
    """Frames (n, H, W) that show anything."""
    frames = array.reshape(-1, *array.shape[-2:]) > 0
    shown: Arrays = frames[frames.any(axis=(1, 2))]
    return shown


def _call(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _orthanc(out: Path) -> dict[str, Any]:
    """Store all in Orthanc, fetch it, and draw the pictures for people."""
    counts: Counter[str] = Counter()
    with run_orthanc(output_folder(out / "orthanc")) as address:
        for name in _STUDIES:
            (segmentation,) = (out / name).glob("results/*/segmentation.dcm")
            sources = sorted((out / name / "study").rglob("*.dcm"))
            objects = sorted(segmentation.parent.rglob("*.dcm"))
            for path in (*sources, *objects):
                fetched = _fetched(f"{_stored(address, path)}/file")
                counts.update(stored=1, unchanged=fetched == path.read_bytes())
            _sheet(address, segmentation, sources, out / f"{name}.png")
    return dict(counts)


def _stored(address: str, path: Path) -> str:
    """The address of an object in Orthanc."""
    request = urllib.request.Request(f"{address}/instances", data=path.read_bytes())
    return f"{address}/instances/{json.loads(_fetched(request))['ID']}"


def _fetched(what: str | urllib.request.Request) -> bytes:
    with urllib.request.urlopen(what, timeout=60) as answer:
        content: bytes = answer.read()
        return content


def _sheet(address: str, segmentation: Path, sources: list[Path], target: Path) -> None:
    """For each frame of a segmentation the source, the mask of DCMTK over it, and the capture."""
    frames = segmentation.parent / "read" / "dcmtk"
    captures = {_source(dcmread(one)): one for one in segmentation.parent.glob("captures/*.dcm")}
    places = {str(dcmread(one).SOPInstanceUID): _stored(address, one) for one in sources}
    rows = []
    for index, group in enumerate(dcmread(segmentation).PerFrameFunctionalGroupsSequence):
        uid, frame = _source(group.DerivationImageSequence[0])
        shown = _picture(_fetched(f"{places[uid]}/frames/{frame - 1}/rendered"))
        over, mask = shown.copy(), _picture(frames / f"frame.{index}.png").any(axis=2)
        over[mask] = over[mask] // 2 + np.array([0, 127, 0], np.uint8)
        _call("dcmj2pnm", "+on", captures[uid, frame], frames / "capture.png")
        rows.append(np.hstack([shown, over, _picture(frames / "capture.png")]))
    Image.fromarray(np.vstack(rows)).save(target)


def _source(item: Any) -> tuple[str, int]:
    """UID and frame of the picture that an item is derived from."""
    source = item.SourceImageSequence[0]
    return str(source.ReferencedSOPInstanceUID), int(source.get("ReferencedFrameNumber") or 1)


def _picture(content: bytes | Path) -> NDArray[np.uint8]:
    """RGB of a picture."""
    with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
        return np.array(image.convert("RGB"))


if __name__ == "__main__":
    sys.exit(main())
