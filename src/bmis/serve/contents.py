"""What a body holds: an image, a DICOM or NIfTI file, or a zip of them.

Known by bytes, not by names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bmis.clinical.zipped import MARKS, Limits, Member, TooLargeError, unpack
from bmis.data.file_kinds import is_companion
from bmis.data.formats.dicom import is_dicom
from bmis.data.formats.nifti import is_nifti
from bmis.errors import DataError, printable
from bmis.serve.refusals import Refused
from bmis.system.reading import first_bytes

_MOST = 5000  # files in a zip
_DIRECTORY = "DICOMDIR"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Contents:
    """The pictures of a body, as files.

    Attributes:
        folder: The folder of the request; whatever is made of them may lie there too.
        images: Photographs and the like.
        clinical: Files of DICOM and NIfTI.
        names: What the sender calls a file that came in a zip.

    Example:
        >>> from bmis.serve.body import private_folder, remove
        >>> folder = private_folder()
        >>> path = folder / "body"
        >>> size = path.write_bytes(Path("photo.png").read_bytes())
        >>> contents = open_contents([path], limit=10**6)
        >>> contents.images == [path], contents.in_words(f"{path}: is damaged")
        (True, 'the body: is damaged')
        >>> remove(folder)
    """

    folder: Path
    images: list[Path] = field(default_factory=list)
    clinical: list[Path] = field(default_factory=list)
    names: dict[Path, str] = field(default_factory=dict)

    def name(self, path: Path) -> str:
        """What a file is called in answers."""
        return self.names.get(path, "the body")

    def in_words(self, text: str) -> str:
        """A message about files in the words of the sender, who knows nothing of our folders."""
        for path in (*self.images, *self.clinical):
            text = text.replace(str(path), self.name(path))
        return text.replace(f"{self.folder}/", "").replace(str(self.folder), "the body")

    def add(self, path: Path, name: str | None = None) -> None:
        """List a file as what it is."""
        path = _named(path)
        (self.clinical if is_dicom(path) or is_nifti(path) else self.images).append(path)
        if name is not None:
            self.names[path] = name


def open_contents(paths: Sequence[Path], *, limit: int) -> Contents:
    """Find out what files of a request hold, and unpack a zip beside itself if it is the only one.

    Args:
        paths: The files, all in one folder.
        limit: Bytes that a zip may unpack to.

    Raises:
        Refused: A zip is damaged, encrypted, too large, or holds no file.

    Example:
        >>> open_contents([Path("clip.dcm")], limit=10**6).clinical
        [PosixPath('clip.dcm')]
    """
    contents = Contents(paths[0].parent)
    if len(paths) > 1 or first_bytes(paths[0], len(MARKS[0])) not in MARKS:
        for path in paths:
            contents.add(path)
        return contents
    for member in sorted(_unpack(paths[0], limit), key=lambda one: one.name):
        if member.path is not None:
            contents.add(member.path, printable(member.name)[:200])
    if not contents.images and not contents.clinical:
        raise Refused(422, "the zip holds no file to segment; put images, DICOM or NIfTI into it")
    return contents


def _named(path: Path) -> Path:
    """NIfTI under a name that nibabel knows; what is compressed and no zip can be nothing else."""
    suffix = ".nii.gz" if first_bytes(path, len(_GZIP)) == _GZIP else ".nii"
    if path.name.lower().endswith(suffix) or not (suffix == ".nii.gz" or is_nifti(path)):
        return path
    return path.rename(path.with_name(f"{path.name}{suffix}"))


def _unpack(path: Path, limit: int) -> list[Member]:
    folder = path.with_name("files")
    try:
        return list(unpack(path, folder, wanted=_may_be_picture, limits=Limits(_MOST, limit)))
    except DataError as error:
        status = 413 if isinstance(error, TooLargeError) else 422
        raise Refused(status, str(error).replace(str(path), "the zip")) from error


def _may_be_picture(name: str, start: bytes) -> bool:
    del start  # what it is, is found out later, and told if it is nothing
    return not is_companion(Path(name)) and name != _DIRECTORY
