"""One imported image: copied or converted, with its mask and field of view as PNG."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bmis.data.file_kinds import IMAGE_SUFFIXES
from bmis.data.formats.raster import Header, read_header
from bmis.data.images import read_image, write_image, write_mask
from bmis.data.labels import wrong_size
from bmis.errors import DataError
from bmis.importing.pictures import read_stored
from bmis.importing.source import Item

_OUTLINES = (".json", ".xml", ".txt")


@dataclass(frozen=True)
class ImportedCase:
    """One image of the written data set.

    Attributes:
        id: Its id.
        image: File of the image in the source, as seen from there.
        annotation: File of the annotation in the source.
        copied: Whether the image was copied byte for byte; else it was converted to PNG.
        split: Its split, if the source has splits.
        group: Its group, if there are groups.
        stratum: Its stratum, if the source has strata.
        notes: What was decided about this image.
        problems: What is wrong with its annotation; the mask is right without it.

    Example:
        >>> ImportedCase("a", "images/a.png", "a.json", copied=True).notes
        ()
    """

    id: str
    image: str
    annotation: str
    copied: bool
    split: str | None = None
    group: str | None = None
    stratum: str | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def write_case(
    folder: Path, name: str, item: Item, *, classes: int, relative: Callable[[Path], str]
) -> ImportedCase | DataError:
    """Write the image, mask and field of view of an item.

    Args:
        folder: Folder of the data set.
        name: Id of the image.
        item: What the source has.
        classes: Number of classes, background included.
        relative: Says where a file lies in the source.

    Returns:
        What was written, or why nothing was.

    Example:
        >>> from bmis.importing.source import Drawn
        >>> draw = lambda size: Drawn(np.zeros(size, np.uint8))
        >>> item = Item(Path("photo.png"), Path("a.json"), draw)
        >>> write_case(Path("out"), "photo", item, classes=2, relative=str).copied
        True
    """
    try:
        size = _size(read_image(item.image).pixels.shape)
        drawn = item.draw(size)
        view = _view(item, size)
        for part in ("images", "masks", *(["fov"] if view is not None else [])):
            (folder / part).mkdir(parents=True, exist_ok=True)
        header = _header(item.image)
        _write_image(item.image, folder / "images", name, copied=header is not None)
        write_mask(folder / "masks" / f"{name}.png", drawn.labels, classes)
        if view is not None:
            write_mask(folder / "fov" / f"{name}.png", view, 2)
    except DataError as error:
        return error
    notes = [*drawn.notes]
    if header and header.turned and item.annotation.suffix.lower() in _OUTLINES:
        notes.append("the image is stored turned: outlines are taken as those of the upright image")
    if name != item.image.stem:
        notes.append(f"called {name!r}")
    return ImportedCase(
        name,
        relative(item.image),
        relative(item.annotation),
        header is not None,
        item.split,
        item.group,
        item.stratum,
        tuple(notes),
        drawn.problems,
    )


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[0], shape[1]


def _view(
    item: Item, size: tuple[int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
    if item.field_of_view is None:
        return None
    values = read_stored(item.field_of_view).values
    if values.shape != size:
        raise wrong_size(item.field_of_view, values.shape, size, "field of view")
    if not values.any():
        raise DataError(f"{item.field_of_view}: an empty field of view; remove the file")
    return (values > 0).astype(np.uint8)


def _header(image: Path) -> Header | None:
    """The header of an image that bmis reads as it is; None where it must be converted."""
    if image.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    try:
        return read_header(image)
    except DataError:
        return None


def _write_image(image: Path, folder: Path, name: str, *, copied: bool) -> None:
    if not copied:
        write_image(folder / f"{name}.png", read_image(image).pixels)
        return
    try:
        shutil.copyfile(image, folder / f"{name}{image.suffix.lower()}")
    except OSError as error:
        raise DataError(f"{image}: cannot be copied ({error.strerror})") from error
