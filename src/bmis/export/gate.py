"""The gate of the export: a graph is written only if its masks are the torch network's masks.

- float: logits within 1e-4 of the torch network's (of their largest, where that is above 1);
- int8: the Dice between both masks at least 0.98 on average, and at most 0.5 points of IoU lost
  against the reference masks.
"""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from bmis.config import InputSpec, ModelInfo
from bmis.data.folder import Case, Dataset, load_case, load_field_of_view
from bmis.data.images import Image, to_channels
from bmis.data.preprocess import fit, normalise
from bmis.errors import BundleError, DataError
from bmis.metrics import score_case
from bmis.metrics.summary import summarise
from bmis.predict.predictor import Predictor
from bmis.runtime.load import Runtime
from bmis.system.progress import track

Floats = NDArray[np.float32]

MOST_ERROR = 1e-4
LEAST_DICE = 0.98
MOST_LOST = 0.5  # points of IoU
_MEANS = ("agreement", "iou", "dice", "iou_torch")
_LOGITS = 8  # images whose logits are compared; masks are compared on all


@dataclass(frozen=True)
class Agreement:
    """How near a graph comes to the torch network on the same images.

    Masks are counted inside an image's field of view, where it has one.

    Attributes:
        images: How many.
        logits_error: Largest difference of two logits, over the largest logit or 1.
        agreement: Mean Dice between both masks; 1 where both are empty.
        iou: Mean IoU of the graph's masks with the reference masks.
        dice: Mean Dice of the same.
        iou_torch: Mean IoU of the torch network's masks with the reference masks.
    """

    images: int
    logits_error: float
    agreement: float
    iou: float
    dice: float
    iou_torch: float

    @property
    def lost(self) -> float:
        """Points of IoU that the graph has less."""
        return 100 * (self.iou_torch - self.iou)

    def to_dict(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


class Reference:
    """The torch network's answers, kept because one export asks for them again and again.

    Args:
        runtime: Of the torch network.
        info: What was saved with it.
        dataset: Where the images are.
    """

    def __init__(self, runtime: Runtime, info: ModelInfo, dataset: Dataset) -> None:
        self.info, self.dataset = info, dataset
        self._runtime, self._predictor = runtime, Predictor(runtime, info)
        self._masks: dict[str, tuple[bytes, tuple[int, ...]]] = {}
        self._logits: dict[str, Floats] = {}

    def mask(self, case: Case, image: Image) -> NDArray[np.uint8]:
        """Labels (H, W) of an image."""
        if case.id not in self._masks:
            labels = self._predictor(image).labels
            self._masks[case.id] = (zlib.compress(labels.tobytes(), 1), labels.shape)
        packed, shape = self._masks[case.id]
        return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)

    def logits(self, case: Case, window: Floats) -> Floats:
        """Logits of what the network gets of an image."""
        if case.id not in self._logits:
            self._logits[case.id] = self._runtime(window)
        return self._logits[case.id]


def compare(graph: Runtime, network: Reference, cases: Sequence[Case]) -> Agreement:
    """Judge the same images by a graph and by the network that it was made from.

    Args:
        graph: On an engine of the device.
        network: In torch.
        cases: At least one.

    Raises:
        DataError: There are no cases, or an image cannot be read.
    """
    info, dataset = network.info, network.dataset
    if not cases:
        raise DataError(f"{dataset.root}: no images to prove the graph on; name others with --data")
    predictor = Predictor(graph, info)
    scores: dict[str, list[float | None]] = {name: [] for name in _MEANS}
    errors = []
    for index, case in enumerate(track(cases, "comparing masks", total=len(cases))):
        image, truth = load_case(case, dataset)
        field_of_view = load_field_of_view(case, truth.shape)
        if index < _LOGITS:
            window = _window(image, info.input)
            errors.append(_logits_error(graph(window), network.logits(case, window)))
        ours, theirs = predictor(image).labels, network.mask(case, image)
        apart, mine, other = (
            score_case(*pair, num_classes=dataset.num_classes, field_of_view=field_of_view).mean
            for pair in ((ours, theirs), (ours, truth), (theirs, truth))
        )
        found = (apart["dice"], mine["iou"], mine["dice"], other["iou"])
        for values, value in zip(scores.values(), found, strict=True):
            values.append(value)
    means = {name: summarise(values).mean or 0.0 for name, values in scores.items()}
    return Agreement(len(cases), max(errors), **means)


def check_float(found: Agreement, file: str) -> None:
    """Raise ``BundleError`` unless a float graph passes."""
    if not found.logits_error <= MOST_ERROR:
        raise BundleError(
            f"{file} is not the network: its logits are off by {found.logits_error:.2g} of the "
            f"largest on {found.images} images, {MOST_ERROR:g} is allowed; nothing was written, "
            "please report this network"
        )


def allowance_used(found: Agreement) -> float:
    """How much an int8 graph uses of what the gate allows; it passes up to 1."""
    return max((1 - found.agreement) / (1 - LEAST_DICE), found.lost / MOST_LOST)


def check_int8(found: Agreement, file: str) -> None:
    """Raise ``BundleError`` unless an int8 graph passes."""
    if not allowance_used(found) <= 1:
        raise BundleError(
            f"{file} is not near enough to the network on {found.images} images: Dice between "
            f"their masks {found.agreement:.4f} ({LEAST_DICE} wanted), IoU {found.iou:.4f} against "
            f"{found.iou_torch:.4f} (at most {MOST_LOST} points less wanted); nothing was written, "
            "calibrate with more images, or export without --int8"
        )


def _window(image: Image, spec: InputSpec) -> Floats:
    """What the network gets, (1, C, h, w); the first window of an image that comes in tiles."""
    pixels = fit(to_channels(image.pixels, spec.channels), spec)[0]
    height, width = spec.size
    return normalise(pixels[:height, :width], spec)[None]


def _logits_error(ours: Floats, theirs: Floats) -> float:
    return float(np.abs(ours - theirs).max() / max(1.0, float(np.abs(theirs).max())))
