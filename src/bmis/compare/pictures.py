"""Small pictures of predicted masks, which a record keeps for the report."""

import base64
import io
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from bmis.data.cases import Case
from bmis.data.images import read_image
from bmis.predict.predictor import Predictor

_COUNT = 6  # masks kept of each data set
_LONGEST = 256  # pixels along the longer side


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


def encode_mask(labels: NDArray[np.uint8]) -> str:
    """A label image as PNG in base64, with 256 pixels along the longer side at most.

    Args:
        labels: (H, W), values 0..K-1, which stay as they are.

    Example:
        >>> text = encode_mask(np.ones((600, 300), np.uint8))
        >>> PillowImage.open(io.BytesIO(base64.b64decode(text))).size
        (128, 256)
    """
    picture = PillowImage.fromarray(labels)
    picture.thumbnail((_LONGEST, _LONGEST), PillowImage.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")
