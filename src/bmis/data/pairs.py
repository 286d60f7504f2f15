"""Images and their masks, paired by the names of their files."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from bmis.errors import DataError

# name_mask.png, name_mask_1.png (several are merged), name_segmentation.png, name_seg.png
_MASK_NAME = re.compile(r"(?P<id>.+?)_(?:mask|segmentation|seg)(?:_\d+)?", re.IGNORECASE)

_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+(?=[_-]|$)")
_DIGITS = 4  # of the numbers of slices, at least


@dataclass(frozen=True)
class Pair:
    """An image and its mask files.

    Attributes:
        id: File name of the image without its suffix.
        image: File of the image.
        masks: Files of its masks, sorted; empty if there are none.
        folder: Folder of the image below the root, if the images lie in several.
        split: Split that the layout of the data set decides on, if any.
        volume: Name of the volume, series or clip that the image is a slice of, if any; a table
            may name it in place of all its slices.
        group: Group (a patient) that the files tell of, if any.
        field_of_view: File of its field of view, if any.

    Example:
        >>> pair = Pair("a", Path("images/a.png"), (Path("masks/a.png"),))
        >>> pair.field_of_view is None
        True
    """

    id: str
    image: Path
    masks: tuple[Path, ...]
    folder: str | None = None
    split: str | None = None
    volume: str | None = None
    group: str | None = None
    field_of_view: Path | None = None


@dataclass(frozen=True)
class Layout:
    """All pairs of a data set, and the files that could not be paired.

    Attributes:
        pairs: One pair per image, sorted by id.
        unmatched: Masks and fields of view without an image, and a folder ``fov/`` without any.
        classes: Names of the classes, background first, where the layout declares them.
        ignore: Value of pixels that do not count, where the layout declares one.

    Example:
        >>> Layout(pairs=(), unmatched=(Path("masks/lost.png"),)).classes
        ()
    """

    pairs: tuple[Pair, ...]
    unmatched: tuple[Path, ...] = ()
    classes: tuple[str, ...] = ()
    ignore: int | None = None


def slice_id(name: str, number: int, count: int) -> str:
    """The id of a slice, frame or page.

    Args:
        name: Name of the volume, clip or stack.
        number: Number of the slice, from 1.
        count: Number of slices; a single one has the name itself.

    Example:
        >>> slice_id("ct", 12, 300), slice_id("photo", 1, 1)
        ('ct-0012', 'photo')
    """
    return name if count == 1 else f"{name}-{number:0{max(_DIGITS, len(str(count)))}d}"


def subject_of(name: str) -> str | None:
    """The subject in a name that begins as BIDS has it, if it does.

    Example:
        >>> subject_of("sub-01_ses-2_T1w"), subject_of("scan-01")
        ('sub-01', None)
    """
    match = _SUBJECT.match(name)
    return match[0] if match else None


def is_mask_name(file: Path) -> bool:
    """Whether a file's name ends like that of a mask.

    Example:
        >>> [is_mask_name(Path(name)) for name in ("a.png", "a_mask.png", "a_seg_2.png")]
        [False, True, True]
    """
    return _MASK_NAME.fullmatch(file.stem) is not None


def without_mask_suffix(stem: str) -> tuple[str, str]:
    """The name of an image in that of its mask, and what the mask's name has more.

    Example:
        >>> without_mask_suffix("a_mask_1"), without_mask_suffix("a")
        (('a', '_mask_1'), ('a', ''))
    """
    match = _MASK_NAME.fullmatch(stem)
    name = match["id"] if match else stem
    return name, stem[len(name) :]


def pair_files(images: Iterable[Path], masks: Iterable[Path]) -> Layout:
    """Pair images and masks by name: a mask has the image's name, with or without a suffix.

    Example:
        >>> layout = pair_files([Path("a.jpg")], [Path("a_mask.png"), Path("b_mask.png")])
        >>> [mask.name for mask in layout.pairs[0].masks], [file.name for file in layout.unmatched]
        (['a_mask.png'], ['b_mask.png'])
    """
    files = list(images)
    of_image, unmatched = group_by_image({file.stem for file in files}, masks)
    pairs = tuple(Pair(file.stem, file, tuple(of_image.get(file.stem, ()))) for file in files)
    return Layout(pairs, unmatched)


def group_by_image(
    ids: Collection[str], masks: Iterable[Path]
) -> tuple[dict[str, list[Path]], tuple[Path, ...]]:
    """Find the masks of each image, and those of none.

    Args:
        ids: Ids of the images.
        masks: Files of masks or of fields of view.

    Returns:
        The files by the id of their image, and the files that belong to no image.

    Example:
        >>> of_image, unmatched = group_by_image(["a"], [Path("a_mask.png"), Path("b.png")])
        >>> list(of_image), [file.name for file in unmatched]
        (['a'], ['b.png'])
    """
    of_image: defaultdict[str, list[Path]] = defaultdict(list)
    unmatched = []
    for mask in masks:
        match = _MASK_NAME.fullmatch(mask.stem)
        name = mask.stem if mask.stem in ids or match is None else match["id"]
        if name in ids:
            of_image[name].append(mask)
        else:
            unmatched.append(mask)
    return of_image, tuple(unmatched)


def same_id(file: Path, other: Path, name: str) -> DataError:
    """The error of two files that would get the same id.

    Example:
        >>> print(same_id(Path("a.png"), Path("a.jpg"), "a"))
        a.png: has the same id 'a' as a.jpg; rename or remove one of them
    """
    return DataError(f"{file}: has the same id {name!r} as {other}; rename or remove one of them")
