"""Where the pixels of DICOM lie in millimetres.

DICOM counts to the patient's left, back and head (LPS), NIfTI to the right, front and head (RAS).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

_CENTIMETRES, _TISSUE, _TWO_DIMENSIONAL = 3, 1, 1  # of PS3.3 C.8.5.5
_LEAST_SIDE = 16  # pixels of an ultrasound region that a network can see anything in
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_TOLERANCE = 0.01  # of the distance of two slices, by which a position may be off


@dataclass(frozen=True, eq=False)
class Plane:
    """Where a frame lies in the patient.

    Attributes:
        position: Centre of the first pixel in mm (3,), LPS.
        across: Direction along a row (3,), of length 1.
        down: Direction along a column (3,), of length 1.

    Example:
        >>> Plane(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])).normal
        array([0., 0., 1.])
    """

    position: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Direction from slice to slice (3,), of length 1."""
        return np.cross(self.across, self.down)


def plane_of(header: "Dataset") -> Plane | None:
    """Where a frame lies, by its position and orientation; None where it does not say.

    Args:
        header: What ``frame_header`` returned.

    Example:
        >>> from bmis.data.formats.dicom import read_dicom
        >>> from pathlib import Path
        >>> plane_of(read_dicom(Path("ct/1.dcm")).header).across
        array([0.8, 0.6, 0. ])
        >>> plane_of(read_dicom(Path("skin.dcm")).header) is None
        True
    """
    position = _numbers(header.get("ImagePositionPatient"), 3)
    orientation = _numbers(header.get("ImageOrientationPatient"), 6)
    if position is None or orientation is None:
        return None
    across, down = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if abs(float(across @ down)) > _TOLERANCE or min(lengths) < 1 - _TOLERANCE:
        return None  # no directions of rows and columns
    return Plane(position, across / lengths[0], down / lengths[1])


def pixel_spacing(header: "Dataset") -> tuple[float, float] | None:
    """Millimetres per pixel (down, across), where they are known.

    Those in the patient come first, then those at the detector (ImagerPixelSpacing), divided by the
    magnification where that is estimated, then those of a scanned film.

    Args:
        header: What ``frame_header`` returned.

    Example:
        >>> from bmis.data.formats.dicom import read_dicom
        >>> from pathlib import Path
        >>> pixel_spacing(read_dicom(Path("ct/1.dcm")).header)
        (0.5, 0.8)
    """
    for name in _SPACINGS:
        pair = _numbers(header.get(name), 2)
        if pair is not None and (pair > 0).all():
            factor = header.get("EstimatedRadiographicMagnificationFactor")
            if name == "ImagerPixelSpacing" and factor and float(factor) > 0:
                pair = pair / float(factor)
            return float(pair[0]), float(pair[1])
    return None


@dataclass(frozen=True)
class UltrasoundView:
    """What the regions of an ultrasound image say (PS3.3 C.8.5.5).

    Attributes:
        box: (top, left, bottom, right) of the one region that shows tissue; None where there are
            none or several.
        spacing: Millimetres per pixel (down, across); None where regions differ or say nothing.

    Example:
        >>> UltrasoundView().spacing is None
        True
    """

    box: tuple[int, int, int, int] | None = None
    spacing: tuple[float, float] | None = None


def ultrasound_view(header: "Dataset", size: tuple[int, int]) -> UltrasoundView:
    """Where an ultrasound image shows tissue, and how large its pixels are.

    Args:
        header: Header of the file.
        size: Height and width in pixels.

    Example:
        >>> from bmis.data.formats.dicom import read_dicom
        >>> from pathlib import Path
        >>> clip = read_dicom(Path("clip.dcm"))
        >>> ultrasound_view(clip.header, clip.size)
        UltrasoundView(box=(8, 20, 56, 68), spacing=(0.1, 0.05))
    """
    found = [
        region
        for region in header.get("SequenceOfUltrasoundRegions") or []
        if region.get("RegionSpatialFormat") == _TWO_DIMENSIONAL
        and region.get("RegionDataType") == _TISSUE
    ]
    spacings = {_region_spacing(region) for region in found}
    spacing = spacings.pop() if len(spacings) == 1 else None
    return UltrasoundView(_region_box(found[0], size) if len(found) == 1 else None, spacing)


def _region_spacing(region: "Dataset") -> tuple[float, float] | None:
    units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
    sides = [10 * abs(float(region.get(f"PhysicalDelta{axis}") or 0)) for axis in "YX"]
    if units != (_CENTIMETRES, _CENTIMETRES) or not np.isfinite(sides).all() or min(sides) <= 0:
        return None
    return round(sides[0], 9), round(sides[1], 9)


def _region_box(region: "Dataset", size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    names = ("MinY0", "MinX0", "MaxY1", "MaxX1")
    places = [region.get(f"RegionLocation{name}") for name in names]
    if None in places:
        return None
    top, left, bottom, right = map(int, places)
    box = max(0, top), max(0, left), min(bottom + 1, size[0]), min(right + 1, size[1])
    return box if min(box[2] - box[0], box[3] - box[1]) >= _LEAST_SIDE else None


def stack_step(planes: Sequence[Plane]) -> NDArray[np.float64] | None:
    """The way from a slice to the next in mm (3,), LPS; None where they are not evenly spaced.

    Args:
        planes: Two or more, in order.

    Example:
        >>> axes = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        >>> stack_step([Plane(np.array([0, 0, 2.0 * k]), *axes) for k in range(3)])
        array([0., 0., 2.])
    """
    positions = np.stack([plane.position for plane in planes])
    step = (positions[-1] - positions[0]) / (len(planes) - 1)
    expected = positions[0] + np.arange(len(planes))[:, None] * step
    length = float(np.linalg.norm(step))
    off = float(np.linalg.norm(positions - expected, axis=1).max())
    return step if length > 0 and off <= _TOLERANCE * length + 1e-3 else None


def affine_of(
    first: Plane, step: NDArray[np.float64], spacing: tuple[float, float]
) -> NDArray[np.float64]:
    """The affine of a NIfTI volume (4, 4) whose axes are column, row and slice; RAS.

    Args:
        first: Plane of the first slice.
        step: See ``stack_step``.
        spacing: Millimetres per pixel (down, across).

    Example:
        >>> plane = Plane(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
        >>> affine_of(plane, np.array([0, 0, 2.0]), (0.5, 0.8)).diagonal()
        array([-0.8, -0.5,  2. ,  1. ])
    """
    affine = np.eye(4)
    affine[:3, 0] = first.across * spacing[1]
    affine[:3, 1] = first.down * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    affine[:2] *= -1
    return affine


def tilt_degrees(plane: Plane, step: NDArray[np.float64]) -> float:
    """Angle in degrees by which slices are shifted against each other (gantry tilt), 0 for none.

    Example:
        >>> plane = Plane(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
        >>> round(tilt_degrees(plane, np.array([0, 1.0, 1.0])))
        45
    """
    cosine = abs(float(step @ plane.normal)) / float(np.linalg.norm(step))
    return float(np.degrees(np.arccos(min(1.0, cosine))))


def _numbers(value: Any, count: int) -> NDArray[np.float64] | None:
    """Finite numbers of an element of DICOM; None if there are not as many."""
    if value is None or isinstance(value, str | float | int) or len(value) != count:
        return None
    numbers = np.array([float(one) for one in value if one is not None], np.float64)
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None
