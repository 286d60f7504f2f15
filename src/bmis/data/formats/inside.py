"""Slices and frames of DICOM and NIfTI as pictures, each named by a path of its own.

Pages of TIFF are named alike, see ``tiff_pages``.

``ct.nii.gz#axial12`` is the twelfth slice of a volume, ``clip.dcm#3`` the third frame of a clip. A
file of one picture needs no number. In a DICOM segmentation ``seg.dcm#7+9`` is the mask that frames
7 and 9 make together, one for each segment; ``seg.dcm#0`` is the mask of a picture that no frame
covers.
"""

import re
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.file_kinds import is_image_name
from bmis.data.formats.dicom import is_dicom, read_dicom
from bmis.data.formats.dicom_pixels import read_frame
from bmis.data.formats.dicom_seg import read_segmentation
from bmis.data.formats.nifti import AXES, NiftiVolume, is_nifti, read_nifti, read_nifti_grid
from bmis.errors import DataError
from bmis.system.reading import once_per_file, split_inside

_PLACE = re.compile(r"(?P<axis>[a-z]*)(?P<numbers>[\d+]+)")
_OPEN = 4  # files that stay open in memory: an image, its mask, and those of the next
_VOLUMES = {axis: once_per_file(partial(read_nifti, axis=axis), most=_OPEN) for axis in AXES}
_GRIDS = {axis: once_per_file(partial(read_nifti_grid, axis=axis)) for axis in AXES}
_HEADERS = once_per_file(read_dicom, most=_OPEN)
_SEGMENTATIONS = once_per_file(read_segmentation, most=_OPEN)
_LOADING = Lock()  # so that threads which want slices of one volume load it once


def is_clinical(path: Path) -> bool:
    """Whether a path names a DICOM or NIfTI file, or a picture inside one.

    Example:
        >>> [is_clinical(Path(name)) for name in ("volume.nii.gz#axial1", "skin.dcm", "photo.png")]
        [True, True, False]
    """
    file, place = split_inside(path)
    return not is_image_name(file) and (bool(place) or is_dicom(file) or is_nifti(file))


def inside_size(path: Path) -> tuple[int, int, int]:
    """Height, width and number of channels of a picture, from the header alone.

    Raises:
        DataError: See ``read_inside``.

    Example:
        >>> inside_size(Path("volume.nii.gz#axial1")), inside_size(Path("skin.dcm"))
        ((48, 40, 1), (64, 64, 3))
    """
    file, place = split_inside(path)
    axis, numbers = _parse(place)
    if is_nifti(file):
        count, *size = _GRIDS[axis](file).picture_shape
        _one_of(path, numbers, count)
        return size[0], size[1], 1
    found = _HEADERS(file)
    _one_of(path, numbers, found.frames)
    grey = str(found.header.PhotometricInterpretation).startswith("MONOCHROME")
    return *found.size, 1 if grey else 3


def read_inside(path: Path) -> NDArray[np.uint8]:
    """The pixels of a picture (H, W, C), as ``bmis predict`` shows it to a network.

    Raises:
        DataError: The file cannot be read, or does not have this picture.

    Example:
        >>> read_inside(Path("clip.dcm#3")).shape
        (64, 80, 1)
        >>> read_inside(Path("clip.dcm"))
        Traceback (most recent call last):
        bmis.errors.DataError: clip.dcm: holds 3 pictures; name one, from clip.dcm#1 to clip.dcm#3
    """
    file, place = split_inside(path)
    axis, numbers = _parse(place)
    if is_nifti(file):
        volume = _volume(file, axis)
        return volume.grey(_one_of(path, numbers, len(volume.slices)))[..., None]
    found = _HEADERS(file)
    return read_frame(found, _one_of(path, numbers, found.frames))


def read_inside_labels(path: Path) -> NDArray[Any]:
    """The labels of a mask (H, W): voxels of NIfTI, or numbers of DICOM segments.

    Raises:
        DataError: See ``read_inside``; or the DICOM file is no segmentation.

    Example:
        >>> read_inside_labels(Path("volume.nii.gz#axial1")).shape
        (48, 40)
    """
    file, place = split_inside(path)
    axis, numbers = _parse(place)
    if not is_nifti(file):
        return _SEGMENTATIONS(file).labels(numbers)
    volume = _volume(file, axis)
    values = volume.values(_one_of(path, numbers, len(volume.slices)))
    whole = np.rint(values)
    if not np.array_equal(values, whole):
        raise DataError(f"{path}: the mask holds fractions; save class numbers")
    labels: NDArray[np.int64] = whole.astype(np.int64)
    return labels


def _volume(file: Path, axis: str) -> NiftiVolume:
    with _LOADING:
        return _VOLUMES[axis](file)


def _parse(place: str) -> tuple[str, tuple[int, ...]]:
    """Axis and numbers, from 1, of what follows ``#``."""
    match = _PLACE.fullmatch(place)
    if match is None:
        return "axial", ()
    return match["axis"] or "axial", tuple(int(part) for part in match["numbers"].split("+"))


def _one_of(path: Path, numbers: tuple[int, ...], count: int) -> int:
    """The index of a picture, from 0."""
    if not numbers and count == 1:
        return 0
    if len(numbers) == 1 and 1 <= numbers[0] <= count:
        return numbers[0] - 1
    file = split_inside(path)[0].name
    raise DataError(f"{path}: holds {count} pictures; name one, from {file}#1 to {file}#{count}")
