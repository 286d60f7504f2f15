"""Masks drawn on their pictures: as PNG, and as Secondary Captures for viewers without SEG."""

from pathlib import Path
from typing import Any

import numpy as np

from bmis.clinical.headers import MANUFACTURER, SERIES_NUMBER, check_identifiers, complete_header
from bmis.clinical.result import StackResult
from bmis.clinical.stack import DicomStack
from bmis.data.drawing import overlay
from bmis.data.images import write_image
from bmis.errors import DataError, require
from bmis.system.files import atomic, output_folder


def write_overlay_pictures(result: StackResult, folder: Path) -> list[Path]:
    """Write ``overlays/<number>.png`` for each picture that has a mask.

    Returns:
        The files.

    Example:
        >>> import bmis
        >>> from bmis.clinical.segment import segment
        >>> from bmis.clinical.study import find_stacks
        >>> (stack,) = find_stacks([Path("skin.dcm")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     write_overlay_pictures(result, Path("out"))
        [PosixPath('out/overlays/0001.png')]
    """
    drawn = output_folder(folder / "overlays")
    targets = []
    for index in result.good:
        picture = overlay(result.stack.read(index).pixels, np.asarray(result.labels[index]))
        targets.append(drawn / f"{result.stack.slice_name(index)}.png")
        write_image(targets[-1], picture)
    return targets


def write_captures(result: StackResult, folder: Path) -> list[Path]:
    """Write ``captures/<number>.dcm``, a Secondary Capture for each picture that has a mask.

    Returns:
        The files.

    Raises:
        DataError: There is no DICOM to refer to.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> import bmis
        >>> from bmis.clinical.segment import segment
        >>> from bmis.clinical.study import find_stacks
        >>> (stack,) = find_stacks([Path("skin.dcm")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     write_captures(result, Path("out"))
        [PosixPath('out/captures/0001.dcm')]
    """
    stack = result.stack
    if not isinstance(stack, DicomStack):
        raise DataError(f"{stack.path(0)}: no DICOM, so sc has no study to lie in; write png")
    check_identifiers(stack)
    captures = output_folder(folder / "captures")
    targets = []
    for number, index in enumerate(result.good, start=1):
        picture = overlay(stack.read(index).pixels, np.asarray(result.labels[index]))
        target = captures / f"{stack.slice_name(index)}.dcm"
        capture = _capture(result, stack, index, number, picture)
        with atomic(target) as temporary:
            capture.save_as(temporary, enforce_file_format=True)
        targets.append(target)
    return targets


def _capture(result: StackResult, stack: DicomStack, index: int, number: int, picture: Any) -> Any:
    """A Secondary Capture of one picture that refers to the image it was drawn on."""
    from pydicom import Dataset

    sc: Any = require("highdicom.sc", extra="clinical")
    file, frame = stack.frames[index]
    capture = sc.SCImage.from_ref_dataset(
        ref_dataset=complete_header(file.header),
        pixel_array=picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # highdicom wants one; the image's own is set below
        series_instance_uid=result.uid("series", "sc"),
        series_number=SERIES_NUMBER + 2,
        sop_instance_uid=result.uid("sc", index),
        instance_number=number,
        manufacturer=MANUFACTURER,
        pixel_spacing=result.spacing_of(index),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        series_description=f"Overlay by {result.model}"[:64],
        specific_character_set="ISO_IR 192",
    )
    if "ImageLaterality" not in capture:
        capture.Laterality = file.header.get("Laterality")
    capture.PatientOrientation = file.header.get("PatientOrientation")
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.DerivationDescription = "Segmentation drawn on the image"
    capture.BurnedInAnnotation = str(file.header.get("BurnedInAnnotation") or "YES")
    source = Dataset()
    source.ReferencedSOPClassUID = file.header.SOPClassUID
    source.ReferencedSOPInstanceUID = file.header.SOPInstanceUID
    if file.frames > 1:
        source.ReferencedFrameNumber = frame + 1
    capture.SourceImageSequence = [source]
    return capture
