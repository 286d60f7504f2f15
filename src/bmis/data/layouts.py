"""Where data sets keep their images and masks: the ways of pairing files that are understood.

- ``images/`` and ``masks/``; the masks may carry one of the suffixes below;
- images and masks in one folder or below it, told apart by those suffixes;
- an nnU-Net raw folder: ``imagesTr/``, ``labelsTr/``, ``dataset.json``, and ``imagesTs/`` with
  ``labelsTs/`` as test split where both are there.

Beside the folders of the first and the last there may be ``fov/``: fields of view, named as masks
are.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bmis.data.images import IMAGE_SUFFIXES
from bmis.data.on_error import Report, stop
from bmis.errors import DataError

# name_mask.png, name_mask_1.png (several are merged), name_segmentation.png, name_seg.png
_MASK_NAME = re.compile(r"(?P<id>.+?)_(?:mask|segmentation|seg)(?:_\d+)?", re.IGNORECASE)
FIELDS_OF_VIEW = "fov"
_ASIDE = "_superpixels"  # ISIC puts these next to its images; they are neither image nor mask
_CHANNEL = re.compile(r"(?P<id>.+)_(?P<channel>\d{4})")
_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha")


@dataclass(frozen=True)
class Pair:
    """An image and its mask files, none if there are none.

    Attributes:
        id: The image's file name without its suffix.
        image: Image file.
        masks: Mask files, sorted.
        folder: Name of the folder below the root that the image lies in, where there are several.
        split: Split that the layout itself tells, if any.
        field_of_view: File of its field of view, if any.
    """

    id: str
    image: Path
    masks: tuple[Path, ...]
    folder: str | None = None
    split: str | None = None
    field_of_view: Path | None = None


@dataclass(frozen=True)
class Layout:
    """All pairs of a data set, and what could not be paired.

    Attributes:
        pairs: One per image, by id.
        unmatched: Masks and fields of view without an image; an empty folder of the latter.
        classes: Class names that the layout itself tells, background first; empty if none.
    """

    pairs: tuple[Pair, ...]
    unmatched: tuple[Path, ...] = ()
    classes: tuple[str, ...] = ()


def find_layout(root: Path, *, report: Report = stop) -> Layout:
    """Pair the images and masks below ``root``.

    Args:
        root: The data set.
        report: Takes faults that leave other images usable: two images with one id, two
            fields of view of one image, further channels in an nnU-Net folder, its
            ``dataset.json``.

    Raises:
        DataError: No such folder, no images, no masks at all, or nnU-Net volumes.
    """
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "there is no such folder"
        raise DataError(f"{root}: {problem}; give the folder that holds images/ and masks/")
    if (root / "imagesTr").is_dir() and (root / "labelsTr").is_dir():
        layout = _nnunet(root, report)
    elif (root / "images").is_dir() and (root / "masks").is_dir():
        layout = _two_folders(find_images(root / "images"), image_files(root / "masks"))
    else:
        layout = _by_suffix(root)
    return _with_fields_of_view(root / FIELDS_OF_VIEW, _checked(root, layout, report), report)


def image_files(folder: Path, *, below: bool = False) -> list[Path]:
    """Image files of a folder by suffix, sorted; hidden files and folders are left out."""
    found = folder.rglob("*") if below else folder.iterdir()
    return sorted(
        path
        for path in found
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.stem.endswith(_ASIDE)
        and path.is_file()
    )


def find_images(path: Path | str) -> list[Path]:
    """The image files of a folder, sorted by name; or the one file itself.

    Args:
        path: Folder, or one file of any name.

    Raises:
        DataError: No such file or folder, or a folder without images.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: there is no such file or folder; check the path")
    files = image_files(path)
    if not files:
        raise DataError(f"{path}: holds no images; wanted are {' '.join(IMAGE_SUFFIXES)}")
    return files


def _two_folders(images: Iterable[Path], masks: Iterable[Path]) -> Layout:
    """Pair by name: a mask is called like its image, with or without a mask suffix."""
    files = list(images)
    of_image, unmatched = _by_name({file.stem for file in files}, masks)
    pairs = tuple(Pair(file.stem, file, tuple(of_image[file.stem])) for file in files)
    return Layout(pairs, unmatched)


def _by_name(
    ids: set[str], masks: Iterable[Path]
) -> tuple[defaultdict[str, list[Path]], tuple[Path, ...]]:
    """The masks of each image, and those of none."""
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


def _with_fields_of_view(folder: Path, layout: Layout, report: Report) -> Layout:
    """Give each image its field of view, where the folder has one."""
    if not folder.is_dir():
        return layout
    files = image_files(folder)
    of_image, unmatched = _by_name({pair.id for pair in layout.pairs}, files)
    for name, (first, *others) in of_image.items():
        for other in others:
            report(_same_id(other, first, name))
    pairs = tuple(
        replace(pair, field_of_view=of_image[pair.id][0]) if pair.id in of_image else pair
        for pair in layout.pairs
    )
    return replace(
        layout, pairs=pairs, unmatched=layout.unmatched + (unmatched if files else (folder,))
    )


def _by_suffix(root: Path) -> Layout:
    """Images and masks mixed; pairs by name within a folder first, then anywhere below root."""
    files = image_files(root, below=True)
    masks = [file for file in files if _MASK_NAME.fullmatch(file.stem)]
    images = [file for file in files if not _MASK_NAME.fullmatch(file.stem)]
    if images and not masks:
        raise DataError(
            f"{root}: {len(images)} images but no masks; put them into images/ and masks/ under "
            "the same names, or end the masks' names in _mask, _segmentation or _seg"
        )
    layout = _two_folders(images, masks)
    folders = {file.parent for file in images}
    if len(folders) == 1:
        return layout
    pairs = tuple(
        Pair(pair.id, pair.image, pair.masks, "/".join(pair.image.relative_to(root).parts[:-1]))
        for pair in layout.pairs
    )
    return Layout(pairs, layout.unmatched)


def _nnunet(root: Path, report: Report) -> Layout:
    pairs: list[Pair] = []
    unmatched: list[Path] = []
    told = (root / "imagesTs").is_dir() and (root / "labelsTs").is_dir()
    for end, split in (("Tr", None), ("Ts", "test")):
        if end == "Ts" and not told:
            continue
        images = _single_channel(_flat_files(root / f"images{end}"), report)
        masks = {file.stem: file for file in _flat_files(root / f"labels{end}")}
        for name, image in images.items():
            mask = masks.pop(name, None)
            pairs.append(Pair(name, image, () if mask is None else (mask,), None, split))
        unmatched += masks.values()
    classes: tuple[str, ...] = ()
    try:
        classes = _nnunet_classes(root / "dataset.json")
    except DataError as fault:
        report(fault)
    return Layout(tuple(pairs), tuple(unmatched), classes)


def _flat_files(folder: Path) -> list[Path]:
    volume = next((p for p in sorted(folder.iterdir()) if p.name.endswith(_VOLUMES)), None)
    if volume is not None:
        raise DataError(
            f"{volume}: volumes are not read; convert the slices to PNG or TIFF images first"
        )
    return image_files(folder)


def _single_channel(files: list[Path], report: Report) -> dict[str, Path]:
    """Images by id; nnU-Net's _0000 is cut off, further channels are refused."""
    images: dict[str, Path] = {}
    for file in files:
        match = _CHANNEL.fullmatch(file.stem)
        name = match["id"] if match else file.stem
        if match and match["channel"] != "0000":
            report(
                DataError(
                    f"{file}: a further channel of {name!r}; one file per image is read: merge "
                    "three channels into one RGB image, or keep only the _0000 files"
                )
            )
        elif name in images:
            report(_same_id(file, images[name], name))
        else:
            images[name] = file
    return images


def _nnunet_classes(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    try:
        labels = json.loads(path.read_text(encoding="utf-8")).get("labels", {})
        # version 2 maps name to number, version 1 number to name
        numbers = {
            int(key if str(key).isdigit() else value): str(value if str(key).isdigit() else key)
            for key, value in labels.items()
        }
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); 'labels' must give one number per class name"
        ) from error
    if sorted(numbers) != list(range(len(numbers))):
        raise DataError(f"{path}: 'labels' must number the classes 0, 1, 2 ..., got {labels}")
    return tuple(numbers[index] for index in range(len(numbers)))


def _checked(root: Path, layout: Layout, report: Report) -> Layout:
    if not layout.pairs:
        raise DataError(
            f"{root}: holds no images; wanted are images/ and masks/ with files of one name "
            f"({' '.join(IMAGE_SUFFIXES)})"
        )
    first: dict[str, Pair] = {}
    for pair in layout.pairs:
        if pair.id in first:
            report(_same_id(pair.image, first[pair.id].image, pair.id))
        else:
            first[pair.id] = pair
    return Layout(tuple(first[name] for name in sorted(first)), layout.unmatched, layout.classes)


def _same_id(file: Path, other: Path, name: str) -> DataError:
    return DataError(f"{file}: has the same id {name!r} as {other}; rename or remove one of them")
