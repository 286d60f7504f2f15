"""DRIVE and HRF as they are published: images, vessels by hand, and fields of view."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bmis.data.cases import Case
from bmis.errors import DataError
from bmis.importing.mask_files import masked_source
from bmis.importing.settings import ImportOptions
from bmis.importing.source import Source
from bmis.importing.tree import Tree, split_of


@dataclass(frozen=True)
class Publisher:
    """How a data set of vessels is laid out: ``images/``, and beside it two folders.

    Attributes:
        truth: Folder of the vessels, drawn by hand.
        view: Folder of the fields of view.
        parts: How many parts of a file's name, divided by "_", an image shares with its masks.

    Example:
        >>> HRF.truth, HRF.parts
        ('manual1', 2)
    """

    truth: str
    view: str
    parts: int

    def detect(self, tree: Tree) -> bool:
        """Whether a source is laid out so."""
        return bool(self._folders(tree))

    def read(self, tree: Tree, options: ImportOptions) -> Source:
        """Read the source; "training" and "test" in names of folders are splits.

        Raises:
            DataError: There are no such folders, or no mask can be read.
        """
        folders = self._folders(tree)
        if not folders:
            raise DataError(f"{tree.root}: has no folder with images/ and {self.truth}/")
        images, failed = [], []
        for folder in folders:
            truth = self._by_key(tree.pictures(folder / self.truth))
            views = self._by_key(tree.pictures(folder / self.view))
            split = split_of(tree.relative(folder))
            for image in tree.pictures(folder / "images"):
                key = self._key(image)
                if key in truth:
                    case = Case(image.stem, image, (truth[key],), split)
                    images.append(replace(case, field_of_view=views.get(key)))
                else:
                    failed.append(DataError(f"{image}: has no mask in {self.truth}; add it"))
        vessels = replace(options, classes=options.classes or ("background", "vessel"))
        return masked_source(images, vessels, failed)

    def _folders(self, tree: Tree) -> list[Path]:
        """The folders that hold ``images`` and the vessels."""
        found = [folder.parent for folder in tree.folders if folder.name == self.truth]
        return [folder for folder in found if folder / "images" in tree.folders]

    def _by_key(self, files: Sequence[Path]) -> dict[str, Path]:
        return {self._key(file): file for file in files}

    def _key(self, file: Path) -> str:
        """``21`` of ``21_training.tif`` and ``21_manual1.gif``; ``01_dr`` of ``01_dr_mask.tif``."""
        return "_".join(file.stem.split("_")[: self.parts])


DRIVE: Final = Publisher("1st_manual", "mask", 1)
HRF: Final = Publisher("manual1", "mask", 2)
