"""DICOM files: what a header says, checked before a pixel is decoded.

pydicom reads them. A header is read without its pixels, which ``dicom_pixels`` decodes one frame at
a time, so that a clip of any length needs the memory of one frame.
"""

import logging
import warnings
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bmis.data.formats.limits import MAX_BYTES, check_size, check_stack
from bmis.errors import DataError, one_line_about, require
from bmis.system.reading import first_bytes, open_file
from bmis.wording import counted

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = (".dcm", ".dicom", ".ima")
"""Ends of names that DICOM files without the mark of a DICOM file may have."""

_MARK = (128, b"DICM")
_DEFLATED = "1.2.840.10008.1.2.1.99"
_CHUNK = 2**20
_ELEMENT = 12  # bytes of tag, type and length before compressed frames
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes of segmentations and of label maps."""

_NO_PICTURES = (  # SOP classes with pixels that are no picture of a patient
    *SEGMENTATIONS,
    "1.2.840.10008.5.1.4.1.1.30",  # Parametric Map
    "1.2.840.10008.5.1.4.1.1.481.2",  # RT Dose
)
_NEEDED = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")


class NoPictureError(DataError):
    """A DICOM object that is no picture: a report, a presentation state, a segmentation.

    Attributes:
        kind: What it is, in the words of the standard.

    Example:
        >>> NoPictureError(Path("a.dcm"), "Encapsulated PDF Storage").kind
        'Encapsulated PDF Storage'
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.kind = kind
        super().__init__(f"{path}: no picture ({kind}); name the images that it belongs to")


@dataclass(frozen=True, eq=False)
class DicomFile:
    """A DICOM image of which the pixels have not been read.

    Attributes:
        path: The file.
        header: All elements before the pixels.
        frames: Number of frames, 1 or more.
        size: Height and width of a frame in pixels.

    Example:
        >>> DicomFile(Path("a.dcm"), None, 1, (48, 64)).size
        (48, 64)
    """

    path: Path
    header: "Dataset"
    frames: int
    size: tuple[int, int]


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by its mark at byte 128 or by its name.

    Example:
        >>> is_dicom(Path("photo.png"))
        False
    """
    at, mark = _MARK
    return path.suffix.lower() in SUFFIXES or first_bytes(path, at + len(mark))[at:] == mark


@cache
def load_pydicom() -> None:
    """Load pydicom, and let it read what it can instead of complaining of every odd value.

    Raises:
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> load_pydicom()
    """
    config: Any = require("pydicom.config", extra="clinical")
    config.settings.reading_validation_mode = config.IGNORE
    for name in ("pydicom", "highdicom"):  # what they say of a file is said by our own errors
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False


def silence() -> None:
    """Keep warnings about single files off the terminal; what matters of them is an error.

    Example:
        >>> silence()
    """
    warnings.filterwarnings("ignore", module=r"pydicom|highdicom|pylibjpeg|libjpeg")


def read_dicom(path: Path, *, segmentation: bool = False) -> DicomFile:
    """Read the header of a DICOM image, and check what it claims against the size of the file.

    Args:
        path: The file.
        segmentation: Whether a segmentation counts as a picture.

    Raises:
        NoPictureError: The object is no picture.
        DataError: The file is missing, empty, damaged or too large, or no DICOM file.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> read_dicom(Path("photo.png"))
        Traceback (most recent call last):
        bmis.errors.DataError: photo.png: not a DICOM file; name files that a scanner or a PACS ...
    """
    load_pydicom()
    silence()
    with one_line_about(path), open_file(path) as stream:
        header = _read_header(path, stream)
        _check_is_picture(path, header, SEGMENTATIONS if segmentation else ())
        frames = int(header.get("NumberOfFrames") or 1)
        size = int(header.Rows), int(header.Columns)
        bits = int(header.get("SamplesPerPixel") or 1) * int(header.BitsAllocated)
        check_size(path, *size, max(1, bits // 8))
        _check_bytes(path, header, stream, frames, size)
        return DicomFile(path, header, frames, size)


def whole_dataset(file: DicomFile) -> "Dataset":
    """The file with its pixels, for the few transfer syntaxes of which no frame is read alone.

    Old files without a header of their own name no transfer syntax; it is how they were read.

    Example:
        >>> "PixelData" in whole_dataset(read_dicom(Path("skin.dcm")))
        True
    """
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    with open_file(file.path) as stream:
        dataset = dcmread(stream, force=True)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def is_deflated(header: "Dataset") -> bool:
    """Whether the whole data set is compressed, so that no frame can be read alone.

    Example:
        >>> is_deflated(read_dicom(Path("skin.dcm")).header)
        False
    """
    return str(_transfer_syntax(header)) == _DEFLATED


def _transfer_syntax(header: "Dataset") -> Any:
    return getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None)


def _read_header(path: Path, stream: BinaryIO) -> "Dataset":
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    start = stream.read(sum(map(len, _MARK[1:])) + _MARK[0])
    if not start:
        raise DataError(f"{path}: the file is empty (0 bytes); copy it again or remove it")
    marked = start[_MARK[0] :] == _MARK[1]
    if not marked and path.suffix.lower() not in SUFFIXES:
        raise _not_dicom(path)
    if marked and str(read_file_meta_info(path).get("TransferSyntaxUID")) == _DEFLATED:
        _inflated_bytes(path)  # pydicom inflates all at once
    stream.seek(0)
    try:
        return dcmread(stream, stop_before_pixels=True, force=not marked)
    except InvalidDicomError as error:
        raise _not_dicom(path) from error


def _not_dicom(path: Path) -> DataError:
    return DataError(f"{path}: not a DICOM file; name files that a scanner or a PACS has written")


def _inflated_bytes(path: Path) -> int:
    """Size of a compressed data set; one that would fill the memory is refused."""
    from pydicom.filereader import _read_file_meta_info, read_preamble

    with open_file(path) as stream:
        read_preamble(stream, False)
        _read_file_meta_info(stream)
        inflate, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while data := inflate.unconsumed_tail or stream.read(_CHUNK):
            size += len(inflate.decompress(data, _CHUNK))
            if size > MAX_BYTES:
                raise DataError(
                    f"{path}: holds more than {MAX_BYTES // 2**30} GiB once inflated; store it "
                    "without compression of the whole file"
                )
    return size


def _check_is_picture(path: Path, header: "Dataset", allowed: Collection[str]) -> None:
    from pydicom.uid import UID

    meta = getattr(header, "file_meta", {})
    uid = str(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    # what is not known is not shown: in a damaged header it may be anything, of the patient too
    kind = UID(uid).name if UID(uid).name != uid else "of an unknown kind"
    if (uid in _NO_PICTURES and uid not in allowed) or "Directory" in kind:
        raise NoPictureError(path, kind)
    lacking = [name for name in _NEEDED if header.get(name) in (None, "")]
    if len(lacking) == len(_NEEDED):
        if not uid:
            raise _not_dicom(path)
        raise NoPictureError(path, "without pixels" if "Image" in kind else kind)
    if lacking:
        raise DataError(f"{path}: damaged (no {', '.join(lacking)} in its header); send it again")


def _check_bytes(
    path: Path, header: "Dataset", stream: BinaryIO, frames: int, size: tuple[int, int]
) -> None:
    """Refuse a header that claims more frames or pixels than the file can hold.

    The stream stands at the element of the pixels, where there are some.
    """
    from pydicom.encaps import parse_fragments

    syntax, at = _transfer_syntax(header), stream.tell()
    held = stream.seek(0, 2)
    bits = int(header.get("SamplesPerPixel") or 1) * int(header.BitsAllocated)
    least = (frames * size[0] * size[1] * bits + 7) // 8
    if is_deflated(header):
        held = _inflated_bytes(path)
    elif syntax and not syntax.is_private and syntax.is_encapsulated:
        stream.seek(at + _ELEMENT)
        least, held = frames, parse_fragments(stream)[0]  # each frame has one or more
    elif "422" in header.PhotometricInterpretation:  # half of the colours are left out
        least = least * 2 // 3
    if frames < 1 or least > held:
        raise DataError(
            f"{path}: truncated or damaged (claims {counted(frames, 'frame')} of {size[0]} x "
            f"{size[1]} pixels, which the file does not hold); send it again"
        )
    check_stack(path, frames, size)
