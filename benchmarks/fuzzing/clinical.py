"""DICOM and NIfTI files that come with packages, damaged as bytes and as elements."""

import io
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from pydicom import DataElement, Dataset, dcmread
from pydicom.uid import UID

from bmis.clinical.deidentify import write_copies
from bmis.clinical.study import find_stacks
from bmis.data.formats.dicom import load_pydicom, silence
from bmis.predict import load
from bmis.runtime.average import load_ensemble
from fuzzing.edits import NUMBERS, TEXTS, edit_bytes
from fuzzing.material import BUNDLE
from fuzzing.mutant import Mutant

SEEDS = "seeds"
"""Folder of the material with more DICOM files."""

_LARGEST = 2**23  # bytes of a file that is damaged
_DICOM = (".dcm", ".ima", "")
_GOOD, _OWN_UID = "CT_small.dcm", "2.25.1"
_SIZES = (  # elements that say how much there is
    *("Rows", "Columns", "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit"),
    *("SamplesPerPixel", "PlanarConfiguration", "PixelRepresentation", "PixelPaddingValue"),
    *("WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "PixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SeriesNumber", "InstanceNumber"),
)
_WORDS = (
    *("PhotometricInterpretation", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"),
    *("FrameOfReferenceUID", "Modality", "PatientName", "StudyDate", "SpecificCharacterSet"),
)
_OUTPUTS = {  # and one file that each must leave of a good series
    "seg,csv": "segmentation.dcm",
    "csv,json": "outlines.geojson",
    "seg,sr": "report.dcm",
    "sc,png": "captures/0001.dcm",
    "nifti": "mask.nii.gz",
}


def clinical(random: Random, material: Path, folder: Path) -> Mutant:
    """A damaged file beside a good series, given to ``predict`` or ``inspect``; some zipped."""
    _keep_network()
    study, out = folder / "study", folder / "out"
    study.mkdir()
    name, data, how = damaged_file(random, material)
    (study / f"bad{''.join(Path(name).suffixes)[-7:]}").write_bytes(data)
    note = f"{name} {how}"
    if random.random() < 0.2:
        return Mutant([["inspect", str(study)]], (), note)
    (study / "good.dcm").write_bytes(_good(material))
    if random.random() < 0.1:
        study, note = Path(shutil.make_archive(str(study), "zip", study)), f"{note} zipped"
    outputs = random.choice(list(_OUTPUTS))
    command = ["predict", str(material / BUNDLE), str(study), "--out", str(out)]
    command += ["--as", outputs, "--engine", "onnxruntime", "--threads", "1"]
    options = random.choice(([], [], ["--overlay"], ["--window", "40,400"], ["--deidentify"]))
    results = _good_name(material, "--deidentify" in options)
    return Mutant([command + options], (out / results / _OUTPUTS[outputs],), note)


@cache
def _keep_network() -> None:
    """Load the sound network once in a process; it is not tried here, and is half of the work."""
    once = cache(lambda paths, options: load_ensemble(list(paths), options))
    kept = {"load_ensemble": lambda models, options=None: once(tuple(models), options)}
    vars(load).update(kept)


def damaged_file(random: Random, material: Path) -> tuple[str, bytes, str]:
    """What a file was called, its bytes now, and what was done to it."""
    name, data = random.choice(_samples(material))
    return name, *_damage(random, name, data)


@cache
def _samples(material: Path) -> list[tuple[str, bytes]]:
    """Names and contents of the files of all packages, in an order that stays."""
    found = []
    for root, ends in _sources(material):
        for path in sorted(root.rglob("*")):
            wanted = path.is_file() and path.suffix.lower() in ends
            if wanted and 0 < path.stat().st_size <= _LARGEST:
                found.append((path.name, path.read_bytes()))
    return found


def _sources(material: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Folders of sound files, and how the names of those end that are wanted."""
    for package, folder, ends in (
        ("pydicom", "data", _DICOM),
        ("nibabel", "tests/data", (".nii", ".gz", ".hdr", ".img", ".dcm")),
        ("pynetdicom", "tests/dicom_files", _DICOM),
    ):
        yield Path(str(files(package))) / folder, ends
    yield material / SEEDS, _DICOM


@cache
def _good(material: Path) -> bytes:
    """A sound file that no damaged one is a copy of."""
    load_pydicom()
    dataset = dcmread(io.BytesIO(next(d for name, d in _samples(material) if name == _GOOD)))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(_OWN_UID)
    dataset.SeriesInstanceUID = f"{_OWN_UID}.1"
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


@cache
def _good_name(material: Path, deidentified: bool) -> str:
    """What the folder with the results of the sound file is called."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "good.dcm")
        path.write_bytes(_good(material))
        (read,) = write_copies([path], Path(folder), "2.25")[0] if deidentified else [path]
        return find_stacks([read]).stacks[0].name


def _damage(random: Random, name: str, data: bytes) -> tuple[bytes, str]:
    """Damage elements where the file can be read and written, else bytes."""
    load_pydicom()
    silence()
    if not name.endswith(".dcm") or random.random() < 0.5:
        return edit_bytes(random, data), "bytes"
    try:
        dataset = dcmread(io.BytesIO(data), force=True)
        how = [random.choice(_EDITS)(random, dataset) for _ in range(random.randint(1, 3))]
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=False)
    except Exception:  # pydicom itself refuses to write it
        return edit_bytes(random, data), "bytes"
    return stream.getvalue(), " ".join(how)


def _set_size(random: Random, dataset: Dataset) -> str:
    name = random.choice(_SIZES)
    values = (*NUMBERS[:18], "", [1, 2, 3], [0.0] * 6)
    return _set(dataset, name, random.choice(values))


def _set_word(random: Random, dataset: Dataset) -> str:
    return _set(dataset, random.choice(_WORDS), random.choice((*TEXTS, "MONOCHROME1", "RGB")))


def _set(dataset: Dataset, name: str, value: Any) -> str:
    setattr(dataset, name, value)
    return f"{name}={str(value)[:20]!r}"


def _remove(random: Random, dataset: Dataset) -> str:
    element: DataElement = random.choice(list(dataset))
    del dataset[element.tag]
    return f"without {element.tag}"


def _cut_pixels(random: Random, dataset: Dataset) -> str:
    pixels = dataset.get("PixelData") or b""
    dataset.PixelData = pixels[: random.randint(0, len(pixels)) // 2 * 2]
    return "pixels cut"


def _change_syntax(random: Random, dataset: Dataset) -> str:
    dataset.file_meta.TransferSyntaxUID = UID(f"1.2.840.10008.1.2.{random.choice(_SYNTAXES)}")
    return f"syntax {dataset.file_meta.TransferSyntaxUID}"


_SYNTAXES = ("1", "2", "1.99", "4.50", "4.70", "4.80", "4.90", "5", "4.102")
_EDITS: tuple[Callable[[Random, Dataset], str], ...] = (
    *(_set_size, _set_size, _set_word, _remove, _cut_pixels, _change_syntax),
)
