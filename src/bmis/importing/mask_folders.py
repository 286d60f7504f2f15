"""Pictures of masks in folders or beside their images, whatever the folders are called."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bmis.data.cases import Case
from bmis.data.description import read_description
from bmis.data.file_kinds import is_image_name
from bmis.data.pairs import is_mask_name, pair_files
from bmis.data.tables import Row, read_table
from bmis.errors import DataError
from bmis.importing.mask_files import lost_masks, masked_source, one_hot_source
from bmis.importing.settings import ImportOptions
from bmis.importing.source import Source
from bmis.importing.tree import Tree, split_of

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "original", "originals", "inputs", "input")
MASK_FOLDERS = (
    *("masks", "mask", "ground truth", "ground_truth", "groundtruth", "gt", "labels", "label"),
    *("segmentations", "segmentation", "annotations", "annotation", "manual", "targets"),
)
_TABLES = ("splits.csv", "dataset.yaml")


@dataclass(frozen=True)
class _Twins:
    """A folder of images, the folder of their masks, and what else their path says."""

    images: Path
    masks: Path
    rest: tuple[str, ...]


def _twins(tree: Tree) -> list[_Twins]:
    """``a/images/b`` and ``a/masks/b``, for any a and b and under other names too."""
    known = {tuple(part.lower() for part in _parts(tree, f)): f for f in tree.folders}
    found = []
    for folder in tree.folders:
        parts = _parts(tree, folder)
        for at, part in enumerate(parts):
            if part.lower() not in IMAGE_FOLDERS:
                continue
            names = [
                tuple(p.lower() for p in (*parts[:at], m, *parts[at + 1 :])) for m in MASK_FOLDERS
            ]
            masks = next((known[name] for name in names if name in known), None)
            if masks is not None and tree.pictures(folder):
                found.append(_Twins(folder, masks, (*parts[:at], *parts[at + 1 :])))
    return found


def _parts(tree: Tree, folder: Path) -> tuple[str, ...]:
    return folder.relative_to(tree.root).parts


def has_masks(tree: Tree) -> bool:
    """Whether a source has pictures of masks.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> has_masks(read_tree(Path("polyps")))
        True
    """
    return bool(_twins(tree)) or any(map(is_mask_name, tree.pictures()))


def read_masks(tree: Tree, options: ImportOptions) -> Source:
    """Read pictures of masks, from folders of their own or beside the images.

    Words such as "train" in the names of folders are splits. Any other folder with a number in its
    name is a group (a patient), and one without a number is a stratum.

    Raises:
        DataError: There are no masks, or their values mean nothing that is known.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> source = read_masks(read_tree(Path("polyps")), ImportOptions())
        >>> len(source.items), source.classes
        (12, ('background', 'polyp'))
    """
    images: list[Case] = []
    failed: list[DataError] = []
    twins = _twins(tree)
    for twin in twins:
        found, wrong = _paired(tree.pictures(twin.images), tree.pictures(twin.masks), twin.rest)
        images += found
        failed += wrong
    if not twins:
        images, failed = _beside(tree)
    if not images:
        raise failed[0] if failed else DataError(f"{tree.root}: holds no images with masks")
    return _with_tables(tree, images, options, failed)


def _with_tables(
    tree: Tree, images: Sequence[Case], options: ImportOptions, failed: list[DataError]
) -> Source:
    """The source, with what ``splits.csv``, ``dataset.yaml`` and ``fov/`` of bmis say about it."""
    used = [file for name in _TABLES if (file := tree.at(name))]
    rows = read_table(tree.root / "splits.csv") if tree.at("splits.csv") else {}
    declared = read_description(tree.root)
    views = {file.stem: file for file in tree.pictures(tree.root / "fov")}
    known = [_completed(image, rows.get(image.image.stem), views) for image in images]
    if declared.classes and not options.classes:
        options = replace(options, classes=declared.classes)
    source = masked_source([image for image in known if image.split != ""], options, failed)
    return replace(source, used=(*source.used, *used), description=declared)


def _completed(image: Case, row: Row | None, views: dict[str, Path]) -> Case:
    image = replace(image, field_of_view=views.get(image.image.stem))
    if row is None:
        return image
    split = image.split if row.split is None else row.split
    return replace(
        image, split=split, group=row.group or image.group, stratum=row.stratum or image.stratum
    )


def _paired(
    images: Sequence[Path], masks: Sequence[Path], rest: Sequence[str]
) -> tuple[list[Case], list[DataError]]:
    layout = pair_files(images, masks)
    if masks and not any(pair.masks for pair in layout.pairs):
        ends = dict(_endings(images, masks))
        if len(set(ends.values())) == 1:  # a_gt.png, b_gt.png: a suffix of its own
            (end,) = set(ends.values())
            named = {mask.stem.removesuffix(end): mask for mask in masks if mask in ends}
            found = [(image, named.get(image.stem)) for image in images]
            return [_masked(image, (mask,), rest) for image, mask in found if mask is not None], [
                DataError(f"{image}: has no mask; add one") for image, mask in found if not mask
            ]
        if len(images) == 1:  # one folder an image, each object a mask
            return [_masked(images[0], tuple(masks), rest)], []
    pairs = [_masked(pair.image, pair.masks, rest) for pair in layout.pairs if pair.masks]
    return pairs, lost_masks(layout)


def _masked(image: Path, masks: tuple[Path, ...], rest: Sequence[str]) -> Case:
    """The image with the split, group and stratum that the names of its folders show."""
    others = [part for part in rest if split_of(part) is None]
    numbered = [part for part in others if re.search(r"\d", part)]
    plain = [part for part in others if part not in numbered]
    group, stratum = ("/".join(names) or None for names in (numbered, plain))
    return Case(image.stem, image, masks, split_of(*rest), group, stratum)


def _beside(tree: Tree) -> tuple[list[Case], list[DataError]]:
    """Images and masks in any folders; only the masks have a suffix."""
    files = [file for file in tree.pictures() if is_image_name(file)]
    images = [file for file in files if not is_mask_name(file)]
    layout = pair_files(images, [file for file in files if is_mask_name(file)])
    several = len({file.parent for file in images}) > 1
    found = []
    for pair in layout.pairs:
        parts = _parts(tree, pair.image.parent)
        rest = parts if several or split_of(*parts) else ()
        if pair.masks:
            found.append(_masked(pair.image, pair.masks, rest))
    return found, lost_masks(layout)


def _endings(images: Sequence[Path], masks: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """What the name of each mask has more than the name of its image."""
    stems = {image.stem for image in images}
    for mask in masks:
        cuts = [at for at, letter in enumerate(mask.stem) if letter in "_-. "]
        at = next((at for at in reversed(cuts) if mask.stem[:at] in stems), None)
        if at is not None:
            yield mask, mask.stem[at:]


def is_one_hot(tree: Tree) -> bool:
    """Whether a source has one mask for each class of an image.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> is_one_hot(read_tree(Path("polyps")))
        False
    """
    return bool(_one_hot(tree))


def read_one_hot(tree: Tree, options: ImportOptions) -> Source:
    """Read one mask a class: ``masks/<class>/<id>.png`` or ``masks/<id>_<class>.png``.

    Raises:
        DataError: There are no such masks, or the classes cannot be chosen.

    Example:
        >>> from bmis.importing.tree import read_tree
        >>> for name in ("images", "masks/polyp"):
        ...     Path("hot", name).mkdir(parents=True)
        >>> photo = Path("photo.png").rename("hot/images/a.png")
        >>> mask = Path("polyps/masks/endoscopy_0001.png").rename("hot/masks/polyp/a.png")
        >>> read_one_hot(read_tree(Path("hot")), ImportOptions()).classes
        ('background', 'polyp')
    """
    found = _one_hot(tree)
    if not found:
        raise DataError(f"{tree.root}: has no masks/<class>/<id>.png or masks/<id>_<class>.png")
    failed = [DataError(f"{i}: has no mask; add one") for i, masks in found.items() if not masks]
    return one_hot_source({i: masks for i, masks in found.items() if masks}, options, failed)


def _one_hot(tree: Tree) -> dict[Path, dict[str, Path]]:
    """The masks of each image by class; empty for any other layout."""
    for twin in _twins(tree):
        images = tree.pictures(twin.images)
        below = [file for file in tree.pictures() if file.parent.parent == twin.masks]
        stems = {image.stem: image for image in images}
        found: dict[Path, dict[str, Path]] = {image: {} for image in images}
        for mask in below:
            if mask.stem in stems:
                found[stems[mask.stem]][mask.parent.name] = mask
        masks = tree.pictures(twin.masks)
        if not below and not any(mask.stem in stems or is_mask_name(mask) for mask in masks):
            for mask, end in _endings(images, masks):
                found[stems[mask.stem.removesuffix(end)]][end.strip("_-. ")] = mask
        names = {name for each in found.values() for name in each}
        if names and (below or len(names) > 1) and not all(map(str.isdecimal, names)):
            return found
    return {}
