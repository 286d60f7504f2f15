"""DICOM segmentations as masks: which frames cover which picture, and the labels that they make.

A frame says which picture it covers, by its UID and frame, or at least where in space it lies.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.dicom import SEGMENTATIONS, DicomFile, read_dicom
from bmis.data.formats.dicom_pixels import frame_header, stored_values
from bmis.errors import DataError, one_line_about

if TYPE_CHECKING:
    from pydicom import Dataset

Place = tuple[str | float, ...]
"""UID and frame of a picture, or Frame of Reference and position of its first pixel."""

_DIGITS = 2  # of a position in mm
_SPACE = 3  # numbers of a position
_APART = 0.05  # mm of a position, and share of a direction, up to which they are the same
_MOST_LABELS = 255


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A DICOM segmentation of which the pixels have not been read.

    Attributes:
        file: The file.
        frames: Numbers, from 1, of the frames that cover a picture, by its place.
        series: UIDs of the series that it belongs to.
        segments: Names of the segments, in the order of their numbers.

    Example:
        >>> file = DicomFile(Path("seg.dcm"), None, 2, (48, 64))
        >>> found = Segmentation(file, {("1.2.3", 1): (2,)}, frozenset(["1.2"]), ("lesion",))
        >>> found.frames[picture_places(None, "1.2.3", 0)[0]]
        (2,)
    """

    file: DicomFile
    frames: Mapping[Place, tuple[int, ...]]
    series: frozenset[str]
    segments: tuple[str, ...]

    def covering(self, picture: DicomFile, frame: int) -> tuple[int, ...] | None:
        """Numbers of the frames that cover a picture, 0 if none does; None for another series."""
        header = picture.header
        if self.series and str(header.get("SeriesInstanceUID")) not in self.series:
            return None
        for place in picture_places(header, str(header.get("SOPInstanceUID")), frame):
            if found := self.frames.get(place) or self._beside(place):
                return found
        return (0,) if self.series else None

    def _beside(self, place: Place) -> tuple[int, ...] | None:
        """Frames at a position that was rounded otherwise."""
        reference, *position = place
        if len(position) != _SPACE:
            return None
        for (other, *there), numbers in self.frames.items():
            if other == reference and len(there) == _SPACE:
                apart = np.subtract(np.array(there, float), np.array(position, float))
                if np.abs(apart).max() <= 2 * 10**-_DIGITS:
                    return numbers
        return None

    def check_place(self, picture: DicomFile, frame: int, numbers: Sequence[int]) -> None:
        """Check that frames lie in space as the picture that they cover.

        A segmentation may name its picture and still have pixels of its own, flipped or elsewhere.

        Args:
            picture: The file of the picture.
            frame: Number of its frame, from 0.
            numbers: What ``covering`` returned.

        Raises:
            DataError: One lies elsewhere.
        """
        own = _plane(picture.header, frame)
        for number in numbers:
            other = _plane(self.file.header, number - 1) if number else None
            if own is None or other is None or np.abs(own - other).max() <= _APART:
                continue
            raise DataError(
                f"{self.file.path}: frame {number} lies otherwise in space than its image "
                f"({picture.path.name}); resample the segmentation to the pixels of the image"
            )

    def labels(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Labels (H, W) that frames make together, the numbers of their segments.

        Raises:
            DataError: There are no such frames, or they are damaged.
        """
        path, header = self.file.path, self.file.header
        labels = np.zeros(self.file.size, np.uint8)
        kind = str(header.get("SegmentationType") or "BINARY")
        for number in numbers:
            if number == 0:
                continue
            if number > self.file.frames:
                raise DataError(f"{path}: has {self.file.frames} frames, not {number}")
            with one_line_about(path, "send it again"):
                values = stored_values(self.file, number - 1)
                if kind == "LABELMAP":
                    if values.max(initial=0) > _MOST_LABELS:
                        raise DataError(f"{path}: has a label above {_MOST_LABELS}; number anew")
                    found = values.astype(np.uint8)
                else:
                    full = int(header.get("MaximumFractionalValue") or 1)
                    inside = 2 * values.astype(np.int64) >= (full if kind == "FRACTIONAL" else 1)
                    found = inside * np.uint8(_segment(header, number - 1))
                np.maximum(labels, found, out=labels)
        return labels


def is_segmentation(header: "Dataset") -> bool:
    """Whether a DICOM object is a segmentation.

    Example:
        >>> from bmis.data.formats.dicom import read_dicom
        >>> is_segmentation(read_dicom(Path("skin.dcm")).header)
        False
    """
    return str(header.get("SOPClassUID")) in SEGMENTATIONS


def read_segmentation(path: Path) -> Segmentation:
    """Read the header of a DICOM segmentation.

    Raises:
        DataError: See ``read_dicom``; or it is no segmentation.

    Example:
        >>> read_segmentation(Path("skin.dcm"))
        Traceback (most recent call last):
        bmis.errors.DataError: skin.dcm: a DICOM file that is no segmentation; masks of DICOM ...
    """
    file = read_dicom(path, segmentation=True)
    header = file.header
    if not is_segmentation(header):
        raise DataError(
            f"{path}: a DICOM file that is no segmentation; masks of DICOM images are DICOM "
            "segmentations (SEG), or PNG files of the same name"
        )
    with one_line_about(path, "send it again"):
        frames: defaultdict[Place, list[int]] = defaultdict(list)
        for index in range(file.frames):
            for place in _covered(header, index):
                frames[place].append(index + 1)
        named = sorted(header.get("SegmentSequence") or [], key=lambda one: int(one.SegmentNumber))
        return Segmentation(
            file,
            {place: tuple(numbers) for place, numbers in frames.items()},
            frozenset(
                str(one.SeriesInstanceUID) for one in header.get("ReferencedSeriesSequence") or []
            ),
            tuple(
                str(one.get("SegmentLabel") or one.SegmentNumber)
                for one in named
                if int(one.SegmentNumber) > 0  # 0 is the background of a label map
            ),
        )


def picture_places(header: Any, uid: str, frame: int) -> list[Place]:
    """How a segmentation may name a picture: by UID and frame, or by its place in space.

    Args:
        header: Header of its file, or None.
        uid: SOPInstanceUID of its file.
        frame: Number of the frame, from 0.

    Example:
        >>> picture_places(None, "1.2.3", 0)
        [('1.2.3', 1)]
    """
    places: list[Place] = [(uid, frame + 1)]
    if header is not None and (position := _position(header, frame)):
        places.append(position)
    return places


def _position(header: "Dataset", index: int) -> Place | None:
    found = frame_header(header, index).get("ImagePositionPatient")
    reference = header.get("FrameOfReferenceUID")
    if not found or not reference:
        return None
    return (str(reference), *(round(float(part), _DIGITS) + 0.0 for part in found))


def _plane(header: "Dataset", index: int) -> NDArray[np.float64] | None:
    """Position and directions of a frame as nine numbers, where it says both."""
    found = frame_header(header, index)
    parts = [found.get(name) for name in ("ImagePositionPatient", "ImageOrientationPatient")]
    if not all(parts):
        return None
    plane = np.array([float(value) for part in parts for value in part])
    return plane if plane.shape == (_SPACE + 6,) else None


def _covered(header: "Dataset", index: int) -> Iterator[Place]:
    """What a frame of a segmentation covers."""
    named = False
    for derivation in _group(header, index, "DerivationImageSequence"):
        for source in derivation.get("SourceImageSequence") or []:
            numbers = source.get("ReferencedFrameNumber") or 1
            for number in [numbers] if isinstance(numbers, int | str) else numbers:
                named = True
                yield str(source.ReferencedSOPInstanceUID), int(number)
    if not named and (position := _position(header, index)):
        yield position


def _segment(header: "Dataset", index: int) -> int:
    """The number of the segment of a frame."""
    items = _group(header, index, "SegmentIdentificationSequence")
    return int(items[0].ReferencedSegmentNumber) if items else 1


def _group(header: "Dataset", index: int, name: str) -> Sequence[Any]:
    """A functional group of a frame, or that which all frames share."""
    single = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for holder in (*single[index : index + 1], *shared[:1]):
        if holder.get(name):
            return holder.get(name)  # type: ignore[no-any-return]
    return ()
