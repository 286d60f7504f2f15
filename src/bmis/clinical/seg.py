"""DICOM segmentations of a stack, written by highdicom.

Slices that lie in space (a Frame of Reference, positions and orientations) give a segmentation in
that space. Clips and photographs have none. The standard then wants each pixel of the segmentation
to correspond to a pixel of an image that it refers to (PS3.3 A.51.5.1, Derivation Image). highdicom
writes that for one frame only. So it writes the first frame, and the others are added here.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.codes import ARTIFICIAL_INTELLIGENCE, codes_of, concept, foreground
from bmis.clinical.result import StackResult
from bmis.clinical.stack import DicomStack
from bmis.data.palette import palette
from bmis.errors import ConfigError, DataError, require
from bmis.system.files import atomic

if TYPE_CHECKING:
    from pydicom import Dataset

SERIES_NUMBER = 900
"""Number of the first series that is written; scanners rarely come as far."""

MANUFACTURER, SERIAL = "bmis", "0"
_EMPTY = (  # what a header must have, if only without a value
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "Modality", "Laterality"),
)
_SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture Image Storage
_OF_EACH_FRAME = ("SegmentIdentificationSequence", "DerivationImageSequence")
_TEMPORAL_POSITION = 0x00209128  # TemporalPositionIndex
_FRAME_CONTENT = 0x00209111  # FrameContentSequence
_MOST = 2**32 - 2  # bytes of the pixels of a file without compression
_LARGEST = 2**30  # bytes of probabilities that highdicom needs at once


def complete_header(header: "Dataset") -> "Dataset":
    """A header as highdicom needs it: what may be empty but must be there is there.

    Args:
        header: Header of a file; it is not changed.

    Example:
        >>> from pydicom import Dataset
        >>> complete_header(Dataset()).PatientID
        ''
    """
    complete = deepcopy(header)  # a shallow copy of pydicom shares its elements
    for name in _EMPTY:
        if complete.get(name) is None:
            setattr(complete, name, "")
    return complete


def write_seg(result: StackResult, path: Path) -> "Dataset":
    """Write the segmentation of a DICOM stack.

    Returns:
        The data set that was written.

    Raises:
        DataError: There is no DICOM to refer to, or highdicom refuses it.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> from bmis.clinical.run import segment
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
    lies_in_space = stack.affine is not None and len(set(stack.files)) in (1, len(stack))
    dataset = _in_space(result, stack) if lies_in_space else _by_reference(result, stack)
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
    probabilities = _probabilities(result)
    if probabilities.nbytes > _LARGEST:
        raise DataError(
            f"{result.stack.path(0)}: fractional segmentations of more than "
            f"{_LARGEST // 2**30} GiB of probabilities are not written; write binary"
        )
    first = probabilities.shape[1] - len(foreground(result.info))
    return np.ascontiguousarray(probabilities[chosen][:, first:].transpose(0, 2, 3, 1))


def _probabilities(result: StackResult) -> NDArray[np.float32]:
    if result.probabilities is None:
        raise ConfigError("a fractional segmentation needs a predictor that keeps probabilities")
    return result.probabilities


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


def _by_reference(result: StackResult, stack: DicomStack) -> "Dataset":
    """A segmentation without space, each frame of which refers to the one that it is of."""
    header = complete_header(stack.frames[0][0].header)
    for name in ("FrameOfReferenceUID", "NumberOfFrames", "PositionReferenceIndicator"):
        if name in header:
            del header[name]
    header.SOPClassUID = _SINGLE_FRAME  # for highdicom; what is referred to is set below
    template = _highdicom(result, [header], _pixels(result, [0]))
    shared = template.SharedFunctionalGroupsSequence[0]
    item = deepcopy(template.PerFrameFunctionalGroupsSequence[0])
    for name in _OF_EACH_FRAME:  # highdicom shares them among the frames, as there is one only
        if name in shared:
            item[name] = shared[name]
            del shared[name]
    groups, indices, packed = [], set(), _PackedPixels(bits=template.BitsAllocated)
    for index, segment, plane in _frames(result):
        groups.append(_group(item, stack, index, segment))
        indices.add(index)
        packed.add(plane)
        if len(packed.data) > _MOST:
            raise DataError(f"{stack.path(0)}: too many pixels for one segmentation; cut the clip")
    template.PerFrameFunctionalGroupsSequence = groups
    template.NumberOfFrames = len(groups)
    _index_by_time(template)
    _refer_to(template, stack, sorted(indices))
    template.PatientOrientation = header.get("PatientOrientation")
    template.PixelData = packed.finish()
    return template


class _PackedPixels:
    """Pixels of frames one after the other, as bytes or as bits without a gap (PS3.5 8.1.1)."""

    def __init__(self, bits: int) -> None:
        self.data, self._bits = bytearray(), bits
        self._rest = np.zeros(0, np.uint8)  # bits that do not fill a byte yet

    def add(self, plane: NDArray[np.uint8]) -> None:
        """Add the pixels of a frame."""
        if self._bits > 1:
            self.data += plane.tobytes()
            return
        bits = np.concatenate([self._rest, plane.ravel()])
        whole = len(bits) // 8 * 8
        self.data += np.packbits(bits[:whole], bitorder="little").tobytes()
        self._rest = bits[whole:]

    def finish(self) -> bytes:
        """All bytes, of an even number."""
        self.data += np.packbits(self._rest, bitorder="little").tobytes()
        return bytes(self.data) + b"\0" * (len(self.data) % 2)


def _frames(result: StackResult) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Picture, segment and pixels of every frame; where nothing was found, one empty frame."""
    kind, classes, empty = result.options.seg_type, foreground(result.info), True
    for index in result.good:
        if kind == "labelmap":
            planes = [(0, np.asarray(result.labels[index]))]
        elif kind == "binary":
            planes = [(k, (result.labels[index] == k).astype(np.uint8)) for k, _ in classes]
        else:
            own = _probabilities(result)[index][-len(classes) :]
            planes = [
                (k, np.rint(one * 255).astype(np.uint8))
                for (k, _), one in zip(classes, own, strict=True)
            ]
        for segment, plane in planes:
            if plane.any():
                empty = False
                yield index, segment, plane
    if empty:
        first = 0 if kind == "labelmap" else classes[0][0]
        yield result.good[0], first, np.zeros(result.stack.size, np.uint8)


def _group(item: "Dataset", stack: DicomStack, index: int, segment: int) -> "Dataset":
    """The functional groups of a frame, by those of the template's only frame."""
    file, frame = stack.frames[index]
    group = deepcopy(item)
    content = group.FrameContentSequence[0]
    content.TemporalPositionIndex = index + 1
    content.DimensionIndexValues = [segment, index + 1] if segment else [index + 1]
    if segment:
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = segment
    source = group.DerivationImageSequence[0].SourceImageSequence[0]
    source.ReferencedSOPClassUID = file.header.SOPClassUID
    source.ReferencedSOPInstanceUID = file.header.SOPInstanceUID
    if file.frames > 1:
        source.ReferencedFrameNumber = frame + 1
    return group


def _index_by_time(template: "Dataset") -> None:
    """Let the frames be found by segment and by their place in the clip."""
    from pydicom import Dataset

    pointers = template.DimensionIndexSequence
    organization = pointers[0].DimensionOrganizationUID
    kept = [p for p in pointers if p.DimensionIndexPointer == 0x0062000B]  # ReferencedSegmentNumber
    time = Dataset()
    time.DimensionOrganizationUID = organization
    time.DimensionIndexPointer = _TEMPORAL_POSITION
    time.FunctionalGroupPointer = _FRAME_CONTENT
    time.DimensionDescriptionLabel = "Temporal Position Index"
    template.DimensionIndexSequence = [*kept, time]


def _refer_to(template: "Dataset", stack: DicomStack, indices: list[int]) -> None:
    """List the files that the frames refer to."""
    from pydicom import Dataset

    references = []
    for file in dict.fromkeys(stack.frames[index][0] for index in indices):
        reference = Dataset()
        reference.ReferencedSOPClassUID = file.header.SOPClassUID
        reference.ReferencedSOPInstanceUID = file.header.SOPInstanceUID
        references.append(reference)
    template.ReferencedSeriesSequence[0].ReferencedInstanceSequence = references
    template.SourceImageSequence = deepcopy(references)
