"""The gate of the export: a graph is written only if its masks are the torch network's masks.

- float: the logits are within 1e-4 of the torch network's, relative to the largest of them where
  that is above 1;
- int8: the Dice between both masks is at least 0.98 on average, and the IoU with the reference
  masks is at most 0.5 points lower.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from bmis.config import InputSpec, ModelInfo
from bmis.data.cases import Case, Dataset, load_case, load_counted
from bmis.data.channels import to_channels
from bmis.data.images import Image
from bmis.data.preprocess import fit, normalise
from bmis.errors import BundleError, DataError
from bmis.export.answers import PackedMask
from bmis.metrics import score_case
from bmis.metrics.summary import summarise
from bmis.predict.predictor import Predictor
from bmis.runtime.load import Runtime
from bmis.system.progress import track
from bmis.wording import counted

Floats = NDArray[np.float32]

MAX_LOGITS_ERROR = 1e-4
MIN_DICE = 0.98
MAX_IOU_LOSS = 0.5  # points
_MEANS = ("agreement", "iou", "dice", "iou_torch")
_LOGITS = 8  # images whose logits are compared; masks are compared on all


@dataclass(frozen=True)
class Agreement:
    """How near a graph comes to the torch network on the same images.

    An image that has a field of view is scored inside it.

    Attributes:
        images: How many images were compared.
        logits_error: Largest difference of two logits, over the largest logit or 1.
        agreement: Mean Dice between both masks; 1 where both are empty.
        iou: Mean IoU of the graph's masks with the reference masks.
        dice: Mean Dice of the graph's masks with the reference masks.
        iou_torch: Mean IoU of the torch network's masks with the reference masks.

    Example:
        >>> found = Agreement(100, 0.02, agreement=0.99, iou=0.846, dice=0.91, iou_torch=0.85)
        >>> round(found.iou_loss, 3)
        0.4
    """

    images: int
    logits_error: float
    agreement: float
    iou: float
    dice: float
    iou_torch: float

    @property
    def iou_loss(self) -> float:
        """By how many points the graph's IoU is lower than the network's."""
        return 100 * (self.iou_torch - self.iou)

    def to_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return asdict(self)


class Reference:
    """The torch network's masks and logits, kept because one export needs them several times.

    Args:
        runtime: Runs the torch network.
        info: What was saved with the network.
        dataset: Data set of the images.

    Example:
        >>> import bmis
        >>> dataset = bmis.open_dataset("polyps")
        >>> reference = Reference(*bmis.load_runtime("run"), dataset)
        >>> case = dataset.cases[0]
        >>> reference.mask(case, load_case(case, dataset)[0]).shape
        (64, 64)
    """

    def __init__(self, runtime: Runtime, info: ModelInfo, dataset: Dataset) -> None:
        self.info, self.dataset = info, dataset
        self._runtime, self._predictor = runtime, Predictor(runtime, info)
        self._masks: dict[str, PackedMask] = {}
        self._logits: dict[str, Floats] = {}

    def mask(self, case: Case, image: Image) -> NDArray[np.uint8]:
        """The labels (H, W) of an image."""
        if case.id not in self._masks:
            self._masks[case.id] = PackedMask.of(self._predictor(image).labels)
        return self._masks[case.id].unpack()

    def logits(self, case: Case, window: Floats) -> Floats:
        """The logits of an image at the network's size, (1, C, h, w) -> (1, K, h, w)."""
        if case.id not in self._logits:
            self._logits[case.id] = self._runtime(window)
        return self._logits[case.id]


def compare(graph: Runtime, reference: Reference, cases: Sequence[Case]) -> Agreement:
    """Run a graph and the network that it was made from on the same images.

    Args:
        graph: Runs the graph, on an engine of the device.
        reference: Runs the network, in torch.
        cases: The images, at least one.

    Raises:
        DataError: There are no cases, or an image cannot be read.

    Example:
        >>> import bmis
        >>> dataset = bmis.open_dataset("polyps")
        >>> runtime, info = bmis.load_runtime("run")
        >>> found = compare(runtime, Reference(runtime, info, dataset), dataset.split("test"))
        >>> found.logits_error, found.agreement
        (0.0, 1.0)
    """
    info, dataset = reference.info, reference.dataset
    if not cases:
        raise DataError(
            f"{dataset.root}: no images to validate the graph on; name others with --data"
        )
    predictor = Predictor(graph, info)
    scores: dict[str, list[float | None]] = {name: [] for name in _MEANS}
    errors = []
    for index, case in enumerate(track(cases, "comparing masks", total=len(cases))):
        image, labels = load_case(case, dataset)
        if index < _LOGITS:
            window = _window(image, info.input)
            errors.append(_logits_error(graph(window), reference.logits(case, window)))
        masks = predictor(image).labels, reference.mask(case, image)
        found = _scores(*masks, *load_counted(case, labels), dataset.num_classes)
        for name, value in found.items():
            scores[name].append(value)
    means = {name: summarise(values).mean or 0.0 for name, values in scores.items()}
    return Agreement(len(cases), max(errors), **means)


def _scores(
    ours: NDArray[np.uint8],
    theirs: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    field_of_view: NDArray[np.bool_] | None,
    num_classes: int,
) -> dict[str, float | None]:
    """``_MEANS`` of one image, from the masks of the graph and of the network."""
    apart, mine, other = (
        score_case(*pair, num_classes=num_classes, field_of_view=field_of_view).mean
        for pair in ((ours, theirs), (ours, truth), (theirs, truth))
    )
    values = (apart["dice"], mine["iou"], mine["dice"], other["iou"])
    return dict(zip(_MEANS, values, strict=True))


def check_float(found: Agreement, file: str) -> None:
    """Raise ``BundleError`` unless a float32 graph passes.

    Example:
        >>> check_float(Agreement(100, 3e-6, 1.0, 0.85, 0.91, 0.85), "model.onnx")
    """
    if not found.logits_error <= MAX_LOGITS_ERROR:
        raise BundleError(
            f"{file} is not the network: its logits are off by {found.logits_error:.2g} of the "
            f"largest on {counted(found.images, 'image')}, {MAX_LOGITS_ERROR:g} is allowed; "
            "nothing was written, please report this network"
        )


def allowance_used(found: Agreement) -> float:
    """The share of the gate's allowances that an int8 graph uses; it passes up to 1.

    Example:
        >>> round(allowance_used(Agreement(100, 0.02, 0.99, 0.846, 0.91, 0.85)), 2)
        0.8
    """
    return max((1 - found.agreement) / (1 - MIN_DICE), found.iou_loss / MAX_IOU_LOSS)


def check_int8(found: Agreement, file: str) -> None:
    """Raise ``BundleError`` unless an int8 graph passes.

    Example:
        >>> check_int8(Agreement(100, 0.02, 0.99, 0.846, 0.91, 0.85), "model.int8.onnx")
    """
    if not allowance_used(found) <= 1:
        raise BundleError(
            f"{file} is not near enough to the network on {counted(found.images, 'image')}: Dice "
            f"between their masks {found.agreement:.4f} ({MIN_DICE} wanted), IoU {found.iou:.4f} "
            f"against {found.iou_torch:.4f} (at most {MAX_IOU_LOSS} points less wanted); nothing "
            "was written, calibrate with more images, or export without --int8"
        )


def _window(image: Image, spec: InputSpec) -> Floats:
    """What the network gets, (1, C, h, w); the first tile of an image that comes in tiles."""
    pixels = fit(to_channels(image.pixels, spec.channels), spec)[0]
    height, width = spec.size
    return normalise(pixels[:height, :width], spec)[None]


def _logits_error(ours: Floats, theirs: Floats) -> float:
    return float(np.abs(ours - theirs).max() / max(1.0, float(np.abs(theirs).max())))
