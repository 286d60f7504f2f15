"""Image in, mask out: the one way from pixels to labels, for every runtime and every caller."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.config import ModelInfo
from bmis.data.arrays import to_image
from bmis.data.channels import to_channels
from bmis.data.images import Image
from bmis.data.preprocess import Placement, fit, normalise, restore
from bmis.errors import BundleError, ConfigError, DataError, NoMemoryError
from bmis.predict.confidence import SoftDice, expected_dice
from bmis.predict.decisions import arg_max, unsure
from bmis.predict.mask import Mask
from bmis.predict.ood import OodDetector, describe
from bmis.predict.pieces import clean
from bmis.predict.tiling import round_up, tile_size, tiled
from bmis.runtime.average import Flipped
from bmis.runtime.load import Runtime
from bmis.runtime.probabilities import class_probabilities

_LEAST_TILE = 64  # pixels; a smaller tile shows a network too little around each pixel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frame:
    """An image at the network's size, not yet normalised.

    Attributes:
        pixels: (h, w, C) uint8.
        placement: Where the image lies in the frame, and the image's own size.
        spacing: Millimetres per pixel (down, across) of the image, where known.
        ood_score: The image's score, see ``Mask``.

    Example:
        >>> import bmis
        >>> frame = bmis.load("run").prepare(to_image("photo.png"))
        >>> frame.pixels.shape, frame.placement.size
        ((64, 64, 3), (64, 64))
    """

    pixels: NDArray[np.uint8]
    placement: Placement
    spacing: tuple[float, float] | None
    ood_score: float | None


@dataclass(frozen=True, eq=False)
class FrameLogits:
    """The network's answer for one frame.

    Attributes:
        logits: (K, h, w) float32, at the size of the frame.
        frame: The frame itself.

    Example:
        >>> import bmis
        >>> predictor = bmis.load("run")
        >>> (found,) = predictor.infer([predictor.prepare(to_image("photo.png"))])
        >>> found.logits.shape
        (2, 64, 64)
    """

    logits: NDArray[np.float32]
    frame: Frame


class Predictor:
    """Image in, mask out.

    Calling a predictor takes three steps: ``prepare`` brings an image to the network's size,
    ``infer`` runs the network, ``finish`` makes the mask. Callers with many images take the steps
    themselves, so that reading and writing overlap with the network.

    Logits are brought back to the image's size before they are compared (arg max, or above 0 for
    networks with one class). Networks trained with "native" see overlapping tiles, whose logits
    are merged with smooth weights. Then follows the post-processing of ``info``.

    A predictor may be called from several threads at once: each gets the mask of its own image.

    Args:
        runtime: Runs the network.
        info: What was saved with the network.
        tile: Side of the tiles in pixels, rounded up to the network's stride. None is the size of
            the training crops, halved (with a warning) while the memory does not suffice. Only
            for networks trained with "native".
        keep_probabilities: Whether masks carry class probabilities along with the labels.

    Attributes:
        info: What was saved with the network.
        batch: How many frames ``infer`` is best given at once.
        frames_are_alike: Whether all images reach the network in one size.
        keep_probabilities: Whether masks carry class probabilities along with the labels.
        keep_unsure: Whether masks say where the network is unsure.

    Raises:
        ConfigError: ``tile`` is given for a network that takes whole images or tiles of one size
            only, or the input size is no multiple of the network's stride (no such network could
            have been trained).

    Example:
        >>> import bmis
        >>> predictor = bmis.Predictor(*bmis.load_runtime("run"), keep_probabilities=True)
        >>> predictor("photo.png").probabilities.shape
        (2, 64, 64)
    """

    def __init__(
        self,
        runtime: Runtime,
        info: ModelInfo,
        *,
        tile: int | None = None,
        keep_probabilities: bool = False,
        keep_unsure: bool = False,
    ) -> None:
        self.info, self.keep_probabilities = info, keep_probabilities
        self._keep_unsure = keep_unsure
        self._rules = info.postprocessing
        one_pass = self._rules.flips == "none"
        self._runtime = runtime if one_pass else Flipped(runtime, self._rules.flips)
        self._ood_detector = None if info.ood is None else OodDetector(info.ood)
        self._tile = tile_size(info.input, runtime.stride, tile)
        if self._tile is not None and runtime.size not in (None, self._tile):
            raise ConfigError(
                "this bundle takes tiles of {}x{} only; leave tile out, or export it with "
                "--size any".format(*runtime.size)
            )
        self._may_shrink = tile is None and runtime.size is None
        self.frames_are_alike = self._tile is None
        self.batch = runtime.batch if self._tile is None else 1

    def __repr__(self) -> str:
        size, classes = self.info.input.size, ", ".join(self.info.classes)
        return "<Predictor {}, {}x{} pixels: {}>".format(self.info.model.name, *size, classes)

    def __call__(self, image: Any) -> Mask:
        """Segment one image of any size, grey, RGB or of the channels that the network takes.

        Args:
            image: An image, the path of an image file, or an array or tensor (H, W), (H, W, C) or
                (C, H, W) with C = 1, 3 or the channels of the network, uint8 or floats in 0..1,
                RGB where in colour; see ``bmis.data.arrays``.

        Raises:
            DataError: The file or the pixels are not an image, or the network's answer is not
                finite.
            BundleError: The network cannot be run.
            NoMemoryError: There is not enough memory.
        """
        (found,) = self.infer([self.prepare(to_image(image, self.info.input.channels))])
        return self.finish(found)

    def prepare(self, image: Image) -> Frame:
        """First step, without the network: bring an image to the network's size and channels.

        The out-of-distribution score is taken here, from the image in its own colours and size.
        """
        detector = self._ood_detector
        ood_score = None if detector is None else detector(describe(image.pixels))
        try:
            pixels = to_channels(image.pixels, self.info.input.channels)
        except DataError as error:
            raise DataError(f"{image.path or 'the image'}: {error}") from error
        return Frame(*fit(pixels, self.info.input), image.spacing, ood_score)

    def infer(self, frames: Sequence[Frame]) -> list[FrameLogits | Mask]:
        """Second step: run the network.

        Returns:
            What ``finish`` takes, for each frame: logits, or the mask itself where the network
            sees tiles. Tiles are merged strip by strip, so all logits are never in memory.
        """
        if self._tile is not None:
            return [self._in_tiles(frame, self._tile) for frame in frames]
        logits = self._run([frame.pixels for frame in frames])
        return [FrameLogits(*pair) for pair in zip(logits, frames, strict=True)]

    def finish(self, found: FrameLogits | Mask) -> Mask:
        """Third step, without the network and in any thread: make the mask at the image's size."""
        if isinstance(found, Mask):
            return found
        logits, frame = found.logits, found.frame
        soft = self._soft_dice()
        if soft is not None:
            top, left, height, width = frame.placement.box
            soft.add(logits[:, top : top + height, left : left + width])
        dim = self._unsure(found) if self._keep_unsure else None
        if self.keep_probabilities:
            scores = restore(logits, frame.placement)
            labels = arg_max(scores, self._rules.threshold)
            return self._mask(frame, labels, soft, class_probabilities(scores), dim)
        # one class at a time: with many classes all of them at full size would fill the memory
        planes = (restore(plane[None], frame.placement)[0] for plane in logits)
        return self._mask(frame, arg_max(planes, self._rules.threshold), soft, None, dim)

    def _unsure(self, found: FrameLogits) -> NDArray[np.bool_]:
        """Where the network is unsure: decided at its own size, where all classes are small."""
        dim = unsure(found.logits, self._rules.threshold).astype(np.float32)
        wide: NDArray[np.bool_] = restore(dim[None], found.frame.placement)[0] > 0.5
        return wide

    def _soft_dice(self) -> SoftDice | None:
        if self.info.confidence is None:
            return None
        return SoftDice(self.info.model.num_classes, self._rules.threshold)

    def _mask(
        self,
        frame: Frame,
        labels: NDArray[np.uint8],
        soft: SoftDice | None,
        probabilities: NDArray[np.float32] | None = None,
        dim: NDArray[np.bool_] | None = None,
    ) -> Mask:
        """The mask of labels at the image's size, after post-processing."""
        labels, confidence = clean(labels, self._rules), self.info.confidence
        expected = None
        if soft is not None and confidence is not None:
            expected = expected_dice(soft.value() if labels.any() else None, confidence)
        return Mask(labels, probabilities, frame.spacing, frame.ood_score, expected, dim)

    def _run(self, frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Frames (n, h, w, C) uint8 -> logits (n, K, h, w) float32."""
        logits = self._runtime(np.stack([normalise(f, self.info.input) for f in frames]))
        wanted = (len(frames), self.info.model.num_classes, *frames[0].shape[:2])
        if logits.shape != wanted:
            raise BundleError(
                f"the network answered {logits.shape} where its description promises {wanted}; "
                "save it again with its own ModelInfo"
            )
        if not np.isfinite(logits).all():
            raise DataError("the network's answer is not finite; try another model")
        return logits

    def _in_tiles(self, frame: Frame, tile: tuple[int, int]) -> Mask:
        """Use tiles of this size, or of half the side where the memory does not suffice."""
        try:
            return self._merge_tiles(frame, tile)
        except (NoMemoryError, MemoryError):
            down, across = (round_up(side // 2, self._runtime.stride) for side in tile)
            if not self._may_shrink or min(down, across) < _LEAST_TILE:
                raise
        logger.warning("not enough memory: from here on in tiles of %dx%d pixels", down, across)
        self._tile = min(self._tile or tile, (down, across))  # another thread may be further down
        return self._in_tiles(frame, self._tile)

    def _merge_tiles(self, frame: Frame, largest: tuple[int, int]) -> Mask:
        """A frame at native resolution -> mask, strip by strip."""
        height, width = frame.placement.size  # "native" puts the image at the top left
        stride, sides = self._runtime.stride, frame.pixels.shape[:2]
        more = [round_up(side, stride) - side for side in sides]
        pixels = np.pad(frame.pixels, ((0, more[0]), (0, more[1]), (0, 0)))
        down, across = (min(pair) for pair in zip(pixels.shape[:2], largest, strict=True))
        labels = np.empty((height, width), np.uint8)
        classes = self.info.model.num_classes
        kept = np.empty((classes, height, width), np.float32) if self.keep_probabilities else None
        dim = np.empty((height, width), np.bool_) if self._keep_unsure else None
        soft = self._soft_dice()
        batch = self._runtime.batch
        for top, scores in tiled(pixels, (down, across), self._run, batch=batch, stride=stride):
            rows = slice(top, min(top + scores.shape[1], height))
            inside = scores[:, : max(0, height - top), :width]
            labels[rows] = arg_max(inside, self._rules.threshold)
            if soft is not None:
                soft.add(inside)
            if dim is not None:
                dim[rows] = unsure(inside, self._rules.threshold)
            if kept is not None:
                kept[:, rows] = class_probabilities(inside)
        return self._mask(frame, labels, soft, kept, dim)
