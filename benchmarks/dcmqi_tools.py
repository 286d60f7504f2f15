"""What dcmqi, which 3D Slicer reads DICOM by, makes of segmentations and reports."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from bmis.system.files import output_folder
from bmis.wording import counted

Arrays = NDArray[np.bool_]
_GAP = 3.0  # mm between the slices of the studies that lie in space


def read_masks(segmentation: Path, work: Path) -> NDArray[Any]:
    """The masks of all segments in one (n, H, W), in the order of dcmqi."""
    volumes = [SimpleITK.GetArrayFromImage(one) for one in _volumes(segmentation, work)]
    masks: NDArray[Any] = np.max(np.stack(volumes), axis=0)
    return masks


def compare_in_space(segmentation: Path, source: Path, ours: Arrays, target: Path) -> str:
    """Whether dcmqi's masks, placed by millimetres over the source, are ours in each slice."""
    if "FrameOfReferenceUID" not in dcmread(segmentation, stop_before_pixels=True):
        return "lies in no space"
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    work = output_folder(segmentation.parent / "read" / "in_space")
    try:
        theirs = _draw(segmentation, files, work, target)
    except FileNotFoundError as error:
        return f"not installed: {error.filename}"
    same = any(np.array_equal(order, ours) for order in (theirs, theirs[::-1]))
    return "the same masks" if same else f"differs in {int((theirs != ours).sum())} pixels"


def compare_report(segmentation: Path) -> str:
    """Whether dcmqi reads in a report what stands in the tables."""
    folder = segmentation.parent
    try:
        found = _read_report(folder / "report.dcm", output_folder(folder / "read"))
    except FileNotFoundError as error:
        return f"not installed: {error.filename}"
    with (folder / "measurements.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["area_px"])]
    columns = {"mm2": "area_mm2", "mm": "diameter_mm", "{pixels}": "area_px"}
    wrong = 0
    for unit in columns:
        values = [value for _, own, value in found if own == unit]
        expected = [float(row[columns[unit]] or "nan") for row in rows]
        wrong += bool(values) and not np.allclose(values, expected, rtol=1e-5)
    volumes = [value for _, own, value in found if own == "mm3"]
    voxels = sum(int(row["area_px"]) for row in rows)
    if volumes:  # all classes together, which are one here
        plane = float(rows[0]["area_mm2"]) / int(rows[0]["area_px"])
        wrong += not np.isclose(sum(volumes), voxels * plane * _GAP, rtol=1e-5)
    return f"{counted(len(found), 'value')} as in the tables" if not wrong else "differs"


def _draw(segmentation: Path, sources: list[Path], work: Path, target: Path) -> Arrays:
    """Draw the segmentation as dcmqi reads it over its source, each placed by its own millimetres.

    Args:
        segmentation: It lies in space.
        sources: The files of its series, or its one file of several frames.
        work: Folder for the files of dcmqi.
        target: The picture: a row for each slice, without and with the mask.

    Returns:
        The masks (n, H, W) on the grid of the source, from its first slice in space to its last.
    """
    if len(sources) > 1:
        reader: Any = SimpleITK.ImageSeriesReader
        names = reader.GetGDCMSeriesFileNames(str(sources[0].parent))
        source = SimpleITK.ReadImage(names)
    else:
        source = SimpleITK.ReadImage(sources[0])
    identity: Any = SimpleITK.Transform
    placed = [
        SimpleITK.Resample(one, source, identity(), SimpleITK.sitkNearestNeighbor)
        for one in _volumes(segmentation, work)
    ]
    masks: Arrays = np.max([SimpleITK.GetArrayFromImage(one) for one in placed], axis=0) > 0
    grey = SimpleITK.GetArrayFromImage(source).astype(np.float32)
    low, high = np.percentile(grey, (0.5, 99.5))
    shown = (np.clip((grey - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    plain = np.repeat(shown[..., None], 3, axis=3)
    over = plain.copy()
    over[masks] = over[masks] // 2 + np.array([0, 127, 0], np.uint8)
    rows = np.concatenate([plain, over], axis=2)
    Image.fromarray(np.concatenate(list(rows))).save(target)
    return masks


def _read_report(report: Path, work: Path) -> list[tuple[str, str, float]]:
    """What, unit and value of each measurement of a report by TID 1500, in order."""
    found = work / "report.json"
    _call("tid1500reader", "--inputDICOM", report, "--outputMetadata", found)
    groups = json.loads(found.read_text(encoding="utf-8"))["Measurements"]
    items = [item for group in groups for item in group["measurementItems"]]
    return [
        (item["quantity"]["CodeMeaning"], item["units"]["CodeValue"], float(item["value"]))
        for item in items
    ]


def _volumes(segmentation: Path, work: Path) -> list[Any]:
    """A volume for each segment."""
    _call("segimage2itkimage", "--inputDICOM", segmentation, "--outputDirectory", work, "-t", "nii")
    return [SimpleITK.ReadImage(one) for one in sorted(work.glob("*.nii*"))]


def _call(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
