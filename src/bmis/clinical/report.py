"""Measurements of a stack as a DICOM structured report by TID 1500, written by highdicom.

A volume whose slices lie evenly spaced gives a volume for each class. Other stacks give an area and
a longest diameter for each picture and class. All refer to the segmentation that lies beside.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bmis.clinical.codes import ARTIFICIAL_INTELLIGENCE, Code, codes_of, concept, foreground
from bmis.clinical.headers import MANUFACTURER, SERIES_NUMBER, complete_header
from bmis.clinical.result import StackResult
from bmis.clinical.stack import DicomStack
from bmis.errors import DataError, require
from bmis.predict.measurements import measure
from bmis.system.files import atomic

if TYPE_CHECKING:
    from pydicom import Dataset

_AREA = Code("42798000", "SCT", "Area")
_VOLUME = Code("118565006", "SCT", "Volume")
_DIAMETER = Code("103339001", "SCT", "Long axis")
_MM, _MM2, _MM3 = (
    Code("mm", "UCUM", "millimeter"),
    Code("mm2", "UCUM", "square millimeter"),
    Code("mm3", "UCUM", "cubic millimeter"),
)
_PIXELS = Code("{pixels}", "UCUM", "pixels")
_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
_TITLE = Code("126000", "DCM", "Imaging Measurement Report")


def write_report(result: StackResult, folder: Path) -> list[Path]:
    """Write ``report.dcm`` beside ``segmentation.dcm``, which must be there.

    Returns:
        The file.

    Raises:
        DataError: There is no segmentation to refer to.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> import bmis
        >>> from bmis.clinical.outputs import write_results
        >>> from bmis.clinical.segment import segment
        >>> from bmis.clinical.study import find_stacks
        >>> (stack,) = find_stacks([Path("clip.dcm")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     written, _ = write_results(result, Path("out/us"), ["seg"])
        ...     write_report(result, Path("out/us"))[0].name
        'report.dcm'
    """
    from pydicom import dcmread

    sr: Any = require("highdicom.sr", extra="clinical")
    stack = result.stack
    if not isinstance(stack, DicomStack) or not (folder / "segmentation.dcm").is_file():
        raise DataError(f"{stack.path(0)}: there is no segmentation that sr could refer to")
    segmentation = dcmread(folder / "segmentation.dcm", stop_before_pixels=True)
    sources = [complete_header(file.header) for file in stack.files]
    make = partial(
        sr.ComprehensiveSR,
        content=_content(result, stack, segmentation),
        series_instance_uid=result.uid("series", "sr"),
        series_number=SERIES_NUMBER + 1,
        sop_instance_uid=result.uid("sr"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=f"Measurements by {result.model}"[:64],
        specific_character_set="ISO_IR 192",
    )
    try:
        report = make([*sources, segmentation])
    except KeyError:  # highdicom takes patient and study from the first, if it knows its kind
        report = make([segmentation, *sources])
    with atomic(folder / "report.dcm") as temporary:
        report.save_as(temporary, enforce_file_format=True)
    return [folder / "report.dcm"]


def _content(result: StackResult, stack: DicomStack, segmentation: "Dataset") -> Any:
    """The content tree of the report."""
    sr: Any = require("highdicom.sr", extra="clinical")
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=result.uid("device"), manufacturer_name=MANUFACTURER, model_name=result.model[:64]
    )
    observer = sr.ObserverContext(
        observer_type=concept(Code("121007", "DCM", "Device")),
        observer_identifying_attributes=device,
    )
    is_volume = len(stack) > 1 and stack.affine is not None
    groups = _volumes(result, stack, segmentation) if is_volume else ()
    groups = list(groups or _areas(result, stack, segmentation)) or list(_nothing(result, stack))
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=concept(_PROCEDURE),
        imaging_measurements=groups,
        title=concept(_TITLE),
    )


def _volumes(result: StackResult, stack: DicomStack, segmentation: "Dataset") -> list[Any]:
    """A group for the volume of each class that was found."""
    sr: Any = require("highdicom.sr", extra="clinical")
    assert stack.affine is not None
    voxel = abs(float(np.linalg.det(stack.affine[:3, :3])))
    groups = []
    for label, name in foreground(result.info):
        count = sum(int(np.count_nonzero(plane == label)) for plane in result.labels)
        if not count:
            continue
        segment = sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=label,
            source_series=sr.SourceSeriesForSegmentation(
                str(stack.frames[0][0].header.SeriesInstanceUID)
            ),
        )
        groups.append(
            sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                referenced_segment=segment,
                measurements=[_measurement(_VOLUME, count * voxel, _MM3)],
                **_common(result, label, name),
            )
        )
    return groups


def _areas(result: StackResult, stack: DicomStack, segmentation: "Dataset") -> Iterator[Any]:
    """A group for each picture and class that was found in it."""
    sr: Any = require("highdicom.sr", extra="clinical")
    numbers = _frame_numbers(segmentation)
    for index in result.good:
        for label, name in foreground(result.info):
            found = measure(np.asarray(result.labels[index]), label, result.spacing_of(index))
            source = _source(stack, index)
            number = numbers.get((*source, label))
            if not found.area_px or number is None:
                continue
            uid, frame = source
            header = stack.frames[index][0].header
            image = sr.SourceImageForSegmentation(
                header.SOPClassUID, uid, [frame] if frame else None
            )
            segment = sr.ReferencedSegmentationFrame(
                sop_class_uid=segmentation.SOPClassUID,
                sop_instance_uid=segmentation.SOPInstanceUID,
                frame_number=number,
                segment_number=label,
                source_image=image,
            )
            # highdicom names the segment too, which is not allowed beside a frame (PS3.3 C.18.4)
            del segment[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
            yield sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                referenced_segment=segment,
                measurements=_of_picture(found.area_px, found.area_mm2, found.diameter_mm),
                **_common(result, label, name, index),
            )


def _nothing(result: StackResult, stack: DicomStack) -> Iterator[Any]:
    """Where nothing was found, a group for each class that says so: an area of 0."""
    sr: Any = require("highdicom.sr", extra="clinical")
    index = result.good[0]
    uid, frame = _source(stack, index)
    kind = stack.frames[index][0].header.SOPClassUID
    for label, name in foreground(result.info):
        yield sr.MeasurementsAndQualitativeEvaluations(
            source_images=[
                sr.SourceImageForMeasurementGroup(kind, uid, [frame] if frame else None)
            ],
            measurements=[_measurement(_AREA, 0.0, _MM2 if result.spacing_of(index) else _PIXELS)],
            **_common(result, label, name),
        )


def _common(result: StackResult, label: int, name: str, index: int | None = None) -> dict[str, Any]:
    """What all groups say: what was measured, and by what."""
    import bmis

    sr: Any = require("highdicom.sr", extra="clinical")
    category, kind = codes_of(name, result.options.codes)
    place = "" if index is None else f" in {result.stack.slice_name(index)}"
    return {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=result.uid("segment", label, index), identifier=f"{name}{place}"[:64]
        ),
        "finding_type": concept(kind),
        "finding_category": concept(category),
        "algorithm_id": sr.AlgorithmIdentification(
            name=result.model[:64],
            version=bmis.__version__,
            family=concept(ARTIFICIAL_INTELLIGENCE),
            manufacturer=MANUFACTURER,
        ),
    }


def _of_picture(pixels: int, area: float | None, diameter: float | None) -> list[Any]:
    if area is None or diameter is None:
        return [_measurement(_AREA, float(pixels), _PIXELS)]
    return [_measurement(_AREA, area, _MM2), _measurement(_DIAMETER, diameter, _MM)]


def _measurement(name: Code, value: float, unit: Code) -> Any:
    sr: Any = require("highdicom.sr", extra="clinical")
    return sr.Measurement(name=concept(name), value=float(f"{value:.6g}"), unit=concept(unit))


def _source(stack: DicomStack, index: int) -> tuple[str, int | None]:
    """UID and number of the frame, from 1, of a picture; no number in files of one frame."""
    file, frame = stack.frames[index]
    return str(file.header.SOPInstanceUID), frame + 1 if file.frames > 1 else None


def _frame_numbers(segmentation: "Dataset") -> dict[tuple[str, int | None, int], int]:
    """Number of the frame of a segmentation, by its source and segment."""
    numbers = {}
    for number, group in enumerate(segmentation.PerFrameFunctionalGroupsSequence, start=1):
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        frame = source.get("ReferencedFrameNumber")
        segment = _segment_of(segmentation, group)
        key = str(source.ReferencedSOPInstanceUID), None if frame is None else int(frame), segment
        numbers[key] = number
    return numbers


def _segment_of(segmentation: "Dataset", group: "Dataset") -> int:
    """The segment of a frame, which all frames share where there is one segment only."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    holder = group if "SegmentIdentificationSequence" in group else shared
    return int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
