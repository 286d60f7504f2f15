"""Which files of a folder are clinical: DICOM, NIfTI, video and stacks of TIFF."""

import os
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from bmis.clinical.zipped import is_zipped_study
from bmis.data.file_kinds import is_companion, is_image_name
from bmis.data.formats.dicom import is_dicom
from bmis.data.formats.nifti import SUFFIXES, is_nifti
from bmis.data.formats.tiff_stack import is_tiff_stack
from bmis.data.formats.video import is_video
from bmis.data.image_files import image_files
from bmis.data.nnunet import is_nnunet
from bmis.data.pairs import is_mask_name
from bmis.errors import DataError

_MOST = 200_000  # files that are looked at; somebody may name a whole disk
_DIRECTORY = "DICOMDIR"


def clinical_files(
    path: Path, out: Path | None = None, *, channels: int | None = None
) -> list[Path]:
    """The DICOM, NIfTI and video files of a folder and of all below it, or the one file.

    So are the TIFF of several pages of the folder itself, as images are, and a zip archive that is
    named, see ``zipped``.

    Links to folders are not followed, hidden files not looked at. A DICOMDIR stands for its folder.

    Args:
        path: File or folder.
        out: A folder for results, which is not looked into.
        channels: Channels of the network: a TIFF of as many pages may be one image.

    Raises:
        DataError: The folder holds too many files to look at.

    Example:
        >>> [file.name for file in clinical_files(Path("ct"))]
        ['1.dcm', '2.dcm', '3.dcm', '4.dcm']
        >>> clinical_files(Path("polyps")), clinical_files(Path("photo.png"))
        ([], [])
    """
    if path.name == _DIRECTORY and path.is_file():
        path = path.parent
    if not path.is_dir():
        named = _is_read(path) or is_zipped_study(path)
        return [path] if named else tiff_stacks(path, channels)
    results = os.path.realpath(out) if out else None
    others = (file for file in _walk(path, results) if not is_image_name(file))
    looked_at = list(islice(others, _MOST + 1))
    if len(looked_at) > _MOST:
        raise DataError(
            f"{path}: holds more than {_MOST} files; name the folders of single studies"
        )
    found = (
        file
        for file in looked_at
        if (not is_companion(file) or file.name.lower().endswith(SUFFIXES))
        and file.name != _DIRECTORY
        and _is_read(file)
    )
    return sorted([*found, *tiff_stacks(path, channels)])


def _is_read(file: Path) -> bool:
    return is_dicom(file) or is_nifti(file) or is_video(file)


def tiff_stacks(path: Path, channels: int | None = None) -> list[Path]:
    """The TIFF of several pages of a folder, without those below it, or the one file.

    Args:
        path: File or folder.
        channels: See ``clinical_files``.

    Example:
        >>> tiff_stacks(Path("polyps"))
        []
    """
    try:
        files = image_files(path) if path.is_dir() else [path]
    except OSError:  # said by whoever reads the folder
        return []
    return [file for file in files if is_tiff_stack(file, channels)]


def is_study(path: Path) -> bool:
    """Whether a file or folder is one of clinical images, and no dataset folder.

    Example:
        >>> is_study(Path("ct")), is_study(Path("clip.dcm")), is_study(Path("polyps"))
        (True, True, False)
    """
    return not _is_dataset(path) and bool(clinical_files(path))


def _is_dataset(path: Path) -> bool:
    """Whether a folder holds images beside masks of theirs."""
    if not path.is_dir():
        return False
    named = (path / "images").is_dir() or is_nnunet(path)
    return named or any(map(is_mask_name, image_files(path, recursive=True)))


def images_beside(path: Path, clinical: Collection[Path]) -> list[Path]:
    """The image files of a folder that are predicted beside its clinical files.

    Args:
        path: File or folder.
        clinical: What ``clinical_files`` returned.

    Example:
        >>> len(images_beside(Path("polyps/images"), ()))
        12
    """
    return [file for file in image_files(path) if file not in clinical] if path.is_dir() else []


def _walk(root: Path, results: str | None) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        below[:] = [
            name
            for name in sorted(below)
            if not name.startswith(".") and os.path.realpath(Path(folder, name)) != results
        ]
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
