"""LabelMe: a JSON file beside each image."""

from base64 import b64decode
from binascii import Error as Base64Error
from os.path import normpath
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np

from bmis.errors import DataError
from bmis.importing.json_file import read_json
from bmis.importing.pictures import decode_png
from bmis.importing.settings import ImportOptions
from bmis.importing.shapes import (
    Fill,
    Mask,
    Shape,
    Size,
    check_points,
    circle,
    painter,
    polygon,
    rectangle,
)
from bmis.importing.source import ClassList, Item, Source, choose_classes
from bmis.importing.tree import Tree, split_of
from bmis.system.reading import first_bytes, read_text

_START = 2**12  # bytes in which a file of LabelMe shows what it is
_IGNORED = "__ignore__"  # a label of LabelMe's own


class _Shape(msgspec.Struct):
    label: str
    points: list[Any]
    shape_type: str | None = None
    mask: str | None = None


class _File(msgspec.Struct):
    shapes: list[_Shape]
    imagePath: str  # noqa: N815  (LabelMe's own name)
    imageHeight: int | None = None  # noqa: N815
    imageWidth: int | None = None  # noqa: N815


class _WithImage(msgspec.Struct):
    imagePath: str  # noqa: N815
    imageData: str | None = None  # noqa: N815


def is_labelme(tree: Tree) -> bool:
    """Whether a source has files of LabelMe.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_labelme(read_tree(Path("polyps")))
        False
    """
    return any(map(_looks_like_labelme, tree.ending(".json")))


def embedded_image(tree: Tree, path: Path) -> tuple[str, bytes] | None:
    """The image that a file of LabelMe holds itself, where there is no file of that image.

    Returns:
        Where the image belongs, as seen from the root, and the bytes of its file.

    Example:
        >>> import json
        >>> from base64 import b64encode
        >>> data = b64encode(Path("photo.png").read_bytes()).decode()
        >>> text = json.dumps({"shapes": [], "imagePath": "lost.png", "imageData": data})
        >>> size = Path("a.json").write_text(text)
        >>> name, content = embedded_image(Tree(Path("."), (Path("a.json"),)), Path("a.json"))
        >>> name, content == Path("photo.png").read_bytes()
        ('lost.png', True)
    """
    if not _looks_like_labelme(path):
        return None
    try:
        file = read_json(path, _WithImage)
        content = b64decode(file.imageData or "")
    except (DataError, ValueError):  # said by the reader
        return None
    if not content or _is_there(tree, file.imagePath, path.parent):
        return None
    plain = file.imagePath.replace("\\", "/")
    home = PurePosixPath(tree.relative(path)).parent
    place = PurePosixPath(normpath(home / plain))
    below_a_file = any(tree.at(folder.as_posix()) for folder in place.parents)
    if ".." in place.parts or place.is_absolute() or not place.name or below_a_file:
        place = home / PurePosixPath(plain).name
    return None if place.name in ("", "..") else (place.as_posix(), content)


def _is_there(tree: Tree, name: str, beside: Path) -> bool:
    try:
        tree.find(name, beside)
    except DataError:
        return False
    return True


def _looks_like_labelme(path: Path) -> bool:
    return b'"shapes"' in first_bytes(path, _START)


def read_labelme(tree: Tree, options: ImportOptions) -> Source:
    """Read all files of LabelMe below a source. The classes are sorted by name.

    A file ``labels.txt`` with a name in each line, as LabelMe takes it, says the order instead.

    Raises:
        DataError: The classes cannot be chosen.

    Example:
        >>> import json
        >>> shape = {"label": "a", "points": [[1, 1], [4, 4]], "shape_type": "rectangle"}
        >>> text = json.dumps({"shapes": [shape], "imagePath": "photo.png"})
        >>> size = Path("photo.json").write_text(text)
        >>> files = (Path("photo.json"), Path("photo.png"))
        >>> source = read_labelme(Tree(Path("."), files), ImportOptions())
        >>> source.classes, int(source.items[0].draw((64, 64)).labels.sum())
        (('background', 'a'), 16)
    """
    files, failed = [], []
    for path in tree.ending(".json"):
        if not _looks_like_labelme(path):
            continue
        try:
            file = read_json(path, _File)
            files.append((path, file, tree.find(file.imagePath, path.parent)))
        except DataError as error:
            failed.append(_at(path, error))
    found = sorted({shape.label for _, file, _ in files for shape in file.shapes} - {_IGNORED})
    listed, used = _listed(tree, found)
    try:
        classes = choose_classes(listed, options.classes)
    except DataError as error:
        raise failed[0] if failed else DataError(f"{tree.root}: {error}") from error
    items: list[Item] = []
    taken: set[Path] = set()
    for path, file, image in files:
        if image in taken:
            failed.append(DataError(f"{path}: a second file for {image.name}; remove one of them"))
            continue
        taken.add(image)
        declared = None
        if file.imageHeight and file.imageWidth:
            declared = (file.imageHeight, file.imageWidth)
        draw = painter(path, _shapes(file, classes), declared)
        items.append(Item(image, path, draw, split_of(tree.relative(path.parent))))
    notes = (classes.note,) if classes.note else ()
    return Source(tuple(items), classes.names, tuple(failed), notes, used)


def _at(path: Path, error: DataError) -> DataError:
    """The error with the file of the annotation in front, once."""
    text = str(error)
    return error if text.startswith(f"{path}:") else DataError(f"{path}: imagePath {text}")


def _listed(tree: Tree, found: list[str]) -> tuple[list[str], tuple[Path, ...]]:
    """The labels in the order of ``labels.txt`` if it has them all, else as they are."""
    for file in tree.ending("labels.txt"):
        names = read_text(file).split("\n")
        lines = [name.strip() for name in names if name.strip() and name.strip() != _IGNORED]
        if set(found) <= set(lines):
            return lines, (file,)
    return found, ()


def _shapes(file: _File, classes: ClassList) -> list[Shape]:
    shapes = []
    for number, shape in enumerate(file.shapes, start=1):
        label = classes.numbers.get(shape.label, 0)
        shapes.append(Shape(label, f"shape {number} ({shape.label!r})", _fill(shape)))
    return shapes


def _fill(shape: _Shape) -> Fill:
    match shape.shape_type:
        case None | "polygon" | "oriented_rectangle":
            return polygon(shape.points)
        case "rectangle":
            return rectangle(shape.points)
        case "circle":
            return circle(shape.points)
        case "mask":
            return _mask(shape)
        case _:  # lines and points enclose nothing
            return lambda size: np.zeros(size, np.bool_)


def _mask(shape: _Shape) -> Fill:
    """A mask that the file holds as a PNG, with the corners of its place."""

    def fill(size: Size) -> Mask:
        corners = check_points(shape.points, size)
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        try:
            picture = decode_png(b64decode(shape.mask or ""))
        except Base64Error as error:
            raise DataError("its picture is no whole PNG; save the file again") from error
        room = (int(bottom) - int(top) + 1, int(right) - int(left) + 1)
        if picture.shape != room or min(left, top) < 0 or right >= size[1] or bottom >= size[0]:
            raise DataError(
                f"has a mask of {picture.shape} pixels for a place of {room}; draw it again"
            )
        mask = np.zeros(size, np.bool_)
        mask[int(top) : int(bottom) + 1, int(left) : int(right) + 1] = picture > 0
        return mask

    return fill
