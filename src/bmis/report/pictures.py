"""Small pictures inside a page, of images that are found again by their data set."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.data.cases import Dataset, load_case
from bmis.data.channels import COLOUR, to_rgb
from bmis.data.class_order import class_order
from bmis.data.folder import find_cases
from bmis.data.palette import palette
from bmis.data.scan import scan_coding
from bmis.data.scan_channels import scan_channels
from bmis.errors import BmisError, DataError
from bmis.report.results import plain

_QUALITY = 75  # of the JPEG files
_GROUND = np.array((236, 238, 241), np.uint8)  # behind masks whose image is not there

Labels = NDArray[np.uint8]
Scene = tuple[NDArray[np.uint8], Labels]  # image (H, W, 3) and truth (H, W)


@dataclass(frozen=True)
class Tile:
    """One picture of a case.

    Attributes:
        caption: Under the picture.
        detail: Under the caption, smaller.
        source: The picture as a data URI.

    Example:
        >>> Tile("unet", "IoU 0.812", "data:image/png;base64,").caption
        'unet'
    """

    caption: str
    detail: str
    source: str


def find_dataset(path: str, classes: Sequence[str]) -> Dataset:
    """Find a data set again by what a record or a run says of it.

    Args:
        path: Its folder.
        classes: Names of its classes.

    Returns:
        The data set with images of three channels. Its splits are those of its own, which the
        record need not have used.

    Raises:
        DataError: It is not on this machine, or cannot be used.

    Example:
        >>> len(find_dataset("polyps", ("background", "polyp")).cases)
        12
    """
    if not path or not Path(path).is_dir():
        raise DataError(f"{path or 'the data set'}: not on this machine")
    root, found = Path(path), find_cases(Path(path))
    declared = found.description.classes or tuple(classes)
    alike = all(classes) and len(declared) == len(classes)
    masks = [mask for case in found.cases for mask in case.masks]
    rules = replace(found.description.mask_rules, num_classes=len(classes))
    channels = found.description.channels or scan_channels([c.image for c in found.cases[:1]])
    return Dataset(
        root,
        "",
        found.cases,
        tuple(classes),
        channels=max(COLOUR) if channels in COLOUR else channels,  # grey images are shown as RGB
        order=class_order(declared, classes, where=path) if alike else (),
        coding=scan_coding(root, masks, rules),
    )


def load_scenes(dataset: Dataset, chosen: Iterable[str]) -> tuple[dict[str, Scene], list[str]]:
    """Images and truths of some cases, and a sentence for each that cannot be read.

    Example:
        >>> scenes, notes = load_scenes(find_dataset("polyps", ("", "")), ["endoscopy_0001", "b"])
        >>> list(scenes), notes
        (['endoscopy_0001'], ["The masks of b are drawn alone, without the image: 'b'."])
    """
    cases = {case.id: case for case in dataset.cases}
    scenes, notes = {}, []
    for name in chosen:
        try:
            image, truth = load_case(cases[name], dataset)
            scenes[name] = to_rgb(image.pixels), truth
        except (BmisError, KeyError) as error:
            notes.append(f"The masks of {plain(name)} are drawn alone, without the image: {error}.")
    return scenes, notes


def resize_scene(scene: Scene, size: tuple[int, ...]) -> Scene:
    """Image and truth at another size.

    Args:
        scene: Image (H, W, C) and truth (H, W).
        size: Height and width in pixels.

    Example:
        >>> pixels, truth = np.zeros((64, 48, 1), np.uint8), np.zeros((64, 48), np.uint8)
        >>> [array.shape for array in resize_scene((pixels, truth), (32, 24))]
        [(32, 24, 1), (32, 24)]
    """
    across = (size[1], size[0])
    pixels, truth = scene
    picture = Pillow.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    small = np.asarray(picture.resize(across, Pillow.Resampling.LANCZOS))
    labels = Pillow.fromarray(truth).resize(across, Pillow.Resampling.NEAREST)
    return small.reshape(*size, -1), np.asarray(labels)


def to_jpeg(pixels: NDArray[np.uint8], side: int) -> str:
    """An image as a data URI, its longer side ``side`` pixels at most.

    Args:
        pixels: (H, W, 3) uint8.
        side: Number of pixels.

    Example:
        >>> to_jpeg(np.zeros((64, 64, 3), np.uint8), 32)[:22]
        'data:image/jpeg;base64'
    """
    picture = Pillow.fromarray(pixels)
    picture.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return _uri("jpeg", stream)


def to_png(labels: Labels, side: int) -> str:
    """Labels in their colours on a plain ground, as a data URI.

    Args:
        labels: (H, W) class numbers.
        side: Number of pixels of the longer side at most.

    Example:
        >>> to_png(np.zeros((64, 64), np.uint8), 32)[:21]
        'data:image/png;base64'
    """
    colours = palette(int(labels.max()) + 1).copy()
    colours[0] = _GROUND
    picture = Pillow.fromarray(labels)
    picture.putpalette(colours.tobytes())
    picture.thumbnail((side, side), Pillow.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return _uri("png", stream)


def _uri(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
