"""Small pictures of predicted masks, which a record keeps for the report."""

from collections.abc import Sequence
from hashlib import sha256

from bmis.data.cases import Case
from bmis.data.images import read_image
from bmis.data.mask_text import encode_mask
from bmis.predict.predictor import Predictor

_COUNT = 6  # masks kept of each data set


def predict_pictures(predictor: Predictor, cases: Sequence[Case]) -> dict[str, str]:
    """Predict a few images, chosen by their ids alone, so that all networks get the same ones.

    Args:
        predictor: The network.
        cases: The images to choose from.

    Returns:
        For each of up to six ids a mask as ``encode_mask`` returns it.

    Example:
        >>> from bmis import load, open_dataset
        >>> cases = open_dataset("polyps").cases
        >>> len(cases), len(predict_pictures(load("run"), cases))
        (12, 6)
    """
    chosen = sorted(
        cases, key=lambda case: sha256(case.id.encode(errors="surrogateescape")).digest()
    )[:_COUNT]
    masks = {}
    for case in chosen:
        image = read_image(case.image, channels=predictor.info.input.channels)
        masks[case.id] = encode_mask(predictor(image).labels)
    return masks
