"""DICOM and NIfTI images of a data set and their masks: a pair for each slice and frame.

- NIfTI volumes have masks of the same name, on the same voxels. Their slices are a group, and so
  are all volumes of a subject whose names begin as BIDS has it: ``sub-01_``.
- DICOM images have DICOM segmentations anywhere in the folder of the masks, which say themselves
  what they cover. The images of a patient are a group, see ``patients``.
- A DICOM or NIfTI file of a single picture may also have an ordinary mask of the same name.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bmis.data.file_kinds import is_companion, is_image_name
from bmis.data.formats.dicom import DicomFile, is_dicom, read_dicom
from bmis.data.formats.dicom_seg import read_segmentation
from bmis.data.formats.nifti import SUFFIXES, NiftiGrid, is_nifti, read_nifti_grid, stem_of
from bmis.data.on_error import OnError, read_each, warn_once
from bmis.data.pairs import (
    Layout,
    Pair,
    group_by_image,
    same_id,
    slice_id,
    subject_of,
    without_mask_suffix,
)
from bmis.data.patients import Patients
from bmis.errors import DataError
from bmis.system.progress import track
from bmis.system.reading import inside
from bmis.wording import counted

_DIRECTORY = "DICOMDIR"


def clinical_files(folder: Path) -> list[Path]:
    """The DICOM and NIfTI files of a folder and of those below it, sorted, without hidden ones.

    A DICOMDIR only lists what lies beside it.

    Example:
        >>> [file.name for file in clinical_files(Path("ct"))]
        ['1.dcm', '2.dcm', '3.dcm', '4.dcm']
    """
    return sorted(
        file
        for file in folder.rglob("*")
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.name != _DIRECTORY
        and not is_image_name(file)
        and (not is_companion(file) or file.name.lower().endswith(SUFFIXES))
        and (is_dicom(file) or is_nifti(file))
    )


def add_clinical(
    layout: Layout, images: Path, masks: Path, *, axis: str, on_error: OnError
) -> Layout:
    """A layout with the DICOM and NIfTI images of its folders too.

    Args:
        layout: The ordinary images and masks.
        images: Folder of the images.
        masks: Folder of the masks.
        axis: How volumes are cut, see ``read_nifti``.
        on_error: Takes the error of each file that cannot be used.

    Raises:
        MissingExtraError: The extra "clinical" is not installed, and there is such a file.

    Example:
        >>> import shutil
        >>> for name in ("images", "masks"):
        ...     Path(name).mkdir()
        ...     _ = shutil.copy("volume.nii.gz", name)
        >>> folders = Path("images"), Path("masks")
        >>> found = add_clinical(Layout(()), *folders, axis="axial", on_error=print)
        >>> [pair.id for pair in found.pairs], found.pairs[0].image.name
        (['volume-0001', 'volume-0002', 'volume-0003'], 'volume.nii.gz#axial1')
    """
    files = clinical_files(images)
    if not files:
        return layout
    found = _Masks(masks, on_error)
    volumes = [file for file in files if is_nifti(file)]
    pairs = [pair for file in volumes for pair in found.of_volume(file, images, axis)]
    pairs += _of_dicoms([file for file in files if not is_nifti(file)], images, found)
    found.warn_of_frames()
    single = {pair.id for pair in pairs if not pair.masks and pair.volume == pair.id}
    ordinary, unmatched = group_by_image(single, layout.unmatched)
    pairs = [replace(p, masks=tuple(ordinary[p.id])) if p.id in ordinary else p for p in pairs]
    return replace(
        layout,
        pairs=(*layout.pairs, *pairs),
        unmatched=(*unmatched, *found.unused),
        classes=layout.classes or found.classes(),
    )


def _of_dicoms(files: Sequence[Path], images: Path, masks: "_Masks") -> list[Pair]:
    """The frames of all DICOM files, those of a patient as a group."""
    patients, pairs = Patients(), list[Pair]()
    dicoms = read_each(read_dicom, files, masks.on_error)
    for file, dicom in track(dicoms, "reading headers", total=len(files)):
        name = _name(file, images)
        patients.add(name, dicom.header)
        pairs.extend(masks.of_dicom(dicom, name))
    return [replace(pair, group=patients.group(pair.volume or pair.id)) for pair in pairs]


def slices_of_volume(
    image: Path, mask: Path | None, name: str, *, axis: str, split: str | None = None
) -> list[Pair]:
    """The slices of a NIfTI volume as pairs.

    Args:
        image: The volume.
        mask: Its mask on the same voxels, if it has one.
        name: Its name; those of the slices follow from it.
        axis: How it is cut.
        split: Split that the layout of the data set decides on, if any.

    Raises:
        DataError: A file cannot be read, or the mask has other voxels.

    Example:
        >>> volume = Path("volume.nii.gz")
        >>> slices_of_volume(volume, volume, "a", axis="coronal")[47].id
        'a-0048'
    """
    grid = read_nifti_grid(image, axis)
    if mask is not None:
        _check_grids(image, grid, mask, read_nifti_grid(mask, axis))
    count = grid.picture_shape[0]
    group = subject_of(name) or (name if count > 1 else None)
    return [
        Pair(
            slice_id(name, number, count),
            _slice(image, grid, number),
            () if mask is None else (_slice(mask, grid, number),),
            split=split,
            volume=name,
            group=group,
        )
        for number in range(1, count + 1)
    ]


def _slice(file: Path, grid: NiftiGrid, number: int) -> Path:
    return inside(file, f"{grid.axis}{number}")


def _check_grids(image: Path, grid: NiftiGrid, mask: Path, other: NiftiGrid) -> None:
    if grid.lies_as(other):
        return
    sizes = [" x ".join(map(str, one.shape)) for one in (other, grid)]
    same = "at other places in space" if sizes[0] == sizes[1] else f"of {sizes[0]} voxels"
    raise DataError(
        f"{mask}: a mask {same} for an image of {sizes[1]} ({image.name}); resample the mask to "
        "the voxels of the image"
    )


def _name(file: Path, folder: Path) -> str:
    """The id of a file: its name, behind those of the folders that it lies in."""
    return "-".join([*file.relative_to(folder).parts[:-1], stem_of(file)])


class _Masks:
    """The DICOM and NIfTI masks of a data set."""

    def __init__(self, folder: Path, on_error: OnError) -> None:
        self.on_error = on_error
        self.volumes: dict[str, Path] = {}
        files = clinical_files(folder)
        for file in filter(is_nifti, files):
            name = without_mask_suffix(_name(file, folder))[0]
            if name in self.volumes:
                on_error(same_id(file, self.volumes[name], name))
            self.volumes.setdefault(name, file)
        dicoms = [file for file in files if not is_nifti(file)]
        self.segmentations = dict(read_each(read_segmentation, dicoms, on_error))
        self._used: set[Path] = set()
        self._frames: defaultdict[Path, set[int]] = defaultdict(set)

    @property
    def unused(self) -> list[Path]:
        """Masks of no image."""
        return sorted({*self.volumes.values(), *self.segmentations} - self._used)

    def of_volume(self, file: Path, images: Path, axis: str) -> list[Pair]:
        """The slices of a volume; none if it or its mask cannot be used."""
        name = _name(file, images)
        mask = self.volumes.get(name)
        self._used.update([mask] if mask else [])
        try:
            return slices_of_volume(file, mask, name, axis=axis)
        except DataError as error:
            self.on_error(error)
            return []

    def of_dicom(self, dicom: DicomFile, name: str) -> Iterator[Pair]:
        """The frames of a DICOM image."""
        for index in range(dicom.frames):
            single = dicom.frames == 1
            path = dicom.path if single else inside(dicom.path, index + 1)
            yield Pair(
                slice_id(name, index + 1, dicom.frames),
                path,
                tuple(self._covering(dicom, index)),
                volume=name,
            )

    def warn_of_frames(self) -> None:
        """Say which segmentations have frames that cover no image: these may be missing."""
        for path, used in self._frames.items():
            total = self.segmentations[path].file.frames
            if lost := total - len(used - {0}):
                warn_once(
                    f"{path}: {lost} of {counted(total, 'frame')} cover no image that is here"
                )

    def _covering(self, dicom: DicomFile, index: int) -> Iterator[Path]:
        for path, segmentation in self.segmentations.items():
            numbers = segmentation.covering(dicom, index)
            if numbers is not None:
                self._used.add(path)
                self._frames[path].update(numbers)
                try:
                    segmentation.check_place(dicom, index, numbers)
                except DataError as error:
                    self.on_error(error)
                yield inside(path, "+".join(map(str, numbers)))

    def classes(self) -> tuple[str, ...]:
        """Background and the names of the segments, if all segmentations have the same."""
        of_names: defaultdict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in sorted(self._used & set(self.segmentations)):
            of_names[self.segmentations[path].segments].append(path)
        if len(of_names) > 1:
            (names, (first, *_)), (others, (other, *_)), *_ = of_names.items()
            self.on_error(
                DataError(
                    f"{other}: segments {', '.join(others)}, but {first.name} has "
                    f"{', '.join(names)}; give all segmentations the same "
                    f"{counted(len(names), 'segment')} in the same order"
                )
            )
        return ("background", *next(iter(of_names))) if of_names else ()
