"""Video frame by frame: MP4, MOV, AVI, MKV and WebM, decoded by PyAV.

The format is given to the decoder. It never guesses one, because playlists are formats too, and a
playlist may name other files and addresses.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.limits import check_size, check_stack
from bmis.errors import DataError, one_line_about, require
from bmis.system.reading import first_bytes, open_file

_FORMATS = {
    ".mp4": (4, b"ftyp", "mov"),
    ".m4v": (4, b"ftyp", "mov"),
    ".mov": (4, b"ftyp", "mov"),
    ".avi": (8, b"AVI ", "avi"),
    ".mkv": (0, b"\x1a\x45\xdf\xa3", "matroska"),
    ".webm": (0, b"\x1a\x45\xdf\xa3", "matroska"),
}
_HEAD = 12  # bytes that hold any of these marks


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its name and its first bytes.

    Example:
        >>> is_video(Path("photo.png"))
        False
    """
    return path.suffix.lower() in _FORMATS and starts_as_video(path, first_bytes(path, _HEAD))


def starts_as_video(path: Path, start: bytes) -> bool:
    """Whether a name and the first bytes of a file are those of a video.

    Example:
        >>> starts_as_video(Path("a.mp4"), bytes(4) + b"ftypisom")
        True
    """
    at, mark, _ = _FORMATS.get(path.suffix.lower(), (0, b"", ""))
    return bool(mark) and start[at : at + len(mark)] == mark


@dataclass(eq=False)
class Video:
    """A video whose frames are read one after the other; to go back starts from the first again.

    Attributes:
        path: The file.
        frames: Number of frames.
        size: Height and width in pixels.

    Example:
        >>> Video(Path("a.mp4"), 300, (480, 640)).size
        (480, 640)
    """

    path: Path
    frames: int
    size: tuple[int, int]
    _next: int = 0
    _decoded: Iterator[Any] | None = None
    _lock: Lock = field(default_factory=Lock)

    def read(self, index: int) -> NDArray[np.uint8]:
        """One frame (H, W, 3), by its number from 0.

        Raises:
            DataError: The file is damaged, or ends before this frame.
        """
        with self._lock, one_line_about(self.path):
            if self._decoded is None or index < self._next:
                self._next, self._decoded = 0, _decode(self.path)
            for frame in self._decoded:
                self._next += 1
                if self._next > index:
                    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
                    if pixels.shape[:2] != self.size:
                        raise DataError(f"{self.path}: changes its size; cut it into parts")
                    return pixels
            self._decoded = None
            raise DataError(f"{self.path}: ends before frame {index + 1}; copy it again")


def read_video(path: Path) -> Video:
    """Open a video, and count its frames without decoding them.

    Raises:
        DataError: The file is damaged or too large, or holds no pictures.
        MissingExtraError: The extra "video" is not installed.

    Example:
        >>> read_video(Path("photo.png"))
        Traceback (most recent call last):
        bmis.errors.DataError: photo.png: no video of a kind that is read; save it as MP4
    """
    if not is_video(path):
        raise DataError(f"{path}: no video of a kind that is read; save it as MP4")
    with one_line_about(path), _open(path) as container:
        stream = _pictures(path, container)
        size = stream.codec_context.height, stream.codec_context.width
        check_size(path, *size, 3)
        frames = sum(packet.size > 0 for packet in container.demux(stream))
    check_stack(path, frames, size)
    return Video(path, frames, size)


def _open(path: Path) -> Any:
    av: Any = require("av", extra="video")
    av.logging.set_level(None)  # what is wrong is said by our own errors
    with open_file(path):
        pass
    kind = _FORMATS[path.suffix.lower()][2]
    return av.open(str(path.absolute()), format=kind, options={"protocol_whitelist": "file"})


def _pictures(path: Path, container: Any) -> Any:
    if not container.streams.video:
        raise DataError(f"{path}: holds no pictures, only sound; name another file")
    return container.streams.video[0]


def _decode(path: Path) -> Iterator[Any]:
    with _open(path) as container:
        yield from container.decode(_pictures(path, container))
