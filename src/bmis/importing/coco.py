"""COCO instance annotations: one JSON file for many images, outlines or run lengths."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bmis.errors import DataError
from bmis.importing.json_file import read_json
from bmis.importing.run_lengths import decode_runs, unpack_counts
from bmis.importing.settings import ImportOptions
from bmis.importing.shapes import Fill, Mask, Shape, Size, outlines, painter
from bmis.importing.source import Draw, Item, Source, choose_classes
from bmis.importing.tree import Tree, split_of
from bmis.system.reading import open_file
from bmis.wording import counted

_START = 2**16  # bytes in which a file of COCO names one of its lists


class _Image(msgspec.Struct):
    id: int | str
    file_name: str
    height: int | float | None = None
    width: int | float | None = None


class _Category(msgspec.Struct):
    id: int | str
    name: str


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int | str
    segmentation: msgspec.Raw = msgspec.Raw(b"null")  # read when it is drawn: the most of a file
    id: int | str | None = None


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def is_coco(tree: Tree) -> bool:
    """Whether a source has a file of COCO instances.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_coco(read_tree(Path("polyps")))
        False
    """
    return any(map(_looks_like_coco, tree.ending(".json")))


def _looks_like_coco(path: Path) -> bool:
    try:
        with open_file(path) as stream:
            start = stream.read(_START)
            stream.seek(max(0, path.stat().st_size - _START))
            text = start + stream.read(_START)
    except (OSError, DataError):
        return False
    return b'"shapes"' not in start and any(
        name in text for name in (b'"annotations"', b'"categories"')
    )


def read_coco(tree: Tree, options: ImportOptions) -> Source:
    """Read all instance files of a source; the words train, val and test in names are splits.

    Raises:
        DataError: No file holds outlines, or the classes cannot be chosen.

    Example:
        >>> import json
        >>> square = [[1, 1, 4, 1, 4, 4, 1, 4]]
        >>> image = {"id": 1, "file_name": "photo.png", "height": 64, "width": 64}
        >>> one = {"image_id": 1, "category_id": 1, "segmentation": square}
        >>> classes = [{"id": 1, "name": "a"}]
        >>> whole = {"images": [image], "annotations": [one], "categories": classes}
        >>> size = Path("coco.json").write_text(json.dumps(whole))
        >>> files = (Path("coco.json"), Path("photo.png"))
        >>> source = read_coco(Tree(Path("."), files), ImportOptions())
        >>> int(source.items[0].draw((64, 64)).labels.sum())
        16
    """
    files, failed, others = [], [], []
    for path in _chosen(tree):
        try:
            file = read_json(path, _File)
        except DataError as error:
            failed.append(error)
            continue
        if file.annotations and all(bytes(a.segmentation) == b"null" for a in file.annotations):
            others.append(path)
        else:
            files.append((path, file))
    if not files:
        raise failed[0] if failed else DataError(f"{tree.root}: {_no_outlines(others)}")
    names = [category.name for _, file in files for category in file.categories]
    try:
        classes = choose_classes(names, options.classes)
    except DataError as error:
        raise DataError(f"{files[0][0]}: {error}") from error
    items: list[Item] = []
    for path, file in files:
        reader = _Reader(tree, path, file, classes.numbers)
        items += reader.items(failed, {item.image for item in items})
    notes = (classes.note,) if classes.note else ()
    return Source(
        tuple(items), classes.names, tuple(failed), notes, tuple(path for path, _ in files)
    )


def _chosen(tree: Tree) -> list[Path]:
    """The files that can be of COCO; where some are called "instances", only these."""
    found = [path for path in tree.ending(".json") if _looks_like_coco(path)]
    return [path for path in found if path.name.startswith("instances")] or found


def _no_outlines(others: Sequence[Path]) -> str:
    where = f" ({others[0].name} has none)" if others else ""
    return f"no JSON file holds 'segmentation' of COCO{where}; export instances with outlines"


@dataclass(frozen=True)
class _Reader:
    """Makes items of one file."""

    tree: Tree
    path: Path
    file: _File
    numbers: dict[str, int]

    def items(self, failed: list[DataError], taken: set[Path]) -> list[Item]:
        names = {category.id: category.name for category in self.file.categories}
        of_image: defaultdict[int | str, list[_Annotation]] = defaultdict(list)
        for annotation in self.file.annotations:
            of_image[annotation.image_id].append(annotation)
        split = split_of(self.tree.relative(self.path))
        items = []
        for image in self.file.images:
            try:
                draw = self._draw(image, of_image.pop(image.id, []), names)
                file = self._image(image.file_name, taken)
            except DataError as error:
                failed.append(DataError(f"{self.path}: image {image.file_name!r} {error}"))
                continue
            taken.add(file)
            own = split or split_of(self.tree.relative(file.parent))
            items.append(Item(file, self.path, draw, own))
        if of_image:
            lost = ", ".join(str(key) for key in list(of_image)[:3])
            failed.append(
                DataError(
                    f"{self.path}: has annotations of "
                    f"{counted(len(of_image), 'image')} it does not "
                    f"list (id {lost}); export it again"
                )
            )
        return items

    def _image(self, name: str, taken: set[Path]) -> Path:
        file = self.tree.find(name, self.path.parent)
        if file in taken:
            raise DataError("is listed for the second time; remove one of the two")
        return file

    def _draw(
        self, image: _Image, annotations: list[_Annotation], names: dict[int | str, str]
    ) -> Draw:
        shapes = []
        for number, annotation in enumerate(annotations, start=1):
            name = f"annotation {number if annotation.id is None else annotation.id}"
            if annotation.category_id not in names:
                raise DataError(
                    f"has {name} of the unknown category {annotation.category_id}; "
                    "add the category or remove the annotation"
                )
            label = self.numbers[names[annotation.category_id]]
            fill = _fill(annotation.segmentation)
            shapes.append(Shape(label, f"{name} of {image.file_name!r}", fill))
        declared = None
        if image.height and image.width:
            declared = (int(image.height), int(image.width))
        return painter(self.path, shapes, declared)


def _fill(raw: msgspec.Raw) -> Fill:
    """A segmentation, read when it is drawn."""

    def fill(size: Size) -> Mask:
        try:
            value = msgspec.json.decode(raw)
        except RecursionError as error:
            raise DataError("lies too deep inside of lists; export it again") from error
        except msgspec.MsgspecError as error:
            raise DataError("has numbers that are too large; draw it again") from error
        if not value:
            raise DataError("has a box but no outline; label it with outlines")
        if isinstance(value, dict):
            return _runs(value, size)
        if not isinstance(value, list):
            raise DataError("has a 'segmentation' that is no list; export it again")
        return outlines(value)(size)

    return fill


def _runs(value: dict[str, Any], size: Size) -> Mask:
    if value.get("size") != list(size):
        raise DataError(
            f"has run lengths (RLE) for {value.get('size')}, and the image has {list(size)} "
            "(height, width); export both at one size"
        )
    counts = value.get("counts")
    return decode_runs(
        unpack_counts(counts) if isinstance(counts, str) else counts, size, by_columns=True
    )
