"""What a data set's images look like, for the device to tell others from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bmis.config import OodReference
from bmis.data.folder import Case, Dataset
from bmis.data.images import read_image
from bmis.errors import DataError
from bmis.predict.ood import OodDetector, describe, fit_ood_reference
from bmis.system.progress import track


def learn_ood_reference(
    dataset: Dataset, proving: Sequence[Case]
) -> tuple[OodReference | None, float | None]:
    """Learn from the images to train and to validate on.

    Args:
        dataset: Images that cannot be read are passed over.
        proving: Images to count false alarms on.

    Returns:
        What was learnt, and the share of ``proving``, less those learnt from, that looks like none
        of them; None for what too few images can tell.
    """
    learning = [case for case in dataset.cases if case.split in ("train", "val")]
    known = fit_ood_reference(_statistics(learning))
    others = [case for case in proving if case.split not in ("train", "val")]
    if known is None or not others:
        return known, None
    detector = OodDetector(known)
    strange = [detector(one) > 1 for one in _statistics(others)]
    return known, sum(strange) / len(strange) if strange else None


def _statistics(cases: Sequence[Case]) -> list[NDArray[np.float64]]:
    found = []
    for case in track(cases, "learning what images look like", total=len(cases)):
        try:
            found.append(describe(read_image(case.image).pixels))
        except DataError:
            continue
    return found
