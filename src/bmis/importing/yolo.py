"""YOLO segmentation: ``data.yaml``, and a text file with outlines for each image."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.importing.settings import ImportOptions
from bmis.importing.shapes import Fill, Mask, Shape, Size, painter, polygon
from bmis.importing.source import Draw, Drawn, Item, Source, choose_classes
from bmis.importing.tree import Tree
from bmis.system.plain_yaml import read_yaml
from bmis.system.reading import read_text

_LABELS_LIMIT = 2**26
_BOX = 4  # numbers behind the class where a line is a box


def is_yolo(tree: Tree) -> bool:
    """Whether a source has a ``data.yaml`` of YOLO.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_yolo(read_tree(Path("polyps")))
        False
    """
    return _find(tree) is not None


def _find(tree: Tree) -> tuple[Path, dict[str, Any]] | None:
    """The first YAML file with names and lists of images, and its entries."""
    for path in tree.ending(".yaml", ".yml"):
        try:
            entries = read_yaml(path)
        except DataError:
            continue
        if isinstance(entries, dict) and "names" in entries and {*SPLITS} & entries.keys():
            return path, entries
    return None


def read_yolo(tree: Tree, options: ImportOptions) -> Source:
    r"""Read the images that ``data.yaml`` lists for training, validation and test.

    An image without a text file shows background alone, as with YOLO.

    Raises:
        DataError: There is no such file, or the classes cannot be chosen.

    Example:
        >>> for name in ("images", "labels"):
        ...     Path("yolo", name).mkdir(parents=True)
        >>> photo = Path("photo.png").rename("yolo/images/a.png")
        >>> size = Path("yolo/labels/a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5")
        >>> size = Path("yolo/data.yaml").write_text("train: images\nnames: [polyp]")
        >>> from bmis.importing.tree import read_tree
        >>> source = read_yolo(read_tree(Path("yolo")), ImportOptions())
        >>> source.classes, source.items[0].split
        (('background', 'polyp'), 'train')
    """
    found = _find(tree)
    if found is None:
        raise DataError(f"{tree.root}: has no data.yaml with 'names' and 'train'; add it")
    path, entries = found
    try:
        names = _names(entries["names"])
        classes = choose_classes(list(names.values()), options.classes)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    numbers = {index: classes.numbers[name] for index, name in names.items()}
    items: list[Item] = []
    failed: list[DataError] = []
    used = [path]
    for split in SPLITS:
        images, lists, missing = _listed(tree, path, entries, split)
        used += lists
        failed += missing
        taken = {item.image for item in items}
        for image in images:
            if image in taken:
                failed.append(DataError(f"{image}: is listed for two splits; remove one"))
                continue
            annotation = _label_file(tree, image)
            draw = _background if annotation is None else _outlines(annotation, numbers)
            items.append(Item(image, annotation or image, draw, split))
    notes = (classes.note,) if classes.note else ()
    return Source(tuple(items), classes.names, tuple(failed), notes, tuple(used))


def _names(value: Any) -> dict[int, str]:
    try:
        pairs = value.items() if isinstance(value, dict) else enumerate(value or ())
        return {int(index): str(name) for index, name in pairs}
    except (TypeError, ValueError) as error:
        raise DataError(f"'names' must be a list of names, got {value!r}") from error


def _listed(
    tree: Tree, path: Path, entries: dict[str, Any], split: str
) -> tuple[list[Path], list[Path], list[DataError]]:
    """The images of a split, the lists that were read, and what could not be found."""
    given = entries.get(split, entries.get("valid") if split == "val" else None)
    images: list[Path] = []
    lists: list[Path] = []
    missing: list[DataError] = []
    for entry in given if isinstance(given, list) else [given] if given else []:
        bases = (str(entries.get("path") or ""), "")
        starts = [tree.relative(path.parent), "."]
        tries = [(start, base, end) for start in starts for base in bases for end in _ends(entry)]
        if folder := next((f for t in tries if (f := _folder(tree, t))), None):
            images += [file for file in tree.pictures() if folder in file.parents]
        elif file := next((f for t in tries if (f := tree.at(*t))), None):
            lists.append(file)
            for line in read_text(file, limit=_LABELS_LIMIT).split("\n"):
                try:
                    images += [tree.find(line.strip(), file.parent)] if line.strip() else []
                except DataError as error:
                    missing.append(DataError(f"{file}: {error}"))
        else:
            missing.append(DataError(f"{path}: {split}: {entry} is no folder or list below it"))
    return list(dict.fromkeys(images)), lists, missing


def _ends(entry: Any) -> Iterable[str]:
    """An entry, and what remains of it when it climbs out of the folder first."""
    text = str(entry).replace("\\", "/")
    yield text
    while text.startswith("../"):
        text = text[3:]
        yield text


def _folder(tree: Tree, parts: tuple[str, ...]) -> Path | None:
    wanted = Path(*(part.lstrip("/") for part in parts))
    return next((f for f in tree.folders if f == Path(tree.root, wanted)), None)


def _label_file(tree: Tree, image: Path) -> Path | None:
    """``labels/`` in place of the last ``images/``, or a text file beside the image."""
    parts = list(image.relative_to(tree.root).with_suffix(".txt").parts)
    at = [index for index, part in enumerate(parts) if part == "images"]
    if at:
        parts[at[-1]] = "labels"
    return tree.at(*parts) or tree.at(tree.relative(image.with_suffix(".txt")))


def _background(size: Size) -> Drawn:
    return Drawn(np.zeros(size, np.uint8), ("has no text file: all background",))


def _outlines(path: Path, numbers: dict[int, int]) -> Draw:
    def draw(size: Size) -> Drawn:
        lines = read_text(path, limit=_LABELS_LIMIT).split("\n")
        shapes = [
            _shape(path, number, line.split(), numbers)
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
        return painter(path, shapes)(size)

    return draw


def _shape(path: Path, number: int, words: list[str], numbers: dict[int, int]) -> Shape:
    try:
        label, values = int(words[0]), [float(word) for word in words[1:]]
    except ValueError as error:
        raise DataError(f"{path}: line {number} is no class with numbers; fix it") from error
    if label not in numbers:
        raise DataError(f"{path}: line {number}: class {label} is not in data.yaml; add its name")
    if len(values) == _BOX:
        raise DataError(f"{path}: line {number} is a box, not an outline; label with outlines")
    if len(values) % 2:
        raise DataError(f"{path}: line {number} ends inside a point; export it again")
    return Shape(numbers[label], f"line {number}", _scaled(values))


def _scaled(values: list[float]) -> Fill:
    """Corners as shares of width and height."""

    def fill(size: Size) -> Mask:
        scale = np.array([size[1], size[0]], np.float64)
        return polygon(np.reshape(values, (-1, 2)) * scale, whole=True)(size)

    return fill
