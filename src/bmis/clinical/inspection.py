"""``bmis inspect`` of clinical images: what is there, and how it will be read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bmis.clinical.geometry import pixel_spacing
from bmis.clinical.sources import clinical_files, images_beside
from bmis.clinical.stack import DicomStack, Stack
from bmis.clinical.study import open_study
from bmis.data.formats.dicom_pixels import frame_header
from bmis.data.not_read import NotRead, find_not_read
from bmis.errors import BmisError, one_line_about

_PATIENT = ("PatientName", "PatientID")
_SHOWN = {  # pixels and window of what is no DICOM
    "NIfTI": ("one number for each voxel", "percentiles"),
    "TIFF": ("pages", "as files of one page"),
    "video": ("frames", "colour"),
}


@dataclass(frozen=True)
class StackSummary:
    """What one series, clip or volume is.

    Attributes:
        name: What its results will be called.
        kind: Modality, "NIfTI", "TIFF" or "video".
        pictures: Number of frames or slices.
        size: Height and width in pixels.
        spacing: Millimetres per pixel (down, across), where known.
        seen: Part that the network will see (top, left, bottom, right), if not all.
        pixels: How they are stored, such as "MONOCHROME1, 12 bits".
        window: How greys will be shown.
        segmentation: Whether a DICOM segmentation lies in space, refers to frames, or is not
            possible.
        burnt_in: What the file says of burnt-in annotations: "YES", "NO" or "not said".
        notes: What is odd.
        patient: Name and identifier, only if they were asked for.

    Example:
        >>> summary = inspect_study(["clip.dcm"]).stacks[0]
        >>> summary.kind, summary.pictures, summary.seen, summary.patient
        ('US', 3, (8, 20, 56, 68), {})
    """

    name: str
    kind: str
    pictures: int
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    seen: tuple[int, int, int, int] | None
    pixels: str
    window: str
    segmentation: str
    burnt_in: str
    notes: list[str]
    patient: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyInspection:
    """What files and folders hold of clinical images.

    Attributes:
        stacks: Series, clips and volumes.
        failed: Files that cannot be read, each with one line that says why.
        skipped: Number of DICOM objects that are no pictures, by kind.
        not_read: What is not read of a folder or an archive.
        images: Image files beside them, which ``bmis predict`` takes too.

    Example:
        >>> len(inspect_study(["ct", "volume.nii.gz"]).stacks)
        2
    """

    stacks: list[StackSummary]
    failed: list[tuple[Path, str]]
    skipped: dict[str, int]
    not_read: dict[Path, NotRead] = field(default_factory=dict)
    images: int = 0

    def to_dict(self) -> dict[str, Any]:
        """All attributes as plain values for JSON."""
        failed = [{"file": str(path), "why": why} for path, why in self.failed]
        stacks = [asdict(stack) for stack in self.stacks]
        return {
            "stacks": stacks,
            "failed": failed,
            "not_images": self.skipped,
            "images": self.images,
            "not_read": {str(path): asdict(found) for path, found in self.not_read.items()},
        }


def inspect_study(sources: Sequence[Path | str], *, names: bool = False) -> StudyInspection:
    """Say what files and folders hold of DICOM and NIfTI, without decoding pixels.

    Args:
        sources: Files and folders, see ``bmis.predict_study``.
        names: Whether to tell name and identifier of the patient.

    Raises:
        DataError: There is no DICOM or NIfTI file.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> import bmis
        >>> bmis.inspect_study(["ct"]).stacks[0].spacing
        (0.5, 0.8)
    """
    paths = [Path(source) for source in sources]
    clinical = {path: clinical_files(path) for path in paths if path.is_dir()}
    images = {path: images_beside(path, files) for path, files in clinical.items()}
    beside = {path: find_not_read(path, [*clinical[path], *images[path]]) for path in clinical}
    with open_study(paths) as (study, files):
        summaries, failed = [], list(study.failed)
        for stack in study.stacks:
            try:
                with one_line_about(stack.path(0), "send it again"):
                    summaries.append(
                        _of_dicom(stack, names) if isinstance(stack, DicomStack) else _of(stack)
                    )
            except BmisError as error:
                failed.append((stack.path(0), files.in_words(str(error))))
        not_read = {path: found for path, found in beside.items() if found} | study.not_read
        return StudyInspection(
            summaries, failed, study.skipped, not_read, sum(map(len, images.values()))
        )


def _of(stack: Stack) -> StackSummary:
    pixels, window = _SHOWN[stack.kind]
    return StackSummary(
        name=stack.name,
        kind=stack.kind,
        pictures=len(stack),
        size=stack.size,
        spacing=stack.spacing(0),
        seen=None,
        pixels=pixels,
        window=window,
        segmentation="not possible: no DICOM",
        burnt_in="not said",
        notes=list(stack.notes),
    )


def _of_dicom(stack: DicomStack, names: bool) -> StackSummary:
    file, frame = stack.frames[0]
    header = frame_header(file.header, frame)
    spacing, notes = stack.spacing(0), list(stack.notes)
    if spacing is None:
        notes.append("millimetres per pixel are not known; give --spacing")
    elif pixel_spacing(header) and not header.get("PixelSpacing"):
        notes.append("millimetres at the detector or film, not in the patient")
    if stack.planes is not None and stack.affine is None:
        notes.append("slices are not evenly spaced")
    patient = {name: str(header.get(name) or "") for name in _PATIENT} if names else {}
    return StackSummary(
        name=stack.name,
        kind=stack.modality or "not said",
        pictures=len(stack),
        size=stack.size,
        spacing=spacing,
        seen=stack.box(0),
        pixels=f"{header.PhotometricInterpretation}, {header.get('BitsStored')} bits",
        window=_window(header),
        segmentation="in space" if stack.affine is not None else "by reference to the frames",
        burnt_in=str(header.get("BurnedInAnnotation") or "not said"),
        notes=notes,
        patient=patient,
    )


def _window(header: Any) -> str:
    """How greys will be shown by default."""
    if int(header.get("SamplesPerPixel") or 1) > 1 or "PALETTE" in header.PhotometricInterpretation:
        return "colour"
    if header.get("VOILUTSequence"):
        return "table of the file"
    if header.get("WindowWidth"):
        return "window of the file"
    return "as stored" if int(header.BitsAllocated) == 8 else "percentiles"
