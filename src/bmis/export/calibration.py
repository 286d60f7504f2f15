"""Training images, from which quantisation reads the ranges of int8."""

import random

import numpy as np
from numpy.typing import NDArray

from bmis.config import InputSpec
from bmis.data.cases import Dataset, load_case
from bmis.data.channels import to_channels
from bmis.data.preprocess import fit, normalise
from bmis.errors import DataError
from bmis.system.progress import track
from bmis.wording import counted

COUNT = 100  # images; more hardly change the ranges
LEAST = 8  # images
_SMOOTH = 0.5  # least correlation of neighbouring pixels; photographs and scans have above 0.9
_SEED = 0


def read_calibration(dataset: Dataset, spec: InputSpec) -> NDArray[np.float32]:
    """Read images of the training split as the network gets them.

    At most ``COUNT`` images are drawn at random with a fixed seed. Of an image that comes in tiles
    one tile is taken.

    Args:
        dataset: The data set of the training.
        spec: Input of the network.

    Returns:
        (n, C, H, W), normalised.

    Raises:
        DataError: There are too few images, or they are noise or of one colour, so that the
            ranges of real images cannot be read from them.

    Example:
        >>> import bmis
        >>> read_calibration(bmis.open_dataset("polyps"), bmis.InputSpec((32, 32))).shape
        (9, 3, 32, 32)
    """
    cases = list(dataset.split("train"))
    rng = random.Random(_SEED)  # noqa: S311  (no secret)
    rng.shuffle(cases)
    height, width = spec.size
    images = []
    for case in track(cases[:COUNT], "reading calibration images", total=len(cases[:COUNT])):
        pixels = fit(to_channels(load_case(case, dataset)[0].pixels, spec.channels), spec)[0]
        top, left = (
            rng.randint(0, have - want) for have, want in zip(pixels.shape, spec.size, strict=False)
        )
        images.append(normalise(pixels[top : top + height, left : left + width], spec))
    if len(images) < LEAST:
        raise DataError(
            f"{dataset.root}: int8 needs {counted(LEAST, 'training image')} or more to read "
            f"ranges from, got {len(images)}; calibrate with the training images"
        )
    batch = np.stack(images)
    _check_real(dataset, batch)
    return batch


def _check_real(dataset: Dataset, images: NDArray[np.float32]) -> None:
    """Refuse images that cannot be photographs or scans."""
    flat = images - images.mean((2, 3), keepdims=True)
    power = float(np.square(flat).mean())
    if power < 1e-6:
        raise DataError(
            f"{dataset.root}: its images are of one colour; calibrate with the training images"
        )
    correlation = float((flat[..., 1:] * flat[..., :-1]).mean()) / power
    if correlation < _SMOOTH:
        raise DataError(
            f"{dataset.root}: its images look like noise (neighbouring pixels correlate by "
            f"{correlation:.2f}, in real images by 0.9 or more); calibrate with the training images"
        )
