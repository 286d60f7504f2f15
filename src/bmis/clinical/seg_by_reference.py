"""Segmentations of clips and photographs, which lie in no space.

The standard wants each pixel of such a segmentation to correspond to a pixel of an image that it
refers to (PS3.3 A.51.5.1, Derivation Image). highdicom writes that for one frame only. So it writes
the first frame, and the others are added here.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.codes import foreground
from bmis.clinical.headers import complete_header
from bmis.clinical.result import StackResult
from bmis.clinical.stack import DicomStack
from bmis.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

_SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture Image Storage
_OF_EACH_FRAME = ("SegmentIdentificationSequence", "DerivationImageSequence")
_SEGMENT_NUMBER = 0x0062000B  # ReferencedSegmentNumber
_TEMPORAL_POSITION = 0x00209128  # TemporalPositionIndex
_FRAME_CONTENT = 0x00209111  # FrameContentSequence
_MOST = 2**32 - 2  # bytes of the pixels of a file without compression


def segment_by_reference(
    result: StackResult, stack: DicomStack, make: "Callable[[Dataset], Dataset]"
) -> "Dataset":
    """A segmentation without space, each frame of which refers to the one that it is of.

    Args:
        result: The masks.
        stack: What they are of.
        make: Makes the segmentation of the first picture, whose header it gets.

    Example:
        >>> import bmis
        >>> from pathlib import Path
        >>> from bmis.clinical.segment import segment
        >>> from bmis.clinical.seg import write_seg
        >>> from bmis.clinical.study import find_stacks
        >>> (stack,) = find_stacks([Path("clip.dcm")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     seg = write_seg(result, Path("seg.dcm"))  # which calls it
        >>> "FrameOfReferenceUID" in seg
        False
    """
    header = complete_header(stack.frames[0][0].header)
    for name in ("FrameOfReferenceUID", "NumberOfFrames", "PositionReferenceIndicator"):
        if name in header:
            del header[name]
    header.SOPClassUID = _SINGLE_FRAME  # for highdicom; what is referred to is set below
    template = make(header)
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
            own = result.known_probabilities[index][-len(classes) :]
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
    derivation = item.DerivationImageSequence[0]
    reference = {
        "ReferencedSOPClassUID": file.header.SOPClassUID,
        "ReferencedSOPInstanceUID": file.header.SOPInstanceUID,
        **({"ReferencedFrameNumber": frame + 1} if file.frames > 1 else {}),
    }
    source = _with(derivation.SourceImageSequence[0], **reference)
    content = {
        "TemporalPositionIndex": index + 1,
        "DimensionIndexValues": [segment, index + 1] if segment else [index + 1],
    }
    groups = {
        "FrameContentSequence": [_with(item.FrameContentSequence[0], **content)],
        "DerivationImageSequence": [_with(derivation, SourceImageSequence=[source])],
    }
    if segment:
        numbered = _with(item.SegmentIdentificationSequence[0], ReferencedSegmentNumber=segment)
        groups["SegmentIdentificationSequence"] = [numbered]
    return _with(item, **groups)


def _with(item: "Dataset", **values: Any) -> "Dataset":
    """A copy with other values, which shares all other elements; deep copies take long."""
    from pydicom import Dataset

    changed = Dataset()
    changed.update({element.tag: element for element in item if element.keyword not in values})
    for name, value in values.items():
        setattr(changed, name, value)
    return changed


def _index_by_time(template: "Dataset") -> None:
    """Let the frames be found by segment and by their place in the clip."""
    from pydicom import Dataset

    pointers = template.DimensionIndexSequence
    organization = pointers[0].DimensionOrganizationUID
    kept = [p for p in pointers if p.DimensionIndexPointer == _SEGMENT_NUMBER]
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
