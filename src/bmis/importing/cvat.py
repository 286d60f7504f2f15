"""CVAT for images 1.1: one XML file for many images.

The XML is untrusted input. It is read as a stream without a tree, and a document type (and with it
every entity) is refused.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from bmis.errors import DataError
from bmis.importing.json_file import MAX_BYTES
from bmis.importing.run_lengths import decode_runs
from bmis.importing.settings import ImportOptions
from bmis.importing.shapes import (
    Fill,
    Mask,
    Shape,
    Size,
    drawn_outlines,
    ellipse,
    outlines,
    painter,
)
from bmis.importing.source import ClassList, Item, Source, choose_classes
from bmis.importing.tree import Tree, split_of
from bmis.system.reading import first_bytes, open_file

_SHAPES = ("polygon", "mask", "box", "ellipse", "polyline", "points", "cuboid", "skeleton")
_START = 2**12  # bytes in which a file of CVAT shows what it is


@dataclass
class _Image:
    name: str
    subset: str
    size: Size | None
    shapes: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@dataclass
class _Content:
    labels: list[str] = field(default_factory=list)
    images: list[_Image] = field(default_factory=list)
    tracks: int = 0


def is_cvat(tree: Tree) -> bool:
    """Whether a source has a file of CVAT.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_cvat(read_tree(Path("polyps")))
        False
    """
    return any(map(_looks_like_cvat, tree.ending(".xml")))


def _looks_like_cvat(path: Path) -> bool:
    return b"<annotations" in first_bytes(path, _START)


def read_cvat(tree: Tree, options: ImportOptions) -> Source:
    """Read all files of CVAT below a source; subsets become splits.

    Raises:
        DataError: No file can be read, or the classes cannot be chosen.

    Example:
        >>> box = '<box label="a" xtl="1" ytl="1" xbr="5" ybr="5"/>'
        >>> image = f'<image name="photo.png" width="64" height="64">{box}</image>'
        >>> size = Path("annotations.xml").write_text(f"<annotations>{image}</annotations>")
        >>> files = (Path("annotations.xml"), Path("photo.png"))
        >>> source = read_cvat(Tree(Path("."), files), ImportOptions())
        >>> int(source.items[0].draw((64, 64)).labels.sum())
        16
    """
    files, failed = [], []
    for path in filter(_looks_like_cvat, tree.ending(".xml")):
        try:
            files.append((path, _parse(path)))
        except DataError as error:
            failed.append(error)
    if not files:
        raise failed[0] if failed else DataError(f"{tree.root}: has no XML file of CVAT; add it")
    drawn = {s["label"] for _, c in files for i in c.images for _, s in i.shapes if "label" in s}
    declared = dict.fromkeys(name for _, content in files for name in content.labels)
    try:
        classes = choose_classes([*declared, *sorted(drawn - {*declared})], options.classes)
    except DataError as error:
        raise failed[0] if failed else DataError(f"{files[0][0]}: {error}") from error
    items: list[Item] = []
    taken: set[Path] = set()
    for path, content in files:
        for image in content.images:
            try:
                items.append(_item(tree, path, image, classes, taken))
            except DataError as error:
                failed.append(DataError(f"{path}: image {image.name!r} {error}"))
    notes = (classes.note,) if classes.note else ()
    used = tuple(path for path, _ in files)
    return Source(tuple(items), classes.names, tuple(failed), notes, used)


def _item(tree: Tree, path: Path, image: _Image, classes: ClassList, taken: set[Path]) -> Item:
    file = tree.find(image.name, path.parent)
    if file in taken:
        raise DataError("is listed for the second time; remove one of the two")
    taken.add(file)
    ordered = sorted(image.shapes, key=lambda shape: _number(shape[1], "z_order", 0.0))
    shapes = [
        Shape(
            classes.numbers.get(values.get("label", ""), 0),
            f"{kind} {number} of {image.name!r}",
            _fill(kind, values),
        )
        for number, (kind, values) in enumerate(ordered, start=1)
    ]
    split = split_of(image.subset) or split_of(tree.relative(file.parent))
    return Item(file, path, painter(path, shapes, image.size), split)


def _parse(path: Path) -> _Content:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: has more than {MAX_BYTES >> 20} MB; split it")
    content = _Content()
    parser = expat.ParserCreate()
    handler = _Handler(path, content)
    parser.StartDoctypeDeclHandler = handler.refuse
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    try:
        with open_file(path) as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise DataError(f"{path}: cannot be read as XML ({error}); export it again") from error
    if content.tracks:
        raise DataError(f"{path}: holds tracks of a video; export it as 'CVAT for images'")
    return content


@dataclass
class _Handler:
    """Takes what an XML parser meets."""

    path: Path
    content: _Content
    open: list[str] = field(default_factory=list)
    name: str = ""

    def refuse(self, *_: Any) -> None:
        raise DataError(f"{self.path}: has a document type, which CVAT does not write; remove it")

    def start(self, tag: str, values: dict[str, str]) -> None:
        self.open.append(tag)
        self.name = ""
        if tag == "image":
            height, width = (_number(values, side, 0.0) for side in ("height", "width"))
            size = (int(height), int(width)) if height >= 1 and width >= 1 else None
            image = _Image(values.get("name", ""), values.get("subset", ""), size)
            self.content.images.append(image)
        elif tag in _SHAPES and "image" in self.open:
            self.content.images[-1].shapes.append((tag, values))
        self.content.tracks += tag == "track"

    def text(self, text: str) -> None:
        if self.open[-2:] == ["label", "name"]:
            self.name += text

    def end(self, tag: str) -> None:
        if self.open[-2:] == ["label", "name"]:
            self.content.labels.append(self.name.strip())
        self.open.pop()


def _fill(kind: str, values: dict[str, str]) -> Fill:
    def fill(size: Size) -> Mask:
        match kind:
            case "polygon":
                return outlines([_points(values.get("points", ""))])(size)
            case "box":
                return drawn_outlines([_box(values)])(size)
            case "ellipse":
                return ellipse(
                    (_number(values, "cx"), _number(values, "cy")),
                    (_number(values, "rx"), _number(values, "ry")),
                    _number(values, "rotation", 0.0),
                )(size)
            case "mask":
                return _mask(values, size)
            case _:  # lines and points enclose nothing
                return np.zeros(size, np.bool_)

    return fill


def _points(text: str) -> list[float]:
    try:
        return [float(value) for pair in text.split(";") for value in pair.split(",")]
    except ValueError as error:
        raise DataError("has points that are no pairs of numbers; draw it again") from error


def _box(values: dict[str, str]) -> list[float]:
    """The corners of a box, turned around its centre."""
    left, top, right, bottom = (_number(values, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    angle = math.radians(_number(values, "rotation", 0.0))
    x, y = (left + right) / 2, (top + bottom) / 2
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) - (x, y)
    flat: list[float] = (corners @ turn.T + (x, y)).ravel().tolist()
    return flat


def _mask(values: dict[str, str], size: Size) -> Mask:
    left, top, width, height = (
        int(_number(values, name)) for name in ("left", "top", "width", "height")
    )
    inside = 0 <= top <= top + height <= size[0] and 0 <= left <= left + width <= size[1]
    if not inside or not height or not width:
        raise DataError("is a mask that reaches beyond the image; export it again")
    try:
        counts = [int(word) for word in values.get("rle", "").split(",")]
    except ValueError as error:
        raise DataError("has run lengths (RLE) that are no numbers; export it again") from error
    mask = np.zeros(size, np.bool_)
    place = mask[top : top + height, left : left + width]
    place[...] = decode_runs(counts, (height, width), by_columns=False)
    return mask


def _number(values: dict[str, str], name: str, default: float | None = None) -> float:
    """An attribute as a finite number."""
    if name not in values and default is not None:
        return default
    try:
        number = float(values[name])
    except (KeyError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"has no number as {name!r}, but {values.get(name)!r}; export it again")
    return number
