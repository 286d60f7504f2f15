"""What lies in a folder beside the files that are read, so that nothing is dropped silently.

Companions of images are not counted, see ``file_kinds.is_companion``. Nor are images in a folder
that is read, because each of them is used or has an error of its own.
"""

import os
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bmis.data.file_kinds import IMAGE_SUFFIXES, is_companion, is_image_name, kind_of
from bmis.data.on_error import warn_once
from bmis.errors import DataError
from bmis.wording import counted

_MOST = 200_000  # files that are looked at; somebody may name a whole disk
_NAMED = 3  # folders that a sentence names
_LINK = "linked folder"


@dataclass(frozen=True)
class NotRead:
    """What is not read of a folder.

    Attributes:
        files: Number of files of each kind, such as "DICOM", in the folder and those below it.
        folders: Number of images in each folder that is not looked into, with a slash at its end.

    Example:
        >>> str(NotRead({"DICOM": 3}, {"a/": 4, "b/c/": 10}))
        '3 DICOM, 2 folders (a/, b/c/) with 14 images'
        >>> bool(NotRead())
        False
    """

    files: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files or self.folders)

    def __str__(self) -> str:
        parts = [f"{count} {kind}" for kind, count in self.files.items()]
        if self.folders:
            names = list(self.folders)
            shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            images = counted(sum(self.folders.values()), "image")
            parts.append(f"{counted(len(names), 'folder')} ({shown}) with {images}")
        return ", ".join(parts)


def find_not_read(root: Path, used: Collection[Path], *, out: Path | None = None) -> NotRead:
    """Count what lies below a folder and is not read.

    Links to folders are followed only if files in them are used. Of more than 200,000 files that
    are not read those nearest to the root are counted.

    Args:
        root: The folder.
        used: Files and folders that are read.
        out: A folder for results, which is not looked into.

    Example:
        >>> Path("scans/old").mkdir(parents=True)
        >>> for name in ("scans/a.dcm", "scans/README", "scans/old/a.png"):
        ...     Path(name).touch()
        >>> find_not_read(Path("scans"), ())
        NotRead(files={'DICOM': 1}, folders={'old/': 1})
    """
    known = {*used, *(file.parent for file in used)}
    files: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    others = (one for one in _walk(root, known, out) if one[0] not in known)
    for file, is_folder in islice(others, _MOST):
        if is_folder:
            files[_LINK] += 1
        elif is_companion(file):
            continue
        elif not is_image_name(file):
            files[kind_of(file)] += 1
        elif file.parent not in known:
            folders[f"{file.parent.relative_to(root).as_posix()}/"] += 1
    return NotRead(dict(sorted(files.items())), dict(sorted(folders.items())))


def _walk(root: Path, known: Collection[Path], out: Path | None) -> Iterator[tuple[Path, bool]]:
    """The files below a folder, and the linked folders that are not entered; the nearest first."""
    pending, results = deque([root]), out and os.path.realpath(out)
    while pending:
        folder = pending.popleft()
        if os.path.realpath(folder) == results:
            continue
        try:
            entries = list(os.scandir(folder))
        except OSError:  # said by whoever reads it
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=path in known):
                pending.append(path)
            else:
                yield path, entry.is_dir()


def no_images(root: Path, wanted: str = "check the path") -> DataError:
    """The error of a folder without any image, which names what it holds instead.

    Args:
        root: The folder.
        wanted: What should be there, or be done.

    Example:
        >>> Path("scans").mkdir()
        >>> Path("scans/a.dcm").touch()
        >>> print(no_images(Path("scans")))
        scans: holds no images (.png ... .npy), only 1 DICOM; convert it to PNG, or check the path
    """
    found = find_not_read(root, ())
    only = f", only {found}" if found else ""
    them = "it" if sum(found.files.values()) == 1 else "them"
    fix = f"convert {them} to PNG, or {wanted}" if found.files else wanted
    return DataError(f"{root}: holds no images ({' '.join(IMAGE_SUFFIXES)}){only}; {fix}")


def warn_of_not_read(root: Path, found: NotRead) -> None:
    """Log what is not read of a data set as a warning, once in a process: trials share data sets.

    Example:
        >>> warn_of_not_read(Path("polyps"), NotRead())
    """
    if found:
        warn_once(
            f"{root}: not read: {found}; if they belong to the data set, put them beside its "
            "images as PNG"
        )
