"""How files that users name are opened: ordinary files alone, and no more of them than is wanted.

A pipe would wait for ever and a device never ends, whatever they are called.

A path may also name a picture inside a file, by what follows ``#``: ``ct.nii.gz#axial12``.
"""

import os
import re
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, TypeVar

from bmis.errors import DataError

_T = TypeVar("_T")
_REMEMBERED = 200_000  # files
_TEXT = 2**20  # bytes of a text that somebody wrote by hand
_INSIDE = re.compile(r"(?P<file>.+)#(?P<place>[a-z]*\d+(?:\+\d+)*)")


def open_file(path: Path) -> BinaryIO:
    r"""Open an ordinary file to read its bytes.

    Raises:
        DataError: There is no such file, it cannot be read, or it is a folder, pipe or device.

    Example:
        >>> with open_file(Path("photo.png")) as stream:
        ...     stream.read(4)
        b'\x89PNG'
    """
    try:
        if not S_ISREG(path.stat().st_mode):
            raise DataError(f"{path}: cannot be read (a folder, pipe or device); name a file")
        return path.open("rb")
    except (OSError, ValueError) as error:  # of a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason}); check the path") from error


def split_inside(path: Path) -> tuple[Path, str]:
    """The file that a path names, and the place of the picture in it; "" where it is the file.

    Example:
        >>> split_inside(Path("ct.nii.gz#axial12")), split_inside(Path("photo.png"))
        ((PosixPath('ct.nii.gz'), 'axial12'), (PosixPath('photo.png'), ''))
    """
    match = _INSIDE.fullmatch(path.name)
    if match is None or os.path.lexists(path):
        return path, ""
    return path.with_name(match["file"]), match["place"]


def inside(file: Path, place: str | int) -> Path:
    """The path of a picture inside a file, as ``split_inside`` takes it apart.

    Example:
        >>> inside(Path("ct.nii.gz"), "axial12").name, inside(Path("a.tif"), 3).name
        ('ct.nii.gz#axial12', 'a.tif#3')
    """
    return file.with_name(f"{file.name}#{place}")


def first_bytes(path: Path, count: int) -> bytes:
    r"""The first bytes of an ordinary file, by which its format shows; none of any other.

    Example:
        >>> first_bytes(Path("photo.png"), 4), first_bytes(Path("polyps"), 4)
        (b'\x89PNG', b'')
    """
    try:
        with open_file(path) as stream:
            return stream.read(count)
    except (OSError, DataError):
        return b""


def once_per_file(read: Callable[[Path], _T], *, most: int = _REMEMBERED) -> Callable[[Path], _T]:
    """Remember what a function reads of a file for as long as its size and time stay.

    For this process alone. Errors are not remembered.

    Args:
        read: Reads a file, or a picture inside it; what it returns is shared by all callers.
        most: Number of files that are remembered; the one that was asked for first makes room.

    Example:
        >>> read_length = once_per_file(lambda path: len(path.read_bytes()))
        >>> size = Path("notes.md").write_text("5")
        >>> read_length(Path("notes.md"))
        1
    """

    @lru_cache(maxsize=most)
    def remembered(path: Path, size: int, modified: int) -> _T:
        del size, modified  # of the key only
        return read(path)

    @wraps(read)
    def read_once(path: Path) -> _T:
        try:
            state = split_inside(path)[0].stat()
        except OSError:
            return read(path)  # which says what is wrong
        return remembered(path.absolute(), state.st_size, state.st_mtime_ns)

    return read_once


def read_bytes(path: Path, *, limit: int) -> bytes:
    """All bytes of an ordinary file.

    Raises:
        DataError: See ``open_file``; or the file has more than ``limit`` bytes.

    Example:
        >>> read_bytes(Path("polyps/splits.csv"), limit=1000)[:8]
        b'id,split'
    """
    with open_file(path) as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
    if len(content) > limit:
        raise DataError(f"{path}: has more than {limit} bytes; name the right file, or shorten it")
    return content


def read_text(path: Path, *, limit: int = _TEXT) -> str:
    """The text of an ordinary file in UTF-8.

    Raises:
        DataError: See ``read_bytes``; or the file is no text.

    Example:
        >>> read_text(Path("polyps/splits.csv"))[:8]
        'id,split'
    """
    try:
        return read_bytes(path, limit=limit).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
