"""Zipped studies: their clinical files in a folder of their own for as long as needed.

An archive is untrusted. Nothing is written under a name that it chooses, no more than it announces
and than the disk has room for, and nothing that is not wanted.
"""

import re
import shutil
import stat
import struct
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bmis.data.file_kinds import foreign_kind, is_companion, is_image_name
from bmis.data.formats.dicom import SUFFIXES as DICOM_SUFFIXES
from bmis.data.formats.nifti import SUFFIXES
from bmis.data.formats.tiff_pages import is_tiff_name
from bmis.data.formats.tiff_stack import is_tiff_stack
from bmis.data.formats.video import starts_as_video
from bmis.data.not_read import NotRead
from bmis.errors import DataError, one_line_about
from bmis.system.progress import track
from bmis.system.reading import first_bytes, open_file
from bmis.wording import counted

MARKS = (b"PK\3\4", b"PK\5\6")
"""The first bytes of an archive with files and of one without."""

_MOST_DIRECTORY = 2**25  # bytes of the list of files, which zipfile reads at once
_SPARE, _SHARE = 2**30, 20  # bytes that are left free, or a 20th of a small disk, as one in memory
_SMALL, _RATIO = 2**24, 500  # beyond so many bytes no pictures shrink to less than a 500th
_CHUNK = 2**20
_HEAD = 352  # bytes by which DICOM and NIfTI are known
_ENCRYPTED = 1
_DIRECTORY = "dicomdir"  # in small letters
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)
_LONGEST = 80  # characters of a name
_END, _END_MARK = 22, b"PK\5\6"  # bytes and mark of the last record, which a comment may follow
_END_64, _END_MARK_64 = 56 + 20, b"PK\6\6"  # those before it of large archives
_TAIL = _END + _END_64 + 2**16


class TooLargeError(DataError):
    """An archive has too many files, or would unpack to too many bytes.

    Example:
        >>> issubclass(TooLargeError, DataError)
        True
    """


@dataclass(frozen=True)
class Limits:
    """How large an archive may be.

    Attributes:
        files: How many files it may hold.
        size: Bytes that they may have once they are unpacked.

    Example:
        >>> Limits().files
        200000
    """

    files: int = 200_000
    size: int = 2**36


@dataclass(frozen=True)
class Member:
    """A file of an archive.

    Attributes:
        name: What the archive calls it.
        start: Its first bytes.
        path: Where it was unpacked to; None if it was not wanted.

    Example:
        >>> Member("a/notes.txt", b"hello", None).path is None
        True
    """

    name: str
    start: bytes
    path: Path | None


@dataclass
class Unzipped:
    """Files and folders in which archives are unpacked.

    Attributes:
        sources: What was named, with a folder in place of each archive, and the stacks of TIFF of
            archives.
        origins: What to call a file that was unpacked: ``study.zip/a/1.dcm``.
        not_read: What is not read of an archive.
        folder: Where archives are unpacked.

    Example:
        >>> found = Unzipped([], {Path("x/1.dcm"): Path("a.zip/1.dcm")}, folder=Path("x"))
        >>> found.in_words("x/1.dcm: is cut")
        'a.zip/1.dcm: is cut'
    """

    sources: list[Path]
    origins: dict[Path, Path] = field(default_factory=dict)
    not_read: dict[Path, NotRead] = field(default_factory=dict)
    folder: Path = Path("/nowhere")

    def in_words(self, text: str) -> str:
        """A text with the files named as their archives name them."""

        def original(found: re.Match[str]) -> str:
            file = Path(found[0])
            return str(self.origins.get(file, file))

        return re.sub(rf"{re.escape(str(self.folder))}[\w./\\-]+", original, text, flags=re.ASCII)

    def failures(self, failed: Sequence[tuple[Path, str]]) -> list[tuple[Path, str]]:
        """Files and why they failed, named as their archives name them."""
        return [(self.origins.get(path, path), self.in_words(why)) for path, why in failed]


def is_zipped_study(path: Path) -> bool:
    """Whether a file is a zip archive; Word files and bundles are too, but nobody calls them .zip.

    Example:
        >>> is_zipped_study(Path("photo.png"))
        False
    """
    return path.suffix.lower() == ".zip" and first_bytes(path, len(MARKS[0])) == MARKS[0]


@contextmanager
def unzipped(sources: Sequence[Path], *, channels: int | None = None) -> Iterator[Unzipped]:
    """Unpack the archives among files and folders; what was unpacked is removed after the block.

    Args:
        sources: Files and folders. Archives within folders are not looked into.
        channels: See ``is_tiff_stack``.

    Raises:
        DataError: An archive is damaged, encrypted or too large.

    Example:
        >>> import shutil
        >>> study = Path(shutil.make_archive("study", "zip", "ct"))
        >>> with unzipped([study]) as found:
        ...     sorted(file.name for file in found.sources[0].rglob("*.dcm"))
        ['1.dcm', '2.dcm', '3.dcm', '4.dcm']
    """
    with tempfile.TemporaryDirectory(prefix="bmis-") as scratch:
        found = Unzipped(list(sources), folder=Path(scratch))
        for number, source in enumerate(sources):
            if is_zipped_study(source):
                found.sources[number] = folder = Path(scratch, str(number))
                others = Counter(
                    kind
                    for member in unpack(source, folder, wanted=_is_clinical)
                    if (kind := _take(source, member, found, channels))
                )
                if others:
                    found.not_read[source] = NotRead(dict(sorted(others.items())))
        yield found


def unpack(
    source: Path,
    folder: Path,
    *,
    wanted: Callable[[str, bytes], bool],
    limits: Limits | None = None,
) -> Iterator[Member]:
    """Unpack an archive, whatever it is called.

    Args:
        source: The archive.
        folder: Where its files go, each into a folder of its own; it must not be there.
        wanted: Whether a file shall be unpacked, by its name without folders and its first bytes.
        limits: How large it may be; the defaults where left out.

    Yields:
        Its files, but for hidden ones and links.

    Raises:
        TooLargeError: It holds too much.
        DataError: It is damaged or encrypted.

    Example:
        >>> import shutil
        >>> study = Path(shutil.make_archive("study", "zip", "ct"))
        >>> [found.name for found in unpack(study, Path("x"), wanted=lambda name, _: "1" in name)
        ...  if found.path]
        ['1.dcm']
    """
    with one_line_about(source):
        _check_directory(source)
    with one_line_about(source), zipfile.ZipFile(source) as archive:
        members = [one for one in archive.infolist() if _is_file(one)]
        folder.mkdir()
        disk = shutil.disk_usage(folder)
        _check(source, members, limits or Limits(), disk.free - min(_SPARE, disk.total // _SHARE))
        for number, member in enumerate(track(members, "unpacking", total=len(members))):
            yield _unpack(archive, member, folder / str(number), wanted)


def _unpack(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    folder: Path,
    wanted: Callable[[str, bytes], bool],
) -> Member:
    name = PurePosixPath(member.filename).name
    with archive.open(member) as stream:
        start = stream.read(_HEAD)
        if not wanted(name, start):
            return Member(member.filename, start, None)
        target = folder / (_UNSAFE.sub("_", name)[-_LONGEST:].lstrip(".") or "file")
        folder.mkdir()
        with target.open("xb") as copy:
            copy.write(start)
            shutil.copyfileobj(stream, copy, _CHUNK)
    return Member(member.filename, start, target)


def _take(source: Path, member: Member, found: Unzipped, channels: int | None) -> str:
    """List a file of an archive among those that are read, or say of what kind it is."""
    name = PurePosixPath(member.name).name
    if member.path is None:
        known = is_companion(Path(name)) or name.lower() == _DIRECTORY
        return "" if known else _kind(name, member.start)
    if is_tiff_name(member.path):
        if not is_tiff_stack(member.path, channels):
            return _kind(name, member.start)
        found.sources.append(member.path)  # in folders only those beside each other are read
    found.origins[member.path] = Path(f"{source}/{member.name}")
    return ""


def _is_file(member: zipfile.ZipInfo) -> bool:
    """Whether a member is an ordinary file that somebody may see."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    parts = PurePosixPath(member.filename).parts
    hidden = any(part.startswith((".", "__MACOSX")) and part.strip(".") for part in parts)
    return not member.is_dir() and kind in (0, stat.S_IFREG) and not hidden


def _is_clinical(name: str, start: bytes) -> bool:
    lower = name.lower()
    marked = start[128:132] == b"DICM" or start[344:348] in (b"n+1\0", b"n+2\0")
    named = lower.endswith((*SUFFIXES, *DICOM_SUFFIXES))
    path = Path(name)
    if is_image_name(path) or lower == _DIRECTORY:
        return is_tiff_name(path)
    return named or marked or starts_as_video(path, start)


def _kind(name: str, start: bytes) -> str:
    kind = foreign_kind(Path(name), start)
    return kind.name if kind else Path(name).suffix[1:].upper() or "file without a suffix"


def _check(source: Path, members: Sequence[zipfile.ZipInfo], limits: Limits, room: int) -> None:
    """Refuse an archive by its directory, before anything is unpacked."""
    if len(members) > limits.files:
        number = counted(len(members), "file")
        raise TooLargeError(f"{source}: holds {number}; {limits.files} are unpacked at most")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise DataError(f"{source}: is encrypted; unpack it with its password first")
    size = sum(member.file_size for member in members)
    if size > _SMALL and size > _RATIO * source.stat().st_size:
        raise TooLargeError(f"{source}: claims to unpack to {size} bytes, which no pictures do")
    if size > limits.size:
        raise TooLargeError(f"{source}: unpacks to more than {limits.size} bytes; divide it")
    if size > room:
        raise TooLargeError(
            f"{source}: unpacks to {size} bytes, for which there is no room; free some"
        )


def _check_directory(source: Path) -> None:
    """Refuse an archive whose list of files is too long to be read (APPNOTE 4.3.14 and 4.3.16)."""
    with open_file(source) as stream:
        stream.seek(max(0, stream.seek(0, 2) - _TAIL))
        tail = stream.read()
    plain = tail[-_END:].startswith(_END_MARK) and tail.endswith(b"\0\0")
    end = len(tail) - _END if plain else tail.rfind(_END_MARK)
    if end < 0 or len(tail) < end + _END:
        return  # no archive, as zipfile will say
    (size,) = struct.unpack_from("<I", tail, end + 12)
    large = end - _END_64
    if large >= 0 and tail[large : large + 4] == _END_MARK_64:
        (size,) = struct.unpack_from("<Q", tail, large + 40)
    if size > _MOST_DIRECTORY:
        raise TooLargeError(f"{source}: lists more files than are unpacked; unpack it first")
