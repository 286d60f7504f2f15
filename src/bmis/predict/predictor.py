"""Image in, mask out: the one way from pixels to labels, for every runtime and every caller."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.config import InputSpec, ModelInfo, RuntimeOptions
from bmis.data.images import Image, read_image, to_channels
from bmis.data.preprocess import Placement, fit, normalise, restore
from bmis.errors import BundleError, ConfigError, DataError, NoMemoryError
from bmis.predict.decisions import arg_max, class_probabilities
from bmis.predict.ood import OodDetector, describe
from bmis.predict.tiling import tiled
from bmis.runtime.load import Runtime, load_runtime

_LEAST_TILE = 64  # pixels: below, a network sees too little around a pixel to judge it

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Mask:
    """What was found in one image, at the image's own size.

    Attributes:
        labels: (H, W) uint8, 0 is the background.
        probabilities: (K, H, W) float32 in 0..1 where they were asked for; they add up to 1,
            except for a network with one class, where K is 1.
        spacing: Millimetres per pixel (down, across), where known.
        ood_score: Above 1 the image looks like none of the training images; None where nobody
            learnt what they look like. See ``familiarity``.
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None = None
    spacing: tuple[float, float] | None = None
    ood_score: float | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """An image as the network gets it, not yet normalised.

    Attributes:
        pixels: (h, w, C) uint8.
        placement: Where the image lies in it, and its own size.
        spacing: Of the image.
        ood_score: Likewise; see ``Mask``.
    """

    pixels: NDArray[np.uint8]
    placement: Placement
    spacing: tuple[float, float] | None
    ood_score: float | None


class Predictor:
    """Image in, mask out.

    Logits are brought back to the image's size and only then compared (arg max; for networks with
    one class: above 0). Models trained with "native" judge overlapping tiles, whose logits are
    merged with smooth weights.

    Args:
        runtime: The network.
        info: What was saved with it.
        tile: Side of the tiles in pixels, rounded up to the network's stride; None for the size
            of the training crops, or half of it and half again (a warning tells of it) where
            the memory does not suffice. Only for models trained with "native".
        keep_probabilities: Give class probabilities along with the labels.

    Attributes:
        info: As given.
        batch: Frames that ``infer`` is best given at once.
        frames_are_alike: Whether all images reach the network in one size.
        keep_probabilities: As given.

    Raises:
        ConfigError: A tile for a model that takes whole images or tiles of one size only, or an
            input size that is no multiple of the network's stride (no such network could have
            been trained).
    """

    def __init__(
        self,
        runtime: Runtime,
        info: ModelInfo,
        *,
        tile: int | None = None,
        keep_probabilities: bool = False,
    ) -> None:
        self.info, self.keep_probabilities = info, keep_probabilities
        self._runtime = runtime
        self._ood_detector = None if info.ood is None else OodDetector(info.ood)
        self._window = _window(info.input, runtime.stride, tile)
        if self._window is not None and runtime.size not in (None, self._window):
            raise ConfigError(
                "this bundle takes tiles of {}x{} only; leave tile out, or export it with "
                "--size any".format(*runtime.size)
            )
        self._may_shrink = tile is None and runtime.size is None
        self.frames_are_alike = self._window is None
        self.batch = runtime.batch if self._window is None else 1

    def __call__(self, image: Image | Path | str | NDArray[np.uint8]) -> Mask:
        """Judge one image of any size, grey or RGB.

        Args:
            image: An image, the path of an image file, or pixels (H, W), (H, W, 1) or (H, W, 3)
                uint8, RGB where in colour.

        Raises:
            DataError: The file or the pixels are not an image, or the network's answer is not
                finite.
            BundleError: The network cannot be run.
            NoMemoryError: There is not enough memory.
        """
        return self.infer([self.prepare(_as_image(image))])[0]()

    def prepare(self, image: Image) -> Frame:
        """First step, without the network: the image in the network's frame.

        An image in its own colours tells best whether it looks like those of the training.
        """
        strange = None if self._ood_detector is None else self._ood_detector(describe(image.pixels))
        pixels = to_channels(image.pixels, self.info.input.channels)
        return Frame(*fit(pixels, self.info.input), image.spacing, strange)

    def infer(self, frames: Sequence[Frame]) -> list[Callable[[], Mask]]:
        """Second step, the network; and for each frame the third, which does without it.

        The third step brings the scores back to the image's size and may run in another thread.
        """
        if self._window is None:
            logits = self._run([frame.pixels for frame in frames])
            return [partial(self._finish, *pair) for pair in zip(logits, frames, strict=True)]
        return [partial(_same, self._in_tiles(frame, self._window)) for frame in frames]

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

    def _finish(self, logits: NDArray[np.float32], frame: Frame) -> Mask:
        """Logits (K, h, w) of the frame -> mask at the image's own size."""
        if self.keep_probabilities:
            scores = restore(logits, frame.placement)
            return Mask(
                arg_max(scores), class_probabilities(scores), frame.spacing, frame.ood_score
            )
        # one class at a time: with many classes all of them at full size would fill the memory
        planes = (restore(plane[None], frame.placement)[0] for plane in logits)
        return Mask(arg_max(planes), None, frame.spacing, frame.ood_score)

    def _in_tiles(self, frame: Frame, window: tuple[int, int]) -> Mask:
        """Judge by tiles of this size, or of half the side where the memory does not suffice."""
        try:
            return self._merged(frame, window)
        except (NoMemoryError, MemoryError):
            down, across = (_up(side // 2, self._runtime.stride) for side in window)
            if not self._may_shrink or min(down, across) < _LEAST_TILE:
                raise
        logger.warning("not enough memory: from here on in tiles of %dx%d pixels", down, across)
        self._window = (down, across)
        return self._in_tiles(frame, self._window)

    def _merged(self, frame: Frame, largest: tuple[int, int]) -> Mask:
        """A frame at native resolution -> mask; never all scores at once."""
        height, width = frame.placement.size  # "native" puts the image at the top left
        stride, sides = self._runtime.stride, frame.pixels.shape[:2]
        more = [_up(side, stride) - side for side in sides]
        pixels = np.pad(frame.pixels, ((0, more[0]), (0, more[1]), (0, 0)))
        down, across = (min(pair) for pair in zip(pixels.shape[:2], largest, strict=True))
        labels = np.empty((height, width), np.uint8)
        classes = self.info.model.num_classes
        kept = np.empty((classes, height, width), np.float32) if self.keep_probabilities else None
        batch = self._runtime.batch
        for top, scores in tiled(pixels, (down, across), self._run, batch=batch, stride=stride):
            rows = slice(top, min(top + scores.shape[1], height))
            inside = scores[:, : max(0, height - top), :width]
            labels[rows] = arg_max(inside)
            if kept is not None:
                kept[:, rows] = class_probabilities(inside)
        return Mask(labels, kept, frame.spacing, frame.ood_score)


def load(
    model: Path | str,
    *,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    tile: int | None = None,
    probabilities: bool = False,
) -> Predictor:
    """Load a trained network; what comes back turns images into masks.

    ``bmis.load("lesion.bmis")("photo.jpg").labels`` is the mask that ``bmis predict`` writes.

    Args:
        model: A bundle, a run folder or a ``.safetensors`` file.
        device: See ``RuntimeOptions``.
        engine: See ``RuntimeOptions``.
        precision: See ``RuntimeOptions``.
        threads: See ``RuntimeOptions``.
        tile: See ``Predictor``.
        probabilities: Give class probabilities along with the labels.

    Raises:
        BmisError: See ``load_runtime`` and ``Predictor``.
    """
    options = RuntimeOptions(device, engine, precision, threads)
    runtime, info = load_runtime(Path(model), options)
    return Predictor(runtime, info, tile=tile, keep_probabilities=probabilities)


def _as_image(image: Image | Path | str | NDArray[np.uint8]) -> Image:
    if isinstance(image, Image):
        return image
    if isinstance(image, Path | str):
        return read_image(Path(image))
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise DataError(
            f"expected pixels (H, W), (H, W, 1) or (H, W, 3) uint8, got {pixels.shape} "
            f"{pixels.dtype}; read the file with bmis.read_image, which converts"
        )
    if not pixels.size:
        raise DataError(f"expected an image, got {pixels.shape} without a pixel")
    return Image(pixels)


def _window(spec: InputSpec, stride: int, tile: int | None) -> tuple[int, int] | None:
    """Largest tile for "native", else None; checks that size and tile suit each other."""
    if spec.resize == "native":
        if tile is not None and not 1 <= tile <= 16384:
            raise ConfigError(f"tile must be a side from 1 to 16384 pixels, got {tile}")
        height, width = spec.size if tile is None else (tile, tile)
        return _up(height, stride), _up(width, stride)
    if tile is not None:
        raise ConfigError(
            f"this model takes whole images ({spec.resize} to {spec.size[0]}x{spec.size[1]}); "
            "leave tile out, or train with --resize native"
        )
    if any(side % stride for side in spec.size):
        fits = "x".join(str(_up(side, stride)) for side in spec.size)
        raise ConfigError(
            f"the model's input of {spec.size[0]}x{spec.size[1]} is no multiple of its stride "
            f"{stride}; train it at {fits}"
        )
    return None


def _up(side: int, stride: int) -> int:
    """The next multiple of the stride."""
    return -(-side // stride) * stride


def _same(mask: Mask) -> Mask:
    return mask
