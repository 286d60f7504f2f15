"""Stacks of TIFF: the pages of a file, read one at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.stack import Stack
from bmis.data.formats.dicom_pixels import Window
from bmis.data.formats.raster import decode
from bmis.data.formats.stretch import through_window
from bmis.data.formats.tiff_stack import TiffStack
from bmis.data.images import Image, read_image
from bmis.errors import DataError

_GREY = 2  # dimensions of an array of greys


@dataclass(frozen=True, eq=False)
class PageStack(Stack):
    """The pages of a TIFF.

    Attributes:
        name: See ``Stack``.
        file: The file.
        window: Centre and width of what becomes black and white of greys; else each page is read
            as a file of one page is.
        origins: What files are called in place of where they lie.

    Example:
        >>> import tifffile
        >>> from bmis.data.formats.tiff_stack import read_tiff_stack
        >>> tifffile.imwrite("a.tif", np.zeros((3, 48, 64), np.uint8), photometric="minisblack")
        >>> stack = PageStack("a", read_tiff_stack(Path("a.tif")))
        >>> len(stack), stack.read(2).pixels.shape
        (3, (48, 64, 1))
    """

    formats: ClassVar[tuple[str, ...]] = ("tiff", "csv")
    kind: ClassVar[str] = "TIFF"
    name: str
    file: TiffStack
    window: Window = "percentiles"
    origins: Mapping[Path, Path] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.file.pages

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Height and width in pixels."""
        return self.file.size

    @property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """See ``Stack``."""
        return self.file.notes

    def read(self, index: int) -> Image:
        page = self.file.page(index)
        image = replace(read_image(page), spacing=self.file.spacing, path=self.file.path)
        if isinstance(self.window, tuple) and image.pixels.shape[2] == 1:
            array = decode(page).array
            shown = through_window(array if array.ndim == _GREY else array[..., 0], *self.window)
            image = replace(image, pixels=shown[..., None])
        if image.pixels.shape[:2] != self.size:
            raise DataError(f"{page}: a page of another size; save it as a file of its own")
        return image

    def spacing(self, index: int) -> tuple[float, float] | None:
        return self.file.spacing

    def box(self, index: int) -> tuple[int, int, int, int] | None:
        return None

    def path(self, index: int) -> Path:
        return self.origins.get(self.file.path, self.file.path)

    @property
    def affine(self) -> NDArray[np.float64] | None:
        if self.file.spacing is None or self.file.step is None:
            return None
        down, across = self.file.spacing
        return np.diag([-across, -down, self.file.step, 1.0])
