"""NIfTI volumes: voxels as slices that a radiologist would look at, and back.

nibabel reads them. Uncompressed files are mapped, compressed ones are read at once as the type that
they store, after their size has been checked.
"""

import logging
import warnings
from dataclasses import dataclass
from gzip import GzipFile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.data.formats.limits import check_size
from bmis.data.formats.stretch import through_window, to_bytes
from bmis.errors import DataError, one_line_about, require
from bmis.system.reading import first_bytes, open_file

SUFFIXES = (".nii", ".nii.gz")
AXES = {"axial": "LPS", "coronal": "LIP", "sagittal": "PIL"}
"""Where columns, rows and slices lead: left (L), back (P), head (S) or feet (I)."""

_OPPOSITE = {"L": "R", "R": "L", "P": "A", "A": "P", "S": "I", "I": "S"}
_MAX_BYTES = 2**31  # of a volume that must be read at once
_SQUARE = 2  # dimensions of a slice
_ALIKE = 0.1  # of a voxel: affines are rounded differently by different programs


@dataclass(frozen=True, eq=False)
class NiftiGrid:
    """Where the voxels of a volume lie, from its header alone.

    Attributes:
        shape: Voxels along each axis of the file, 3 numbers.
        affine: From voxel numbers of the file to mm (4, 4), RAS.
        axis: How slices are cut.

    Example:
        >>> NiftiGrid((40, 48, 3), np.eye(4), "coronal").picture_shape
        (48, 3, 40)
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    axis: str

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """Number, height and width of the slices."""
        order, _ = _turns(self.affine, AXES[self.axis])
        across, down, along = (self.shape[axis] for axis in order)
        return along, down, across

    def lies_as(self, other: "NiftiGrid") -> bool:
        """Whether the voxels of another volume lie at the same places, to a tenth of a voxel."""
        if self.shape != other.shape:
            return False
        side = np.linalg.norm(self.affine[:3, :3], axis=0).min()
        corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
        corners[:, :3] *= self.shape
        apart = corners @ (self.affine - other.affine).T
        return bool(np.abs(apart).max() <= _ALIKE * side)


@dataclass(frozen=True, eq=False)
class NiftiVolume:
    """A volume whose slices are pictures.

    Attributes:
        path: The file.
        shape: Voxels along each axis of the file, 3 numbers.
        affine: From voxel numbers of the file to mm (4, 4), RAS.
        spacing: Millimetres per pixel of a slice (down, across); None where the file says nothing.
        slices: View of the stored values (slices, H, W).
        scale: Factor and offset of the stored values.

    Example:
        >>> read_nifti(Path("volume.nii.gz")).slices.shape
        (3, 48, 40)
    """

    path: Path
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    spacing: tuple[float, float] | None
    slices: NDArray[Any]
    scale: tuple[float, float]
    axis: str = "axial"

    def values(self, index: int) -> NDArray[Any]:
        """The values of a slice (H, W): as they are stored, or float32 where they are scaled."""
        stored = np.ascontiguousarray(self.slices[index])
        if stored.dtype.byteorder not in ("=", "|"):
            stored = stored.astype(stored.dtype.newbyteorder("="))
        if self.scale == (1.0, 0.0):
            return stored
        return stored.astype(np.float32) * np.float32(self.scale[0]) + np.float32(self.scale[1])

    def grey(
        self, index: int, window: str | tuple[float, float] = "percentiles"
    ) -> NDArray[np.uint8]:
        """A slice (H, W) as it is shown.

        Args:
            index: Number of the slice, from 0.
            window: Centre and width of what becomes black and white; else percentiles of the
                slice.
        """
        with one_line_about(self.path):
            values = self.values(index)
            if values.dtype.kind == "f":
                values = np.nan_to_num(values, posinf=0.0, neginf=0.0)  # outside of the scan
            return (
                through_window(values, *window) if isinstance(window, tuple) else to_bytes(values)
            )

    def in_file_order(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (slices, H, W) as a view along the axes of the file."""
        order, signs = _turns(self.affine, AXES[self.axis])
        columns_first = labels.transpose(2, 1, 0)[tuple(slice(None, None, sign) for sign in signs)]
        return columns_first.transpose(np.argsort(order))


def is_nifti(path: Path) -> bool:
    """Whether a file is a NIfTI volume, by its name or its mark.

    Example:
        >>> is_nifti(Path("volume.nii.gz")), is_nifti(Path("photo.png"))
        (True, False)
    """
    marks = (b"n+1\0", b"n+2\0")
    start = first_bytes(path, 348)
    return path.name.lower().endswith(SUFFIXES) or start[344:348] in marks or start[4:8] in marks


def read_nifti(path: Path, axis: str = "axial") -> NiftiVolume:
    """Open a NIfTI file of two or three dimensions.

    Args:
        path: The file.
        axis: "axial", "coronal" or "sagittal", the way in which slices are cut. A file of two
            dimensions, or with a single slice along one axis, is cut along that axis.

    Raises:
        DataError: The file is missing, damaged, too large, or no grey volume of three dimensions.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> volume = read_nifti(Path("volume.nii.gz"), "coronal")
        >>> volume.slices.shape, volume.spacing
        ((48, 3, 40), (3.0, 0.8))
    """
    with one_line_about(path):
        image, grid = _open(path, axis)
        shape, axis = grid.shape, grid.axis
        stored = np.asanyarray(image.dataobj.get_unscaled()).reshape(shape)
        order, signs = _turns(image.affine, AXES[axis])
        turned = stored.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
        sides = np.abs(np.linalg.norm(image.affine[:3, :3], axis=0))[list(order)]
        across, down = (round(float(side), 6) for side in sides[:2])  # float32 in the file
        spacing = (down, across) if min(down, across) > 0 else None
        scale = float(image.dataobj.slope), float(image.dataobj.inter)
        slices = turned.transpose(2, 1, 0)
        return NiftiVolume(path, shape, image.affine, spacing, slices, scale, axis)


def read_nifti_grid(path: Path, axis: str = "axial") -> NiftiGrid:
    """What the header of a NIfTI file says of its slices; see ``read_nifti``.

    Raises:
        DataError: See ``read_nifti``.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> read_nifti_grid(Path("volume.nii.gz")).picture_shape
        (3, 48, 40)
    """
    with one_line_about(path):
        return _open(path, axis)[1]


def stem_of(path: Path) -> str:
    """The name of a file without its suffix, which may be ``.nii.gz``; a number is none.

    Example:
        >>> stem_of(Path("a.nii.gz")), stem_of(Path("a.b.dcm")), stem_of(Path("1.2.840.7"))
        ('a', 'a.b', '1.2.840.7')
    """
    name, suffix = path.name, path.suffix
    end = next((end for end in SUFFIXES[::-1] if name.lower().endswith(end)), suffix)
    end = "" if end[1:].isdecimal() else end
    return name[: len(name) - len(end)] or name


def write_nifti(path: Path, labels: NDArray[np.uint8], affine: NDArray[np.float64]) -> None:
    """Write labels along the axes of an affine; the space is said to be the scanner's.

    Args:
        path: A name that ends in .nii.gz.
        labels: Three dimensions.
        affine: From voxel numbers to mm (4, 4), RAS.

    Example:
        >>> write_nifti(Path("mask.nii.gz"), np.ones((2, 3, 4), np.uint8), np.eye(4))
        >>> read_nifti(Path("mask.nii.gz")).shape
        (2, 3, 4)
    """
    nibabel: Any = require("nibabel", extra="clinical")
    image = nibabel.Nifti1Image(labels, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    image.header.set_xyzt_units("mm")
    with path.open("wb") as file, GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        image.to_stream(packed)  # without a time, so that the same labels are the same bytes


def _open(path: Path, axis: str) -> tuple[Any, NiftiGrid]:
    """The image of nibabel with its values unread, and its checked grid."""
    nibabel: Any = require("nibabel", extra="clinical")
    for name in ("nibabel", "nibabel.global"):  # what is wrong is said by our own errors
        logging.getLogger(name).handlers = [logging.NullHandler()]
    warnings.filterwarnings("ignore", module="nibabel")
    with open_file(path):
        pass
    try:
        image = nibabel.load(path)
    except nibabel.filebasedimages.ImageFileError as error:
        raise DataError(f"{path}: not a NIfTI volume; copy it again or remove it") from error
    if not isinstance(image, nibabel.Nifti1Pair):  # CIFTI has the same suffix
        raise DataError(f"{path}: holds no voxels ({type(image).__name__}); export it as a volume")
    shape = _three_dimensions(path, image.shape)
    _check_type(path, image, shape)
    axis = _flat_axis(image.affine, shape) or axis
    return image, NiftiGrid(shape, image.affine, axis)


def _three_dimensions(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == _SQUARE:
        shape = (*shape, 1)
    if len(shape) != 3 or min(shape) < 1:
        raise DataError(
            f"{path}: a volume of {' x '.join(map(str, shape)) or 'no'} voxels; three dimensions "
            "are read, so split it by time or channel"
        )
    return int(shape[0]), int(shape[1]), int(shape[2])


def _check_type(path: Path, image: Any, shape: tuple[int, int, int]) -> None:
    dtype = image.get_data_dtype()
    if dtype.kind not in "uif":
        raise DataError(f"{path}: holds {dtype}; save one number for each voxel")
    if dtype.itemsize * int(np.prod(shape, dtype=np.int64)) > _MAX_BYTES:
        raise DataError(
            f"{path}: {' x '.join(map(str, shape))} voxels of {dtype.itemsize} bytes are more "
            f"than {_MAX_BYTES // 2**30} GiB; cut or shrink it first"
        )
    for pair in (shape[:2], shape[1:], (shape[0], shape[2])):
        check_size(path, *pair)
    if not np.isfinite(image.affine).all():
        raise DataError(f"{path}: its affine is not finite; write the file again")


def _flat_axis(affine: NDArray[np.float64], shape: tuple[int, int, int]) -> str | None:
    """The axis along which there is a single slice, if there is just one such axis."""
    for axis, codes in AXES.items():
        order, _ = _turns(affine, codes)
        if [side for side in shape if side == 1] == [1] and shape[order[2]] == 1:
            return axis
    return None


def _turns(
    affine: NDArray[np.float64], codes: str
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Which axis of a file becomes column, row and slice, and whether it is reversed (-1)."""
    orientations: Any = require("nibabel.orientations", extra="clinical")
    found = [one or "" for one in orientations.aff2axcodes(affine)]
    if sorted(_OPPOSITE.get(one, one) if one in "RAI" else one for one in found) != list("LPS"):
        found = list("RAS")  # an affine that leads nowhere: the voxels as they are stored
    order = [next(k for k, one in enumerate(found) if one in (c, _OPPOSITE[c])) for c in codes]
    signs = [1 if found[k] == code else -1 for k, code in zip(order, codes, strict=True)]
    return (order[0], order[1], order[2]), (signs[0], signs[1], signs[2])
