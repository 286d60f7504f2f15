"""Stacks: the frames of a clip, the slices of a series or of a volume, read one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.geometry import (
    Plane,
    UltrasoundView,
    affine_of,
    pixel_spacing,
    plane_of,
    stack_step,
    ultrasound_view,
)
from bmis.data.formats.dicom import DicomFile
from bmis.data.formats.dicom_pixels import Window, frame_header, read_frame
from bmis.data.formats.nifti import NiftiVolume
from bmis.data.formats.video import Video
from bmis.data.images import Image
from bmis.errors import one_line_about

_DIGITS = 4  # of the numbers of slices in names of files


class Stack(ABC):
    """Pictures of one size that belong together.

    Attributes:
        name: What its results are called; it tells nothing of the patient and fits any disk.
        size: Height and width in pixels.
        notes: What one should know of how it is read.
        formats: What is written of it unless something is asked for.
        kind: What it is called where stacks are listed.

    Example:
        >>> from bmis.clinical.study import find_stacks
        >>> (stack,) = find_stacks([Path("ct")]).stacks
        >>> isinstance(stack, Stack), len(stack), stack.size
        (True, 4, (48, 64))
    """

    name: str
    size: tuple[int, int]
    notes: Sequence[str]
    formats: ClassVar[tuple[str, ...]] = ("png", "csv")
    kind: ClassVar[str]

    @abstractmethod
    def __len__(self) -> int:
        """Number of pictures."""

    @abstractmethod
    def read(self, index: int) -> Image:
        """Read one picture, whole, with its spacing."""

    def spacing(self, index: int) -> tuple[float, float] | None:
        """Millimetres per pixel (down, across) of a picture, where known."""
        return None

    @abstractmethod
    def box(self, index: int) -> tuple[int, int, int, int] | None:
        """Where the part lies that the network shall see (top, left, bottom, right), if not all."""

    @abstractmethod
    def path(self, index: int) -> Path:
        """What the file that a picture lies in is called."""

    @property
    @abstractmethod
    def affine(self) -> NDArray[np.float64] | None:
        """The affine of a NIfTI volume of its labels, if slices lie evenly spaced in space; RAS."""

    def in_file_order(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (n, H, W) as a view along the axes of ``affine``."""
        return labels.transpose(2, 1, 0)

    def slice_name(self, index: int) -> str:
        """What the results of one picture are called: its number from 1."""
        return f"{index + 1:0{_DIGITS}d}"


@dataclass(frozen=True, eq=False)
class DicomStack(Stack):
    """A series or a clip of DICOM.

    Attributes:
        name: See ``Stack``.
        frames: File and number of the frame, from 0, of each picture in order.
        window: What becomes black and white, see ``dicom_pixels``.
        notes: See ``Stack``.
        origins: What files are called in place of where they lie.

    Example:
        >>> from bmis.data.formats.dicom import read_dicom
        >>> stack = DicomStack("clip", [(read_dicom(Path("clip.dcm")), 0)])
        >>> stack.read(0).pixels.shape, stack.read(0).spacing, stack.box(0)
        ((64, 80, 1), (0.1, 0.05), (8, 20, 56, 68))
    """

    formats: ClassVar[tuple[str, ...]] = ("seg", "csv")
    kind: ClassVar[str] = "DICOM"
    name: str
    frames: Sequence[tuple[DicomFile, int]]
    window: Window = "file"
    notes: Sequence[str] = field(default_factory=list)
    origins: Mapping[Path, Path] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Height and width in pixels."""
        return self.frames[0][0].size

    @property
    def files(self) -> list[DicomFile]:
        """Its files, each once."""
        return list(dict.fromkeys(file for file, _ in self.frames))

    @property
    def modality(self) -> str:
        """Such as "CT"; empty where it is not said."""
        return str(self.frames[0][0].header.get("Modality") or "")

    def read(self, index: int) -> Image:
        file, frame = self.frames[index]
        return Image(read_frame(file, frame, self.window), self.spacing(index), file.path)

    def box(self, index: int) -> tuple[int, int, int, int] | None:
        return self._view(index).box

    def path(self, index: int) -> Path:
        path = self.frames[index][0].path
        return self.origins.get(path, path)

    def spacing(self, index: int) -> tuple[float, float] | None:
        file, frame = self.frames[index]
        with one_line_about(file.path):
            own = pixel_spacing(frame_header(file.header, frame))
        return own or self._view(index).spacing

    def _view(self, index: int) -> UltrasoundView:
        file = self.frames[index][0]
        with one_line_about(file.path):
            return ultrasound_view(file.header, file.size)

    @cached_property
    def planes(self) -> list[Plane] | None:
        """Where the pictures lie, if all say it and lie in one Frame of Reference."""
        if not self.frames[0][0].header.get("FrameOfReferenceUID"):
            return None
        planes = [plane_of(frame_header(file.header, frame)) for file, frame in self.frames]
        known = [plane for plane in planes if plane is not None]
        return known if len(known) == len(planes) and self.spacing(0) else None

    @cached_property
    def affine(self) -> NDArray[np.float64] | None:
        planes, spacing = self.planes, self.spacing(0)
        if planes is None or spacing is None:
            return None
        if len(planes) > 1:
            step = stack_step(planes)
        else:
            file, frame = self.frames[0]
            thickness = frame_header(file.header, frame).get("SliceThickness")
            step = planes[0].normal * (float(thickness or 0) or 1.0)
        return None if step is None else affine_of(planes[0], step, spacing)


@dataclass(frozen=True, eq=False)
class NiftiStack(Stack):
    """A volume of NIfTI, cut into slices.

    Attributes:
        name: See ``Stack``.
        volume: The volume.
        window: Centre and width of what becomes black and white, or "percentiles" for each slice.
        notes: See ``Stack``.
        origins: What files are called in place of where they lie.

    Example:
        >>> from bmis.data.formats.nifti import read_nifti
        >>> stack = NiftiStack("volume", read_nifti(Path("volume.nii.gz")))
        >>> stack.read(0).pixels.shape, stack.read(0).spacing
        ((48, 40, 1), (0.5, 0.8))
    """

    formats: ClassVar[tuple[str, ...]] = ("nifti", "csv")
    kind: ClassVar[str] = "NIfTI"
    name: str
    volume: NiftiVolume
    window: Window = "percentiles"
    notes: Sequence[str] = field(default_factory=list)
    origins: Mapping[Path, Path] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.volume.slices)

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Height and width in pixels."""
        return self.volume.slices.shape[1], self.volume.slices.shape[2]

    def read(self, index: int) -> Image:
        grey = self.volume.grey(index, self.window)
        return Image(grey[..., None], self.volume.spacing, self.volume.path)

    def spacing(self, index: int) -> tuple[float, float] | None:
        return self.volume.spacing

    def box(self, index: int) -> tuple[int, int, int, int] | None:
        return None

    def path(self, index: int) -> Path:
        return self.origins.get(self.volume.path, self.volume.path)

    @property
    def affine(self) -> NDArray[np.float64]:
        return self.volume.affine

    def in_file_order(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self.volume.in_file_order(labels)


@dataclass(frozen=True, eq=False)
class VideoStack(Stack):
    """A video.

    Attributes:
        name: See ``Stack``.
        video: The video.
        notes: See ``Stack``.
        origins: What files are called in place of where they lie.

    Example:
        >>> len(VideoStack("a", Video(Path("a.mp4"), 300, (480, 640))))
        300
    """

    kind: ClassVar[str] = "video"
    name: str
    video: Video
    notes: Sequence[str] = field(default_factory=list)
    origins: Mapping[Path, Path] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.video.frames

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Height and width in pixels."""
        return self.video.size

    def read(self, index: int) -> Image:
        return Image(self.video.read(index), path=self.video.path)

    def box(self, index: int) -> tuple[int, int, int, int] | None:
        return None

    def path(self, index: int) -> Path:
        return self.origins.get(self.video.path, self.video.path)

    @property
    def affine(self) -> None:
        return None
