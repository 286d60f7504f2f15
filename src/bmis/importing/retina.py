"""DRIVE and HRF as they are published: images, vessels by hand, and fields of view."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bmis.errors import DataError
from bmis.importing.mask_files import MaskedImage, masked_source
from bmis.importing.settings import ImportOptions
from bmis.importing.source import Source
from bmis.importing.tree import Tree, split_of


@dataclass(frozen=True)
class _Publisher:
    """Names of the folders, and how many parts of a file's name its images have in common."""

    truth: str
    view: str
    parts: int


_DRIVE, _HRF = _Publisher("1st_manual", "mask", 1), _Publisher("manual1", "mask", 2)


def is_drive(tree: Tree) -> bool:
    """Whether a source is DRIVE as it is published.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_drive(read_tree(Path("polyps")))
        False
    """
    return bool(_folders(tree, _DRIVE))


def is_hrf(tree: Tree) -> bool:
    """Whether a source is HRF as it is published.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_hrf(read_tree(Path("polyps")))
        False
    """
    return bool(_folders(tree, _HRF))


def read_drive(tree: Tree, options: ImportOptions) -> Source:
    """Read DRIVE: ``training/`` and ``test/`` with ``images``, ``1st_manual`` and ``mask``.

    Raises:
        DataError: There are no such folders, or no mask can be read.

    Example:
        >>> read_drive(Tree(Path("polyps"), ()), ImportOptions())
        Traceback (most recent call last):
        bmis.errors.DataError: polyps: has no folder with images/ and 1st_manual/
    """
    return _read(tree, options, _DRIVE)


def read_hrf(tree: Tree, options: ImportOptions) -> Source:
    """Read HRF: ``images``, ``manual1`` and ``mask``.

    Raises:
        DataError: There are no such folders, or no mask can be read.

    Example:
        >>> read_hrf(Tree(Path("polyps"), ()), ImportOptions())
        Traceback (most recent call last):
        bmis.errors.DataError: polyps: has no folder with images/ and manual1/
    """
    return _read(tree, options, _HRF)


def _folders(tree: Tree, publisher: _Publisher) -> list[Path]:
    """The folders that hold ``images`` and the vessels."""
    known = {*tree.folders}
    return [
        f.parent for f in tree.folders if f.name == publisher.truth and f.parent / "images" in known
    ]


def _read(tree: Tree, options: ImportOptions, publisher: _Publisher) -> Source:
    folders = _folders(tree, publisher)
    if not folders:
        raise DataError(f"{tree.root}: has no folder with images/ and {publisher.truth}/")
    images, failed = [], []
    for folder in folders:
        truth = _by_key(tree.pictures(folder / publisher.truth), publisher.parts)
        views = _by_key(tree.pictures(folder / publisher.view), publisher.parts)
        split = split_of(tree.relative(folder))
        for image in tree.pictures(folder / "images"):
            key = _key(image, publisher.parts)
            if key in truth:
                view = views.get(key)
                images.append(MaskedImage(image, (truth[key],), split, field_of_view=view))
            else:
                failed.append(DataError(f"{image}: has no mask in {publisher.truth}; add it"))
    vessels = replace(options, classes=options.classes or ("background", "vessel"))
    return masked_source(images, vessels, failed)


def _by_key(files: Sequence[Path], parts: int) -> dict[str, Path]:
    return {_key(file, parts): file for file in files}


def _key(file: Path, parts: int) -> str:
    """``21`` of ``21_training.tif`` and ``21_manual1.gif``; ``01_dr`` of ``01_dr_mask.tif``."""
    return "_".join(file.stem.split("_")[:parts])
