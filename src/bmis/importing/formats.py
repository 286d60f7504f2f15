"""The table of formats: how each is recognised and read."""

from collections.abc import Callable
from dataclasses import dataclass

from bmis.errors import DataError
from bmis.importing import coco, cvat, labelme, mask_folders, retina, voc, yolo
from bmis.importing.settings import FORMATS, ImportOptions
from bmis.importing.source import Source
from bmis.importing.tree import Tree


@dataclass(frozen=True)
class Format:
    """A format of annotations.

    Attributes:
        title: What it is called in sentences.
        detect: Whether a source has it.
        read: Reads a source that has it.

    Example:
        >>> find_format("coco").title
        'COCO annotations'
    """

    title: str
    detect: Callable[[Tree], bool]
    read: Callable[[Tree, ImportOptions], Source]


_TABLE = {
    "coco": Format("COCO annotations", coco.is_coco, coco.read_coco),
    "labelme": Format("LabelMe annotations", labelme.is_labelme, labelme.read_labelme),
    "yolo": Format("YOLO outlines", yolo.is_yolo, yolo.read_yolo),
    "cvat": Format("CVAT annotations", cvat.is_cvat, cvat.read_cvat),
    "voc": Format("masks in colours", voc.is_voc, voc.read_voc),
    "drive": Format("DRIVE as it is published", retina.DRIVE.detect, retina.DRIVE.read),
    "hrf": Format("HRF as it is published", retina.HRF.detect, retina.HRF.read),
    "one-hot": Format("one mask a class", mask_folders.is_one_hot, mask_folders.read_one_hot),
    "masks": Format("pictures of masks", mask_folders.has_masks, mask_folders.read_masks),
}


def find_format(name: str) -> Format:
    """A format by its name.

    Example:
        >>> find_format("yolo").title
        'YOLO outlines'
    """
    return _TABLE[name]


def recognise(tree: Tree) -> str | None:
    """The name of the format of a source, if it is one of those that are known.

    Example:
        >>> from pathlib import Path
        >>> from bmis.importing.tree import read_tree
        >>> recognise(read_tree(Path("polyps")))
        'masks'
    """
    return next((name for name in FORMATS if _TABLE[name].detect(tree)), None)


def choose_format(tree: Tree, name: str) -> str:
    """The name of the format to read: the one that was asked for, or the one that is recognised.

    Raises:
        DataError: No format is recognised.

    Example:
        >>> from pathlib import Path
        >>> from bmis.importing.tree import read_tree
        >>> choose_format(read_tree(Path("polyps")), "auto")
        'masks'
    """
    found = recognise(tree) if name == "auto" else name
    if found is None:
        kinds = ", ".join(f"{count} {kind}" for kind, count in tree.unread(()).items()) or "nothing"
        raise DataError(
            f"{tree.root}: holds {kinds}, and no annotations that are known; name the format: "
            f"--format {'|'.join(FORMATS)}"
        )
    return found
