"""The out-of-distribution reference of a bundle, learnt from the images of its data set.

What the training showed is in distribution: the images themselves, and those with the borders and
turns that its recipe drew. Otherwise a network that was taught to ignore a border would
warn of each one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.config import ModelInfo, OodReference
from bmis.data.arrays import to_image
from bmis.data.cases import Case, Dataset
from bmis.errors import DataError
from bmis.evaluate.perturbations import PERTURBATIONS, Perturbation, Sample
from bmis.predict.ood import LEAST, OodDetector, describe, fit_ood_reference
from bmis.system.progress import track

# Augmentations, and the kinds of ``PERTURBATIONS`` that they show. Two are left out, because images
# of another modality would pass with them: grey, and dark corners, which make a lesion a fundus.
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "border": ("black border", "white border", "mirrored border"),
    "quarter_turns": ("quarter turn",),
}
_SIZES = ("half size", "double size")
_CHANGED = 500  # changed images, or one of each image where there are more


def learn_ood_reference(
    dataset: Dataset, test_cases: Sequence[Case], info: ModelInfo
) -> tuple[OodReference | None, float | None]:
    """Learn from the training and validation images what is in distribution.

    Each counts as it is, and in one of the ways in which the training changed it. Images that
    cannot be read are left out.

    Args:
        dataset: The data set of the training.
        test_cases: Images to count false alarms on. Those that were learnt from are left out.
        info: The network that was trained.

    Returns:
        What was learnt, and the share of ``test_cases`` that is out of distribution all the same.
        Each is None where there are too few images.

    Example:
        >>> import bmis
        >>> dataset, (_, info) = bmis.open_dataset("polyps"), bmis.load_model("run")
        >>> reference, false_alarms = learn_ood_reference(dataset, dataset.split("test"), info)
        >>> reference.limit > 0, 0 <= false_alarms <= 1
        (True, True)
    """
    learning = [case for case in dataset.cases if case.split in ("train", "val")]
    found = list(_statistics(learning, dataset.channels, shown_changes(info)))
    reference = fit_ood_reference([one for _, one in found], [kind for kind, _ in found])
    others = [case for case in test_cases if case.split not in ("train", "val")]
    if reference is None or not others:
        return reference, None
    detector = OodDetector(reference)
    alarms = [detector(one) > 1 for _, one in _statistics(others, dataset.channels)]
    return reference, sum(alarms) / len(alarms) if alarms else None


def shown_changes(info: ModelInfo) -> list[Perturbation]:
    """The changes of an image that a training showed its network.

    A network that sees all images at one size has seen every size.

    Args:
        info: Its provenance has the recipe; without one nothing was drawn.

    Example:
        >>> from bmis.config import InputSpec, ModelConfig
        >>> recipe = {"augmentation": {"border": 0.4, "grey": 0.1}}
        >>> network = ModelConfig(), InputSpec(), ("background", "polyp")
        >>> info = ModelInfo(*network, provenance={"recipe": recipe})
        >>> sorted({one.kind for one in shown_changes(info)})
        ['black border', 'double size', 'half size', 'mirrored border', 'white border']
    """
    drawn = _augmentation(info)
    kinds = {kind for name, shown in _SHOWN.items() if drawn.get(name, 0) for kind in shown}
    if info.input.resize != "native":
        kinds.update(_SIZES)
    return [one for one in PERTURBATIONS if one.kind in kinds]


def _augmentation(info: ModelInfo) -> Mapping[str, Any]:
    """How far the training changed its images; nothing where the checkpoint does not say."""
    found: Any = info.provenance  # which is for people: anything may stand in it
    for key in ("recipe", "augmentation"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _statistics(
    cases: Sequence[Case], channels: int, changes: Sequence[Perturbation] = ()
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Describe images, and each once more, or more often, as a change leaves it; kinds take turns.

    Where there are few images, only some kinds have their turn: a kind needs as many images as a
    reference does.

    Yields:
        The kind of change, "" for none, and the statistics.
    """
    kinds = [
        [one for one in changes if one.kind == kind]
        for kind in dict.fromkeys(one.kind for one in changes)
    ][: len(cases) // LEAST]
    copies = min(len(kinds), max(1, _CHANGED // max(1, len(cases))))
    for number, case in enumerate(track(cases, "describing images", total=len(cases))):
        try:
            pixels = to_image(case.image, channels).pixels
        except DataError:
            continue
        yield "", describe(pixels)
        sample = Sample(pixels, np.zeros(pixels.shape[:2], np.uint8))
        for copy in range(copies):
            turn, kind = divmod(number * copies + copy, len(kinds))
            change = kinds[kind][turn % len(kinds[kind])]
            yield change.kind, describe(change(sample, case.id).pixels)
