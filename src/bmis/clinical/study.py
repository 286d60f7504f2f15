"""The series, clips and volumes of files, folders and zip archives."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bmis.clinical.pages import PageStack
from bmis.clinical.series import checked, make_stacks
from bmis.clinical.sources import clinical_files
from bmis.clinical.stack import NiftiStack, Stack, VideoStack
from bmis.clinical.zipped import Unzipped, unzipped
from bmis.data.formats.dicom import DicomFile, NoPictureError, is_dicom, read_dicom
from bmis.data.formats.dicom_pixels import Window
from bmis.data.formats.nifti import read_nifti, stem_of
from bmis.data.formats.tiff_stack import is_tiff_stack, read_tiff_stack
from bmis.data.formats.video import is_video, read_video
from bmis.data.not_read import NotRead
from bmis.errors import DataError, MissingExtraError
from bmis.system.progress import track

Copies = Callable[[Sequence[Path]], tuple[list[Path], list[tuple[Path, str]]]]
"""Makes copies of files that are read in their place, and says which could not be made and why."""


@dataclass(frozen=True)
class Study:
    """What was found in files and folders.

    Attributes:
        stacks: Series, clips and volumes.
        failed: Files that cannot be read, each with one line that says why.
        skipped: Number of DICOM objects that are no pictures, by kind.
        not_read: What is not read of an archive.

    Example:
        >>> found = find_stacks([Path("ct"), Path("clip.dcm")])
        >>> [len(stack) for stack in found.stacks], found.skipped
        ([3, 4], {})
    """

    stacks: list[Stack]
    failed: list[tuple[Path, str]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    not_read: dict[Path, NotRead] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.stacks or self.failed or self.skipped)


def find_stacks(
    sources: Sequence[Path],
    *,
    window: Window = "file",
    axis: str = "axial",
    out: Path | None = None,
    channels: int | None = None,
    named: Collection[Path] | None = None,
) -> Study:
    """Find all series, clips and volumes of files and folders.

    Args:
        sources: DICOM, NIfTI and video files and stacks of TIFF, or folders that hold some.
        window: See ``dicom_pixels``.
        axis: How volumes of NIfTI are cut, see ``read_nifti``.
        out: A folder for results, which is not looked into.
        channels: See ``clinical_files``.
        named: Files that must be pictures, others may be reports and the like; all files among the
            sources where left out.

    Raises:
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> len(find_stacks([Path("volume.nii.gz")], axis="coronal").stacks[0])
        48
    """
    found = (clinical_files(source, out, channels=channels) for source in sources)
    files = dict.fromkeys(file for one in found for file in one)
    dicoms: list[DicomFile] = []
    others: list[Stack] = []
    failed: list[tuple[Path, str]] = []
    skipped: Counter[str] = Counter()
    named = sources if named is None else named
    for file in track(files, "reading headers", total=len(files)):
        try:
            if is_dicom(file):
                dicoms.append(checked(read_dicom(file)))
            elif is_tiff_stack(file):
                others.append(PageStack(stem_of(file), read_tiff_stack(file), window))
            elif is_video(file):
                others.append(VideoStack(stem_of(file), read_video(file)))
            else:
                shown = window if isinstance(window, tuple) else "percentiles"
                others.append(NiftiStack(stem_of(file), read_nifti(file, axis), shown))
        except NoPictureError as error:
            if file in named:
                failed.append((file, str(error)))
            else:
                skipped[error.kind] += 1
        except (DataError, MissingExtraError) as error:
            if isinstance(error, MissingExtraError) and (file in named or not is_video(file)):
                raise
            failed.append((file, str(error)))
    good, doubled = _without_doubles(dicoms)
    stacks = [*make_stacks(good, window), *others]
    return Study(_distinct(stacks), failed + doubled, dict(sorted(skipped.items())))


@contextmanager
def open_study(
    sources: Sequence[Path],
    *,
    window: Window = "file",
    axis: str = "axial",
    out: Path | None = None,
    channels: int | None = None,
    copies: Copies | None = None,
) -> Iterator[tuple[Study, Unzipped]]:
    """What ``find_stacks`` finds, in zip archives too; they are unpacked for as long as the block.

    Args:
        sources: See ``find_stacks``.
        window: See ``find_stacks``.
        axis: See ``find_stacks``.
        out: See ``find_stacks``.
        channels: See ``find_stacks``.
        copies: Makes copies that are read in place of the files.

    Raises:
        DataError: There is no DICOM or NIfTI file, or an archive cannot be unpacked.
        MissingExtraError: See ``find_stacks``.

    Example:
        >>> import shutil
        >>> archive = Path(shutil.make_archive("study", "zip", "ct"))
        >>> with open_study([archive]) as (study, _):
        ...     study.stacks[0].path(0).parts[-2:]
        ('study.zip', '4.dcm')
    """
    with unzipped(sources, channels=channels) as files:
        read: Sequence[Path] = files.sources
        failed: list[tuple[Path, str]] = []
        if copies:
            groups = (clinical_files(one, out, channels=channels) for one in read)
            read, failed = copies([file for group in groups for file in group])
        found = find_stacks(
            read, window=window, axis=axis, out=out, channels=channels, named=files.sources
        )
        found = replace(
            found,
            stacks=[replace(stack, origins=files.origins) for stack in found.stacks],  # type: ignore[type-var]
            failed=files.failures([*failed, *found.failed]),
            not_read=files.not_read,
        )
        if not found:
            raise _nothing_in(sources, files.not_read)
        yield found, files


def _nothing_in(sources: Sequence[Path], not_read: Mapping[Path, NotRead]) -> DataError:
    """The error of sources that hold nothing to read."""
    if not not_read:
        shown = ", ".join(map(str, sources))
        return DataError(f"{shown}: no DICOM or NIfTI file; check the path")
    held = "; ".join(f"{path}: holds only {found}" for path, found in not_read.items())
    return DataError(f"{held}; unpack it and name what is inside")


def _without_doubles(files: Sequence[DicomFile]) -> tuple[list[DicomFile], list[tuple[Path, str]]]:
    """Files without copies of the same object, which are named."""
    seen: dict[str, Path] = {}
    good, doubled = [], []
    for file in files:
        uid = str(file.header.get("SOPInstanceUID") or file.path)
        if uid in seen:
            why = f"{file.path}: the same object as {seen[uid]} (SOPInstanceUID); remove one"
            doubled.append((file.path, why))
        else:
            seen[uid] = file.path
            good.append(file)
    return good, doubled


def _distinct(stacks: Sequence[Stack]) -> list[Stack]:
    """The same stacks; of two with one name the second gets a number."""
    seen: Counter[str] = Counter()
    distinct = []
    for stack in stacks:
        seen[stack.name.casefold()] += 1
        count = seen[stack.name.casefold()]
        distinct.append(replace(stack, name=f"{stack.name}-{count}") if count > 1 else stack)  # type: ignore[type-var]
    return distinct
