"""Stacks of TIFF of a data set: a pair for each page, and the pages of a file a group."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bmis.data.formats.tiff_stack import TiffStack, is_tiff_stack, read_tiff_stack
from bmis.data.on_error import OnError
from bmis.data.pairs import Layout, Pair, slice_id, subject_of
from bmis.errors import DataError


def split_stacks(layout: Layout, *, channels: int | None, on_error: OnError) -> Layout:
    """A layout in which each page of a TIFF is an image with the page of its mask.

    Args:
        layout: Images with their masks and fields of view, a pair for each file.
        channels: Channels that ``dataset.yaml`` declares: as many pages are those of one image.
        on_error: Takes the error of each stack that cannot be used.

    Example:
        >>> import numpy as np, tifffile
        >>> for name in ("a.tif", "a_mask.tif"):
        ...     tifffile.imwrite(name, np.zeros((3, 48, 64), np.uint8), photometric="minisblack")
        >>> layout = Layout((Pair("a", Path("a.tif"), (Path("a_mask.tif"),)),))
        >>> pairs = split_stacks(layout, channels=None, on_error=print).pairs
        >>> [(pair.id, pair.group, pair.masks[0].name) for pair in pairs][1:]
        [('a-0002', 'a', 'a_mask.tif#2'), ('a-0003', 'a', 'a_mask.tif#3')]
    """
    pairs: list[Pair] = []
    for pair in layout.pairs:
        if not is_tiff_stack(pair.image, channels):
            pairs.append(pair)
            continue
        try:
            pairs.extend(_pages(pair))
        except DataError as error:
            on_error(error)
    return replace(layout, pairs=tuple(pairs))


def _pages(pair: Pair) -> Iterator[Pair]:
    stack = read_tiff_stack(pair.image)
    masks = [_fitting(stack, mask, "mask") for mask in pair.masks]
    view = pair.field_of_view
    views = _fitting(stack, view, "field of view") if view and is_tiff_stack(view) else None
    for index in range(stack.pages):
        yield replace(
            pair,
            id=slice_id(pair.id, index + 1, stack.pages),
            image=stack.page(index),
            masks=tuple(mask.page(index) for mask in masks),
            volume=pair.id,
            group=pair.group or subject_of(pair.id) or pair.id,
            field_of_view=views.page(index) if views else view,
        )


def _fitting(stack: TiffStack, file: Path, kind: str) -> TiffStack:
    """The mask of a stack, if it has as many pages of the same size."""
    other = read_tiff_stack(file) if is_tiff_stack(file) else None
    pages, size = (other.pages, other.size) if other else (1, stack.size)
    if other is None or pages != stack.pages:
        raise DataError(
            f"{file}: a {kind} of {pages} for an image of {stack.pages} pages "
            f"({stack.path.name}); save a TIFF of as many pages"
        )
    if size != stack.size:
        shown = [" x ".join(map(str, one)) for one in (size, stack.size)]
        raise DataError(
            f"{file}: a {kind} of {shown[0]} pixels for pages of {shown[1]} ({stack.path.name}); "
            "save it in the size of its image"
        )
    return other
