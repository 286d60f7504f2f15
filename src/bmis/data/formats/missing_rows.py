"""JPEG and PNG files whose data end before the image does, which decoders fill up silently."""

import struct
import zlib
from collections.abc import Iterator

_SCAN, _END = b"\xff\xda", b"\xff\xd9"  # markers of JPEG
_BASELINE = (0xC0, 0xC1)  # kinds of JPEG whose rows are decoded one after the other
_PADDING = bytes(8)  # what a decoder of JPEG looks ahead by
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # channels by the colour type of PNG
_ADAM7 = (  # first row and column, and steps, of the passes of an interlaced PNG
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)
_PIECE = 2**20  # bytes that are decompressed at a time


def without_end(data: bytes) -> bytes:
    """A JPEG without its end marker, so that a decoder that lacks rows cannot fill them with grey.

    All rows of a whole image are decoded without the marker. Where rows are missing, the decoder
    asks for more data, and there are none. Progressive files and those of several scans are
    returned as they are, because their decoders wait for the marker.

    Args:
        data: The whole file.

    Example:
        >>> without_end(b"no JPEG")
        b'no JPEG'
    """
    kind, start = _first_scan(data)
    end = data.find(_END, start)  # inside a scan these two bytes mean nothing else
    if kind not in _BASELINE or end < 0 or data.find(_SCAN, start, end) >= 0:
        return data
    return data[:end] + _PADDING


def _first_scan(data: bytes) -> tuple[int, int]:
    """The kind of a JPEG, and where the data of its first scan begin; (0, 0) if there is none."""
    at, kind = 2, 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, (length,) = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])
        at += 2 + length
        if marker == _SCAN[1]:
            return kind, at
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # those are tables
            kind = marker
    return 0, 0


def png_lacks_rows(data: bytes) -> bool:
    """Whether a PNG has fewer pixels than its header says.

    Args:
        data: The whole file, which a decoder has read without an error.

    Example:
        >>> from pathlib import Path
        >>> png_lacks_rows(Path("photo.png").read_bytes())
        False
    """
    chunks = list(_chunks(data))
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1][:13])
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    wanted = 0
    for top, left, down, across in passes:
        rows, columns = -((top - height) // down), -((left - width) // across)
        if rows > 0 and columns > 0:
            wanted += rows * (1 + (columns * bits * _SAMPLES[colour] + 7) // 8)
    return _decompressed([body for name, body in chunks if name == b"IDAT"], wanted) < wanted


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += length + 12


def _decompressed(parts: list[bytes], enough: int) -> int:
    """Number of bytes that compressed data hold; counting ends where there are enough."""
    unzip, found = zlib.decompressobj(), 0
    for part in parts:
        waiting = part
        while waiting and found < enough and not unzip.eof:
            found += len(unzip.decompress(waiting, _PIECE))
            waiting = unzip.unconsumed_tail
    return found + (0 if found >= enough else len(unzip.flush()))
