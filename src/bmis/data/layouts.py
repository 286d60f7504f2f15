"""The layouts of dataset folders that are understood, and how their files are paired.

- ``images/`` and ``masks/``: the masks may carry one of the suffixes of ``bmis.data.pairs``.
  Both may hold DICOM and NIfTI, see ``bmis.data.clinical_pairs``.
- Images and masks in one folder or below it, told apart by those suffixes.
- A raw folder of nnU-Net, see ``bmis.data.nnunet``.

The first and the last may also have ``fov/``: fields of view, named as masks are. The pages of a
TIFF are images of their own, see ``bmis.data.page_pairs``.
"""

from dataclasses import replace
from pathlib import Path

from bmis.data.clinical_pairs import add_clinical
from bmis.data.image_files import image_files
from bmis.data.nnunet import is_nnunet, nnunet_layout
from bmis.data.not_read import no_images
from bmis.data.on_error import OnError, raise_error
from bmis.data.page_pairs import split_stacks
from bmis.data.pairs import Layout, Pair, group_by_image, is_mask_name, pair_files, same_id
from bmis.errors import DataError
from bmis.wording import counted

_FIELDS_OF_VIEW = "fov"
_VESSELS = ("1st_manual", "manual1")  # of DRIVE and HRF, whose *_mask files are fields of view


def find_layout(
    root: Path,
    *,
    axis: str = "axial",
    channels: int | None = None,
    on_error: OnError = raise_error,
) -> Layout:
    """Pair the images and masks below ``root``.

    Args:
        root: Folder of the data set.
        axis: How volumes of NIfTI are cut into slices.
        channels: See ``split_stacks``.
        on_error: Takes errors that leave other images usable: two images with one id, two
            fields of view of one image, further channels or a wrong ``dataset.json`` of nnU-Net.

    Raises:
        DataError: There is no such folder, no images, or no masks at all.

    Example:
        >>> layout = find_layout(Path("polyps"))
        >>> len(layout.pairs), layout.pairs[0].masks[0].name, layout.unmatched
        (12, 'endoscopy_0001.png', ())
    """
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "there is no such folder"
        raise DataError(f"{root}: {problem}; give the folder that holds images/ and masks/")
    if is_nnunet(root):
        layout = nnunet_layout(root, on_error, axis=axis)
    elif (root / "images").is_dir() and (root / "masks").is_dir():
        layout = _two_folders(root / "images", root / "masks", axis, on_error)
    else:
        layout = _by_suffix(root)
    layout = _with_fields_of_view(root / _FIELDS_OF_VIEW, layout, on_error)
    layout = split_stacks(layout, channels=channels, on_error=on_error)
    return _unique(root, layout, on_error)


def _two_folders(images: Path, masks: Path, axis: str, on_error: OnError) -> Layout:
    """Images in one folder, masks in another."""
    layout = pair_files(image_files(images), image_files(masks))
    layout = add_clinical(layout, images, masks, axis=axis, on_error=on_error)
    if not layout.pairs:
        raise no_images(images)
    return layout


def _by_suffix(root: Path) -> Layout:
    """Images and masks mixed, anywhere below the root; only the masks have a suffix."""
    files = image_files(root, recursive=True)
    if vessels := next((file for file in files if file.parent.name in _VESSELS), None):
        raise DataError(
            f"{root}: holds {vessels.parent.name}/, as DRIVE and HRF are published, where files "
            "called *_mask are fields of view; `bmis import` makes a data set of it"
        )
    masks = [file for file in files if is_mask_name(file)]
    images = [file for file in files if not is_mask_name(file)]
    if images and not masks:
        raise DataError(
            f"{root}: {counted(len(images), 'image')} but no masks; put them into images/ and "
            "masks/ under the same names, or end the masks' names in _mask, _segmentation or _seg"
        )
    layout = pair_files(images, masks)
    if len({file.parent for file in images}) == 1:
        return layout
    pairs = (
        replace(pair, folder="/".join(pair.image.relative_to(root).parts[:-1]))
        for pair in layout.pairs
    )
    return replace(layout, pairs=tuple(pairs))


def _unique(root: Path, layout: Layout, on_error: OnError) -> Layout:
    """The layout sorted by id, with the first image of each."""
    if not layout.pairs:
        raise no_images(root, "it needs images/ and masks/ with files of one name")
    first: dict[str, Pair] = {}
    for pair in layout.pairs:
        if pair.id in first:
            on_error(same_id(pair.image, first[pair.id].image, pair.id))
        else:
            first[pair.id] = pair
    return replace(layout, pairs=tuple(first[name] for name in sorted(first)))


def _with_fields_of_view(folder: Path, layout: Layout, on_error: OnError) -> Layout:
    """Give each image its field of view, where the folder has one."""
    if not folder.is_dir():
        return layout
    files = image_files(folder)
    of_image, unmatched = group_by_image({pair.id for pair in layout.pairs}, files)
    for name, (first, *others) in of_image.items():
        for other in others:
            on_error(same_id(other, first, name))
    pairs = tuple(
        replace(pair, field_of_view=of_image[pair.id][0]) if pair.id in of_image else pair
        for pair in layout.pairs
    )
    return replace(
        layout, pairs=pairs, unmatched=layout.unmatched + (unmatched if files else (folder,))
    )
