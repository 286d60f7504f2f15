"""PASCAL VOC, and CVAT's "Segmentation mask": one colour a class, and a list of the colours."""

from dataclasses import replace
from pathlib import Path

from bmis.data.cases import Case
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.importing.mask_files import masked_source
from bmis.importing.mask_rules import Rule, map_colours
from bmis.importing.settings import ImportOptions
from bmis.importing.source import BACKGROUND, Source
from bmis.importing.tree import Tree
from bmis.importing.voc_colours import voc_colour
from bmis.system.reading import read_text

_MAP, _MASKS = "labelmap.txt", "SegmentationClass"
_IMAGES = ("JPEGImages", "images", "Images")
_BLACK = 0


def is_voc(tree: Tree) -> bool:
    """Whether a source has masks in the colours of a ``labelmap.txt``, or is PASCAL VOC.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_voc(read_tree(Path("polyps")))
        False
    """
    return bool(tree.ending(_MAP)) or any(folder.name == _MASKS for folder in tree.folders)


def read_voc(tree: Tree, options: ImportOptions) -> Source:
    """Read masks whose colours ``labelmap.txt`` explains. Without it the colours are numbered.

    The lists in ``ImageSets/Segmentation`` are splits.

    Raises:
        DataError: There are no such masks, or no images, or the list is wrong.

    Example:
        >>> read_voc(Tree(Path("polyps"), ()), ImportOptions())
        Traceback (most recent call last):
        bmis.errors.DataError: polyps: has no folder SegmentationClass/ or masks/ with pictures
    """
    home, masks = _masks(tree)
    named = {mask.stem: mask for mask in masks}
    folders = [home / name for name in _IMAGES] + [home / _IMAGES[0] / name for name in SPLITS]
    images = [file for folder in folders for file in tree.pictures(folder)]
    splits, lists = _splits(tree)
    pairs = [
        Case(image.stem, image, (named.pop(image.stem),), splits.get(image.stem))
        for image in images
        if image.stem in named
    ]
    failed = [DataError(f"{mask}: goes with no image; add {mask.stem}") for mask in named.values()]
    if not pairs:
        raise failed[0]
    source = masked_source(pairs, options, failed, _rule(tree, options))
    return replace(source, used=(*source.used, *tree.ending(_MAP), *lists))


def _masks(tree: Tree) -> tuple[Path, list[Path]]:
    """The folder that holds all others, and the masks."""
    for name in (_MASKS, "masks"):
        for folder in tree.folders:
            if folder.name == name and (found := tree.pictures(folder)):
                return folder.parent, found
    raise DataError(f"{tree.root}: has no folder {_MASKS}/ or masks/ with pictures")


def _rule(tree: Tree, options: ImportOptions) -> Rule | None:
    found = tree.ending(_MAP)
    if not found:
        return None
    colours: dict[int, str] = {}
    for number, line in enumerate(read_text(found[0]).split("\n"), start=1):
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(":")
            given = rest.split(":")[0].strip()
            own = _colour(given, found[0], number) if given else voc_colour(len(colours))
            colours[own] = name.strip()
    if BACKGROUND not in colours.values():
        colours = {_BLACK: BACKGROUND} | colours
    try:
        return map_colours(colours, options)
    except DataError as error:
        raise DataError(f"{found[0]}: {error}") from error


def _colour(text: str, path: Path, number: int) -> int:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isdecimal() and int(part) < 256 for part in parts):
        raise DataError(f"{path}: line {number}: wants 'name:red,green,blue::', got {text!r}")
    red, green, blue = map(int, parts)
    return red << 16 | green << 8 | blue


def _splits(tree: Tree) -> tuple[dict[str, str], list[Path]]:
    """The split of each image by the lists ``train.txt``, ``val.txt`` and ``test.txt``."""
    splits, lists = {}, []
    for split in SPLITS:
        for file in tree.files:
            if file.name == f"{split}.txt" and "ImageSets" in file.parts:
                lists.append(file)
                for line in read_text(file).split("\n"):
                    splits[Path(line.strip()).stem] = split
    return splits, lists
