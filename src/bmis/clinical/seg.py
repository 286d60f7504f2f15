"""DICOM segmentations of a stack, written by highdicom.

Slices that lie in space (a Frame of Reference, positions and orientations) give a segmentation in
that space, other pictures one by reference, see ``seg_by_reference``.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.codes import ARTIFICIAL_INTELLIGENCE, codes_of, concept, foreground
from bmis.clinical.headers import (
    MANUFACTURER,
    SERIAL,
    SERIES_NUMBER,
    check_identifiers,
    complete_header,
)
from bmis.clinical.result import StackResult
from bmis.clinical.seg_by_reference import segment_by_reference
from bmis.clinical.stack import DicomStack
from bmis.data.palette import palette
from bmis.errors import DataError, require
from bmis.system.files import atomic

if TYPE_CHECKING:
    from pydicom import Dataset

_LARGEST = 2**30  # bytes of probabilities that highdicom needs at once


def write_seg(result: StackResult, path: Path) -> "Dataset":
    """Write the segmentation of a DICOM stack.

    Returns:
        The data set that was written.

    Raises:
        DataError: There is no DICOM to refer to, or highdicom refuses it.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> from bmis.clinical.segment import segment
        >>> from bmis.clinical.study import find_stacks
        >>> import bmis
        >>> (stack,) = find_stacks([Path("clip.dcm")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     write_seg(result, Path("seg.dcm")).Modality
        'SEG'
    """
    stack = result.stack
    if not isinstance(stack, DicomStack):
        raise DataError(f"{stack.path(0)}: no DICOM, so seg has no study to lie in; write nifti")
    require("highdicom", extra="clinical")
    check_identifiers(stack)
    lies_in_space = stack.affine is not None and len(set(stack.files)) in (1, len(stack))
    dataset = (
        _in_space(result, stack)
        if lies_in_space
        else segment_by_reference(
            result, stack, lambda header: _highdicom(result, [header], _pixels(result, [0]))
        )
    )
    with atomic(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
    return dataset


def _in_space(result: StackResult, stack: DicomStack) -> "Dataset":
    """A segmentation whose frames lie where the slices do."""
    single = len(stack.files) == len(stack)
    chosen = result.good if single else list(range(len(stack)))
    sources = [complete_header(stack.frames[index][0].header) for index in chosen]
    sources = sources if single else sources[:1]
    return _highdicom(result, sources, _pixels(result, chosen))


def _pixels(result: StackResult, chosen: list[int]) -> NDArray[Any]:
    """What highdicom writes: labels (n, H, W), or probabilities (n, H, W, classes)."""
    if result.options.seg_type != "fractional":
        whole = len(chosen) == len(result.labels)
        return result.labels if whole else result.labels[chosen]
    probabilities = result.known_probabilities
    if probabilities.nbytes > _LARGEST:
        raise DataError(
            f"{result.stack.path(0)}: fractional segmentations of more than "
            f"{_LARGEST // 2**30} GiB of probabilities are not written; write binary"
        )
    first = probabilities.shape[1] - len(foreground(result.info))
    return np.ascontiguousarray(probabilities[chosen][:, first:].transpose(0, 2, 3, 1))


def _highdicom(result: StackResult, sources: "list[Dataset]", pixels: NDArray[Any]) -> "Dataset":
    """A segmentation as highdicom makes it."""
    import bmis

    seg: Any = require("highdicom.seg", extra="clinical")
    dataset = seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=result.options.seg_type.upper(),
        segment_descriptions=_descriptions(result),
        series_instance_uid=result.uid("series", "seg"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=result.uid("seg"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=result.model[:64],
        software_versions=bmis.__version__,
        device_serial_number=SERIAL,
        series_description=f"Segmentation by {result.model}"[:64],
        content_label="SEGMENTATION",
        specific_character_set="ISO_IR 192",
    )
    _set_dimensions(dataset, result.uid("dimensions"))
    return dataset  # type: ignore[no-any-return]


def _set_dimensions(dataset: "Dataset", uid: str) -> None:
    """Give the dimensions a UID that does not change from run to run."""
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _descriptions(result: StackResult) -> list[Any]:
    import bmis

    highdicom: Any = require("highdicom", extra="clinical")
    colours = palette(1 + max(label for label, _ in foreground(result.info)))
    identification = highdicom.AlgorithmIdentificationSequence(
        name=result.model[:64],
        family=concept(ARTIFICIAL_INTELLIGENCE),
        version=bmis.__version__,
        source=MANUFACTURER,
    )
    described = []
    for label, name in foreground(result.info):
        category, kind = codes_of(name, result.options.codes)
        colour = highdicom.color.CIELabColor.from_rgb(*(int(part) for part in colours[label]))
        described.append(
            highdicom.seg.SegmentDescription(
                segment_number=label,
                segment_label=name[:64],
                segmented_property_category=concept(category),
                segmented_property_type=concept(kind),
                algorithm_type="AUTOMATIC",
                algorithm_identification=identification,
                tracking_uid=result.uid("segment", label),
                tracking_id=f"{name[:56]}-{label}",
                display_color=colour,
            )
        )
    return described
