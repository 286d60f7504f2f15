"""What a compressed frame of DICOM says of its own size, before a decoder makes room for it.

A frame of a few bytes can claim 65,535 x 65,535 pixels whatever the header of its file says.
"""

from typing import TYPE_CHECKING

from bmis.system.reading import open_file

if TYPE_CHECKING:
    from bmis.data.formats.dicom import DicomFile

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_BOXES, _CODESTREAM = b"\0\0\0\x0cjP  ", b"jp2c"  # start of a JP2 file; the box that is wanted
_HAS_NO_LENGTH = (0x01, *range(0xD0, 0xD9))  # markers of JPEG
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # start of frame; 0xF7 is JPEG-LS's
_START_OF_SCAN = 0xDA


def compressed_frame(file: "DicomFile", index: int) -> bytes:
    """One frame of a compressed file as it is stored.

    Args:
        file: What ``read_dicom`` returned, of a compressed file.
        index: Number of the frame, from 0.

    Example:
        >>> from pathlib import Path
        >>> from bmis.data.formats.dicom import read_dicom
        >>> jpeg_size(compressed_frame(read_dicom(Path("jpeg.dcm")), 0))
        (64, 64)
    """
    from pydicom.encaps import get_frame
    from pydicom.filereader import dcmread

    with open_file(file.path) as stream:
        dcmread(stream, stop_before_pixels=True, specific_tags=[], force=True)
        stream.seek(12, 1)  # tag, type and length of the pixels
        return get_frame(stream, index, number_of_frames=file.frames)


def without_boxes(data: bytes) -> bytes:
    r"""A codestream of JPEG 2000 without the boxes of a JP2 file, in which some programs put it.

    pydicom looks for it for ever where a box has no length.

    Args:
        data: A compressed frame; one of another kind is returned as it is.

    Returns:
        The codestream; nothing if no box holds it.

    Example:
        >>> start, box = b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x0ajp2c\xff\x4f"
        >>> without_boxes(start + box), without_boxes(b"\xff\xd8"), without_boxes(start)
        (b'\xffO', b'\xff\xd8', b'')
    """
    if not data.startswith(_BOXES):
        return data
    at = int.from_bytes(data[:4], "big")
    while at + 8 <= len(data):
        length, head = int.from_bytes(data[at : at + 4], "big"), 8
        if length == 1:  # a long box
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if data[at + 4 : at + 8] == _CODESTREAM:
            return data[at + head :]
        if length < head:
            break
        at += length
    return b""


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    r"""Height and width by the header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    Args:
        data: The codestream from its first byte.

    Example:
        >>> jpeg_size(b"\xff\xd8\xff\xc0\0\x0b\x08\0\x30\0\x40\1\1\x11\0")
        (48, 64)
    """
    if data.startswith(_JPEG_2000):
        width, height, left, top = (
            int.from_bytes(data[at : at + 4], "big") for at in (8, 12, 16, 20)
        )
        return height - top, width - left
    at = 2
    while data.startswith(_JPEG) and at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(
                data[at + 7 : at + 9], "big"
            )
        if marker == _START_OF_SCAN:
            break
        at += 2
        if marker not in _HAS_NO_LENGTH and marker != 0xFF:
            at += int.from_bytes(data[at : at + 2], "big")
        elif marker == 0xFF:
            at -= 1  # fill bytes
    return None
