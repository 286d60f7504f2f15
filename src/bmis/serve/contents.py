"""What a body holds: one image, one DICOM file, or a zip of them. Known by bytes, not by names."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from bmis.data.file_kinds import is_companion
from bmis.data.formats.dicom import SUFFIXES, is_dicom
from bmis.errors import printable
from bmis.serve.refusals import Refused
from bmis.system.reading import first_bytes

_ZIP = (b"PK\3\4", b"PK\5\6")  # with files, and without
_MOST = 5000  # files in a zip
_CHUNK = 2**20
_DIRECTORY = "DICOMDIR"


@dataclass(frozen=True)
class Contents:
    """The pictures of a body, as files.

    Attributes:
        folder: The folder of the request; whatever is made of them may lie there too.
        images: Photographs and the like.
        dicoms: Files of DICOM.
        names: What the sender calls a file that came in a zip.

    Example:
        >>> from bmis.serve.body import private_folder, remove
        >>> folder = private_folder()
        >>> path = folder / "body"
        >>> size = path.write_bytes(Path("photo.png").read_bytes())
        >>> contents = open_contents(path, limit=10**6)
        >>> contents.images == [path], contents.in_words(f"{path}: is damaged")
        (True, 'the body: is damaged')
        >>> remove(folder)
    """

    folder: Path
    images: list[Path] = field(default_factory=list)
    dicoms: list[Path] = field(default_factory=list)
    names: dict[Path, str] = field(default_factory=dict)

    def name(self, path: Path) -> str:
        """What a file is called in answers."""
        return self.names.get(path, "the body")

    def in_words(self, text: str) -> str:
        """A message about files in the words of the sender, who knows nothing of our folders."""
        for path in (*self.images, *self.dicoms):
            text = text.replace(str(path), self.name(path))
        return text.replace(f"{self.folder}/", "").replace(str(self.folder), "the body")

    def add(self, path: Path, name: str | None = None) -> None:
        """List a file as what it is."""
        (self.dicoms if is_dicom(path) else self.images).append(path)
        if name is not None:
            self.names[path] = name


def open_contents(path: Path, *, limit: int) -> Contents:
    """Find out what a body holds, and unpack it beside itself if it is a zip.

    Args:
        path: The body.
        limit: Bytes that a zip may unpack to.

    Raises:
        Refused: A zip is damaged, encrypted, too large, or holds no file.

    Example:
        >>> open_contents(Path("clip.dcm"), limit=10**6).dicoms
        [PosixPath('clip.dcm')]
    """
    contents = Contents(path.parent)
    if first_bytes(path, 4) not in _ZIP:
        contents.add(path)
        return contents
    try:
        with zipfile.ZipFile(path) as archive:
            _unpack(archive, contents, limit)
    except (Refused, MemoryError):
        raise
    except Exception as error:  # zipfile has many ways to say that a file is no good
        reason = printable(str(error))[:100]
        raise Refused(422, f"the zip cannot be read ({reason}); pack it again") from error
    if not contents.images and not contents.dicoms:
        raise Refused(422, "the zip holds no file to segment; put images or DICOM files into it")
    return contents


def _unpack(archive: zipfile.ZipFile, contents: Contents, limit: int) -> None:
    """Unpack the files that may be pictures, under names of our own."""
    members = [member for member in archive.infolist() if _may_be_picture(member)]
    if len(members) > _MOST:
        raise Refused(413, f"the zip holds more than {_MOST} files; send fewer at a time")
    left = limit
    for number, member in enumerate(sorted(members, key=lambda one: one.filename), start=1):
        suffix = PurePosixPath(member.filename).suffix.lower()
        name = f"file-{number:04d}{suffix if suffix in SUFFIXES else ''}"
        target = contents.folder / name
        with archive.open(member) as source, target.open("wb") as sink:
            left -= _copy(source, sink, left, limit)
        contents.add(target, printable(member.filename)[:200])


def _may_be_picture(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    known = hidden or is_companion(Path(path.name)) or path.name == _DIRECTORY
    return not member.is_dir() and not known


def _copy(source: IO[bytes], sink: BinaryIO, left: int, limit: int) -> int:
    """Copy what a zip really holds, whatever it says of its size; the number of bytes."""
    copied = 0
    for chunk in _chunks(source):
        copied += len(chunk)
        if copied > left:
            raise Refused(413, f"the zip unpacks to more than {limit} bytes; send less at a time")
        sink.write(chunk)
    return copied


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk
