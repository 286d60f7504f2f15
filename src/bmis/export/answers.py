"""What a network answers on labelled images, kept so that many ways to make masks can be tried."""

import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bmis.config import ModelInfo, PostProcessing
from bmis.data.cases import Case, Dataset, load_case, load_counted
from bmis.data.preprocess import Placement, restore
from bmis.errors import DataError, one_line_about
from bmis.evaluate.perturbations import PERTURBATIONS, Sample
from bmis.metrics import score_case
from bmis.predict.confidence import SoftDice
from bmis.predict.decisions import arg_max
from bmis.predict.mask import Mask
from bmis.predict.pieces import clean
from bmis.predict.predictor import FrameLogits, Predictor
from bmis.runtime.load import Runtime
from bmis.system.progress import track
from bmis.wording import counted

_MOST_BYTES = 2**28  # of answers that are kept
_LEAST = np.float32(1e-6)  # of a probability: half precision holds its logarithm

_log = logging.getLogger("bmis")


@dataclass(frozen=True, eq=False)
class PackedMask:
    """Labels or a field of view, in a hundredth of their memory.

    Example:
        >>> PackedMask.of(np.eye(3, dtype=np.uint8)).unpack()[1]
        array([0, 1, 0], dtype=uint8)
    """

    content: bytes
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @classmethod
    def of(cls, labels: NDArray[np.uint8] | NDArray[np.bool_]) -> Self:
        """Pack an array."""
        return cls(zlib.compress(labels.tobytes(), 1), labels.shape, labels.dtype)

    def unpack(self) -> NDArray[np.uint8]:
        """The array."""
        flat = np.frombuffer(zlib.decompress(self.content), self.dtype)
        return flat.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network answers on one image.

    Attributes:
        id: Name of the image.
        logits: (K, h, w) float16 at the network's size, padding cut off; for two classes (1, h, w),
            those of the second less those of the first.
        num_classes: Classes of the data set, background included.
        truth: The true labels, at the image's own size.
        field_of_view: Where pixels count, if not everywhere.

    Example:
        >>> import bmis
        >>> dataset, (runtime, info) = bmis.open_dataset("polyps"), bmis.load_runtime("run")
        >>> answer = collect_answers(runtime, info, dataset, dataset.split("val"))[0]
        >>> (dice,) = answer.dice(answer.masks([PostProcessing()]))
        >>> 0 <= dice <= 1
        True
    """

    id: str
    logits: NDArray[np.float16]
    num_classes: int
    truth: PackedMask
    field_of_view: PackedMask | None

    def masks(self, rules: Sequence[PostProcessing]) -> Iterator[NDArray[np.uint8]]:
        """The image's mask by each of the rules; flips play no part here."""
        size = self.truth.shape[0], self.truth.shape[1]
        placement = Placement(size, (0, 0, *self.logits.shape[1:]))
        planes = restore(self.logits.astype(np.float32), placement)
        for one in rules:
            yield clean(arg_max(planes, one.threshold), one)

    def dice(self, masks: Iterable[NDArray[np.uint8]]) -> list[float]:
        """The Dice of each of some masks of the image."""
        truth, inside = self.truth.unpack(), None
        if self.field_of_view is not None:
            inside = self.field_of_view.unpack().astype(np.bool_)
        scores = (
            score_case(mask, truth, self.num_classes, field_of_view=inside, distances=False)
            for mask in masks
        )
        return [score.mean["dice"] or 0.0 for score in scores]

    def soft_dice(self, rules: PostProcessing) -> float | None:
        """The soft Dice that a ``Predictor`` finds; None if the network marks nothing."""
        soft = SoftDice(len(self.logits), rules.threshold)
        soft.add(self.logits.astype(np.float32))
        return soft.value()


def collect_answers(
    runtime: Runtime,
    info: ModelInfo,
    dataset: Dataset,
    cases: Sequence[Case],
    flips: str = "none",
    *,
    perturbed: bool = False,
) -> list[Answer]:
    """Run a network on labelled images, and keep what it answers.

    Images that cannot be used, and those for which 256 MB do not suffice, are left out with a
    warning.

    Args:
        runtime: Runs the network.
        info: What was saved with the network.
        dataset: Data set of the images.
        cases: The images.
        flips: See ``PostProcessing``.
        perturbed: Change each image as images from elsewhere are, in one of the ways of
            ``evaluate.perturbations`` that follows from its name.

    Example:
        >>> import bmis
        >>> dataset, (runtime, info) = bmis.open_dataset("polyps"), bmis.load_runtime("run")
        >>> len(collect_answers(runtime, info, dataset, dataset.split("val")))
        1
    """
    flipped = replace(info, postprocessing=PostProcessing(flips=flips), confidence=None)
    predictor = Predictor(runtime, flipped, keep_probabilities=True)
    found, failed, size = list[Answer](), list[str](), 0
    for case in track(cases, "predicting validation images", total=len(cases)):
        try:
            with one_line_about(case.image):
                found.append(_answer(predictor, dataset, case, perturbed=perturbed))
        except DataError as error:
            failed.append(str(error))
            continue
        size += found[-1].logits.nbytes
        if size > _MOST_BYTES:
            many = counted(len(cases), "validation image")
            _log.warning("the first %d of %s are used, more would fill memory", len(found), many)
            break
    if failed:
        _log.warning(
            "%s cannot be used and left out, the first: %s",
            counted(len(failed), "validation image"),
            failed[0],
        )
    return found


def _answer(predictor: Predictor, dataset: Dataset, case: Case, *, perturbed: bool) -> Answer:
    image, labels = load_case(case, dataset)
    sample = Sample(image.pixels, *load_counted(case, labels))
    if perturbed:
        number = zlib.crc32(case.id.encode()) % len(PERTURBATIONS)
        sample = PERTURBATIONS[number](sample, case.id)
    frame = predictor.prepare(replace(image, pixels=sample.pixels))
    (found,) = predictor.infer([frame])
    logits = _logits(found)
    if len(logits) == 2:
        logits = logits[1:] - logits[:1]
    return Answer(
        case.id,
        logits.astype(np.float16),
        dataset.num_classes,
        PackedMask.of(sample.labels),
        None if sample.counted is None else PackedMask.of(sample.counted),
    )


def _logits(found: FrameLogits | Mask) -> NDArray[np.float32]:
    """The logits of the image itself, without padding."""
    if isinstance(found, FrameLogits):
        top, left, height, width = found.frame.placement.box
        return found.logits[:, top : top + height, left : left + width]
    assert found.probabilities is not None
    likely = np.clip(found.probabilities, _LEAST, 1 - _LEAST)
    logits = np.log(likely)
    if len(likely) == 1:
        logits -= np.log(1 - likely)
    return logits
