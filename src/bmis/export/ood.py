"""The out-of-distribution reference of a bundle, learnt from the images of its data set."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bmis.config import OodReference
from bmis.data.arrays import to_image
from bmis.data.cases import Case, Dataset
from bmis.errors import DataError
from bmis.predict.ood import OodDetector, describe, fit_ood_reference
from bmis.system.progress import track


def learn_ood_reference(
    dataset: Dataset, test_cases: Sequence[Case]
) -> tuple[OodReference | None, float | None]:
    """Learn from the training and validation images what is in distribution.

    Images that cannot be read are left out.

    Args:
        dataset: The data set of the training.
        test_cases: Images to count false alarms on. Those that were learnt from are left out.

    Returns:
        What was learnt, and the share of ``test_cases`` that is out of distribution all the same.
        Each is None where there are too few images.

    Example:
        >>> import bmis
        >>> dataset = bmis.open_dataset("polyps")
        >>> reference, false_alarms = learn_ood_reference(dataset, dataset.split("test"))
        >>> reference.limit > 0, 0 <= false_alarms <= 1
        (True, True)
    """
    learning = [case for case in dataset.cases if case.split in ("train", "val")]
    reference = fit_ood_reference(_statistics(learning, dataset.channels))
    others = [case for case in test_cases if case.split not in ("train", "val")]
    if reference is None or not others:
        return reference, None
    detector = OodDetector(reference)
    alarms = [detector(one) > 1 for one in _statistics(others, dataset.channels)]
    return reference, sum(alarms) / len(alarms) if alarms else None


def _statistics(cases: Sequence[Case], channels: int) -> list[NDArray[np.float64]]:
    found = []
    for case in track(cases, "describing images", total=len(cases)):
        try:
            found.append(describe(to_image(case.image, channels).pixels))
        except DataError:
            continue
    return found
