"""The segmentation of one image, and how it is shown."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from bmis.data.arrays import to_image
from bmis.data.drawing import overlay
from bmis.data.palette import palette

DOES_NOT_HOLD = "does not hold here, as the image is unlike the training images"
"""What is said of the expected Dice of an image that is out of distribution."""


@dataclass(frozen=True, eq=False)
class Mask:
    """The segmentation of one image, at the image's own size.

    A notebook shows it as a picture, each class in its colour.

    Attributes:
        labels: Class of each pixel, (H, W) uint8; 0 is the background.
        probabilities: Class probabilities (K, H, W) float32 in 0..1, where they were asked for.
            They add up to 1, except for a network with one class, where K is 1.
        spacing: Millimetres per pixel (down, across), where known.
        ood_score: How far the image is from the training images, where the network knows them;
            above 1 it is out of distribution. See ``bmis.predict.ood``.
        expected_dice: The Dice with the truth that the network's own probabilities let expect,
            0..1, where that was calibrated. See ``bmis.predict.confidence``, and
            ``expected_dice_note``.
        unsure: Where the chosen class is less likely than 3 to 1, (H, W) bool, where it was asked
            for; before post-processing.

    Example:
        >>> import bmis
        >>> mask = bmis.load("run")("photo.png")
        >>> mask.labels.shape, mask.labels.dtype
        ((64, 64), dtype('uint8'))
        >>> mask.overlay("photo.png").shape
        (64, 64, 3)
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None = None
    spacing: tuple[float, float] | None = None
    ood_score: float | None = None
    expected_dice: float | None = None
    unsure: NDArray[np.bool_] | None = None

    @property
    def out_of_distribution(self) -> bool:
        """Whether the image is known to be unlike all training images."""
        return self.ood_score is not None and self.ood_score > 1

    @property
    def expected_dice_note(self) -> str | None:
        """What to say beside the expected Dice: that it does not hold for this image, if so.

        It was calibrated on images like those of the training.
        """
        known = self.expected_dice is not None
        return DOES_NOT_HOLD if known and self.out_of_distribution else None

    def overlay(self, image: Any) -> NDArray[np.uint8]:
        """Draw the mask on its image: each class tinted and outlined in its colour.

        Where the network is unsure, the picture is tinted yellow, if the mask knows.

        Args:
            image: The image that the mask is of: whatever ``Predictor`` takes.

        Returns:
            (H, W, 3) uint8, RGB.

        Raises:
            DataError: The image cannot be read, or has another size.
        """
        return overlay(to_image(image).pixels, self.labels, unsure=self.unsure)

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows."""
        stream = io.BytesIO()
        Pillow.fromarray(palette(int(self.labels.max()) + 1)[self.labels]).save(stream, "PNG")
        return stream.getvalue()
