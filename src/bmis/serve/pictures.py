"""The pictures of a body, one after the other, each with its mask or with what is wrong with it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.result import StackResult
from bmis.clinical.segment import segment
from bmis.clinical.stack import Stack
from bmis.clinical.study import Study, find_stacks
from bmis.data.arrays import to_image
from bmis.data.formats.dicom import is_dicom
from bmis.data.formats.nifti import read_nifti_grid
from bmis.data.images import image_size
from bmis.errors import BmisError, one_line_about
from bmis.predict.mask import Mask
from bmis.predict.predictor import Predictor
from bmis.serve.contents import Contents
from bmis.serve.networks import Network
from bmis.serve.refusals import Refused
from bmis.serve.wanted import Wanted


@dataclass(frozen=True, eq=False)
class Segmented:
    """A picture and its mask.

    Attributes:
        name: What it is called.
        mask: Its mask.
        read: Gives the picture, (H, W, C); frames of a clip are decoded for it.

    Example:
        >>> pixels = np.zeros((2, 3, 1), np.uint8)
        >>> Segmented("0001", Mask(pixels[..., 0]), lambda: pixels).read().shape
        (2, 3, 1)
    """

    name: str
    mask: Mask
    read: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class Failed:
    """A picture without a mask.

    Attributes:
        name: What it is called.
        error: Why, in one line.

    Example:
        >>> Failed("0001", "truncated; send it again").name
        '0001'
    """

    name: str
    error: str


@dataclass(frozen=True)
class Pictures:
    """The pictures of a body.

    Attributes:
        network: What segments them.
        contents: The body.
        wanted: What the client asks for.

    Example:
        >>> from bmis.serve.contents import open_contents
        >>> from bmis.serve.networks import load_networks
        >>> (network,) = load_networks(["colonoscopy"])
        >>> contents = open_contents([Path("photo.png")], limit=10**6)
        >>> pictures = Pictures(network, contents, Wanted())
        >>> pictures.count, [found.mask.labels.shape for found in pictures.segment()]
        (1, [(64, 64)])
    """

    network: Network
    contents: Contents
    wanted: Wanted

    @cached_property
    def study(self) -> Study:
        """What the files of DICOM and NIfTI are; ``BmisError`` for the only file of a body."""
        if not self.contents.clinical:
            return Study([])
        study = find_stacks(self.contents.clinical)
        if len(study.failed) == 1 and not study.stacks and not self.contents.images:
            raise Refused(422, self.contents.in_words(study.failed[0][1]))
        return study

    @cached_property
    def count(self) -> int:
        """How many pictures there are; a file that cannot be read counts as one."""
        stacks = sum(map(len, self.study.stacks))
        return len(self.contents.images) + stacks + len(self.study.failed)

    def check_pixels(self, limit: int) -> None:
        """Refuse too many pixels by the headers, before any are decoded.

        Raises:
            Refused: There are more than the limit.
        """
        volumes = sum(map(_voxels, self.contents.clinical))  # asked before they are decompressed
        _check_total(volumes, limit)
        stacks = sum(len(stack) * stack.size[0] * stack.size[1] for stack in self.study.stacks)
        _check_total(stacks + sum(map(self._pixels, self.contents.images)), limit)

    def _pixels(self, path: Path) -> int:
        try:
            height, width = image_size(path, channels=self.network.info.input.channels)
        except BmisError:
            return 0  # what is wrong is told when it is read
        return height * width

    def segment(self) -> Iterator[Segmented | Failed]:
        """Go through all pictures.

        Raises:
            BmisError: The only picture cannot be segmented, or the network cannot be run.
        """
        for path in self.contents.images:
            try:
                yield self._image(path)
            except BmisError as error:
                if self.count == 1:
                    raise
                yield Failed(self.contents.name(path), self.contents.in_words(str(error)))
        for stack in self.study.stacks:
            yield from self._stack(stack)
        for path, why in self.study.failed:
            yield Failed(self.contents.name(path), self.contents.in_words(why))

    @property
    def _predictor(self) -> Predictor:
        return self.network.predictor(probabilities="probability" in self.wanted.extras)

    def _image(self, path: Path) -> Segmented:
        with one_line_about(path, "send it again"):
            image = to_image(path, self.network.info.input.channels)
            mask = self._predictor(replace(image, spacing=self.wanted.spacing))
        return Segmented(self.contents.name(path), mask, lambda: image.pixels)

    def _stack(self, stack: Stack) -> Iterator[Segmented | Failed]:
        before = f"{stack.name}/" if len(self.study.stacks) > 1 else ""
        folder, spacing = self.contents.folder, self.wanted.spacing
        with segment(self._predictor, stack, folder, self.network.name, spacing=spacing) as result:
            for index in range(len(stack)):
                name = before + stack.slice_name(index)
                if index in result.failed:
                    yield Failed(name, self.contents.in_words(result.failed[index]))
                else:
                    yield Segmented(name, _mask(result, index), partial(_pixels, stack, index))


def _check_total(pixels: int, limit: int) -> None:
    if pixels > limit:
        raise Refused(
            413, f"{pixels} pixels are more than the limit of {limit}; shrink it, or send fewer"
        )


def _voxels(path: Path) -> int:
    """How many voxels a volume of NIfTI says it has; what is wrong with it is told later."""
    if is_dicom(path):
        return 0
    try:
        return math.prod(read_nifti_grid(path).shape)
    except BmisError:
        return 0


def _pixels(stack: Stack, index: int) -> NDArray[np.uint8]:
    return stack.read(index).pixels


def _mask(result: StackResult, index: int) -> Mask:
    """The mask of one picture of a stack, taken out of the file that holds all of them."""
    planes = result.probabilities
    return Mask(
        np.array(result.labels[index]),
        None if planes is None else np.array(planes[index]),
        result.spacing_of(index),
        result.ood_scores[index],
        result.expected_dice[index],
    )
