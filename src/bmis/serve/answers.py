"""What is answered in JSON: the masks as polygons and run lengths, and what was measured."""

import base64
import io

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.clinical.codes import foreground
from bmis.clinical.outlines import features
from bmis.config import ModelInfo
from bmis.data.channels import to_rgb
from bmis.data.palette import palette
from bmis.importing.run_lengths import encode_runs
from bmis.predict.mask import Mask
from bmis.predict.measurements import measure
from bmis.predict.objects import find_runs

_MOST_RUNS = 500_000  # of a mask whose outlines are drawn; a GiB is needed for as many


class RunLengths(msgspec.Struct):
    """A mask as lengths of runs down its columns, the first of them background, as in COCO.

    Example:
        >>> RunLengths((2, 2), [1, 2, 1]).counts
        [1, 2, 1]
    """

    size: tuple[int, int]
    counts: list[int]


class Region(msgspec.Struct, rename={"class_name": "class"}):
    """One class in one picture. Places are in pixels from the top left corner.

    ``polygons`` are the objects: for each the outer ring and its holes, corners as (x, y). They
    are null where a mask is so ragged that they would fill the memory; ``rle`` holds it then.
    ``centroid`` is (row, column). ``box`` is (top, left, height, width). ``probability`` is a grey
    PNG in base64, 255 is certain. See ``bmis.predict.measurements`` for the numbers.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> (network,) = load_networks(["nuclei"])
        >>> labels = np.ones((2, 3), np.uint8)
        >>> (found,) = regions(Mask(labels), network.info)
        >>> found.class_name, found.area_px, found.objects, found.rle.counts
        ('nucleus', 6, 1, [0, 6])
    """

    label: int
    class_name: str
    colour: tuple[int, int, int]
    objects: int
    area_px: int
    area_mm2: float | None
    fraction: float
    box: tuple[int, int, int, int] | None
    centroid: tuple[float, float] | None
    diameter_px: float | None
    diameter_mm: float | None
    polygons: list[list[list[tuple[int, int]]]] | None
    rle: RunLengths
    probability: str | None = None


class Picture(msgspec.Struct):
    """One picture with its mask, or with the error that it gave instead.

    ``ood_score`` above 1 means that it is unlike all training images. ``expected_dice`` is the Dice
    that the network's own probabilities let expect, and ``expected_dice_note`` says so where it
    does not hold. ``spacing`` is in millimetres per pixel (down, across). ``picture`` is a PNG in
    base64.

    Example:
        >>> Picture("0001", error="the body: truncated").regions
        []
    """

    name: str
    height: int | None = None
    width: int | None = None
    spacing: tuple[float, float] | None = None
    ood_score: float | None = None
    out_of_distribution: bool | None = None
    expected_dice: float | None = None
    expected_dice_note: str | None = None
    regions: list[Region] = msgspec.field(default_factory=list)
    picture: str | None = None
    error: str | None = None


class Answer(msgspec.Struct):
    """The masks of all pictures of a request. Not a medical device.

    ``notes`` say what was odd about the files, or what was left out.

    Example:
        >>> Answer("nuclei", ["background", "nucleus"]).pictures
        []
    """

    model: str
    classes: list[str]
    pictures: list[Picture] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)


def describe(
    name: str, mask: Mask, info: ModelInfo, pixels: NDArray[np.uint8] | None = None
) -> Picture:
    """What is answered of one picture.

    Args:
        name: What it is called.
        mask: Its mask; with probabilities if they shall be answered too.
        info: What was saved with the network.
        pixels: (H, W, C), if the picture itself shall be answered too.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> (network,) = load_networks(["nuclei"])
        >>> picture = describe("a", Mask(np.ones((2, 3), np.uint8), spacing=(1, 2)), network.info)
        >>> picture.height, picture.regions[0].area_mm2
        (2, 12)
    """
    score = mask.ood_score
    height, width = mask.labels.shape
    return Picture(
        name,
        height,
        width,
        spacing=mask.spacing,
        ood_score=score,
        out_of_distribution=None if score is None else mask.out_of_distribution,
        expected_dice=mask.expected_dice,
        expected_dice_note=mask.expected_dice_note,
        regions=regions(mask, info),
        picture=None if pixels is None else in_base64(to_rgb(pixels)),
    )


def regions(mask: Mask, info: ModelInfo) -> list[Region]:
    """All classes of a mask but the background, those that it does not show included.

    Example:
        >>> from bmis.serve.networks import load_networks
        >>> (network,) = load_networks(["nuclei"])
        >>> [found.objects for found in regions(Mask(np.zeros((2, 3), np.uint8)), network.info)]
        [0]
    """
    return [_region(mask, label, name) for label, name in foreground(info)]


def _region(mask: Mask, label: int, name: str) -> Region:
    found = measure(mask.labels, label, mask.spacing)
    runs = encode_runs(mask.labels == label)
    ragged = len(runs) > _MOST_RUNS
    polygons = None if ragged else [one["coordinates"] for one in features(mask.labels, label)]
    red, green, blue = palette(label + 1)[label].tolist()
    height, width = mask.labels.shape
    return Region(
        label=label,
        class_name=name,
        colour=(red, green, blue),
        objects=len(find_runs(mask.labels == label).sizes()),
        area_px=found.area_px,
        area_mm2=found.area_mm2,
        fraction=found.fraction,
        box=found.box,
        centroid=found.centroid,
        diameter_px=found.diameter_px,
        diameter_mm=found.diameter_mm,
        polygons=polygons,
        rle=RunLengths((height, width), runs),
        probability=_probability(mask, label),
    )


def _probability(mask: Mask, label: int) -> str | None:
    if mask.probabilities is None:
        return None
    plane = mask.probabilities[min(label, len(mask.probabilities) - 1)]
    return in_base64(np.rint(plane * 255).astype(np.uint8))


def in_base64(pixels: NDArray[np.uint8]) -> str:
    """Pixels (H, W) or (H, W, 3) as a PNG in base64.

    Example:
        >>> in_base64(np.zeros((1, 1), np.uint8))[:11]
        'iVBORw0KGgo'
    """
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return base64.b64encode(stream.getvalue()).decode("ascii")
