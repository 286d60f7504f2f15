"""How far training images may be changed: the settings of the augmentation."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from bmis.config.settings import Settings
from bmis.errors import ConfigError

_Amount = Annotated[float, Meta(ge=0)]
_Probability = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class Augmentation(Settings):
    """How far a training image may be changed; 0 is no change, and (1, 1) for ``scale``.

    The masks move with the images. What covers an image is background in its mask, and a pixel that
    is ignored stays so.

    Attributes:
        flip: Probability of a flip: one for both axes, or that of left with right and that of top
            with bottom. Where the classes are each other's mirror image the first must be 0.
        rotate: Largest angle in degrees, either way.
        scale: Smallest and largest magnification; drawn evenly on a logarithmic scale.
        shift: Largest shift as a fraction of the image's height, either way, down and across.
        elastic: Typical size of a smooth random displacement, as a fraction of the height.
        brightness: Largest change, on the scale 0..1.
        contrast: Largest relative change about the image's mean.
        gamma: Largest natural logarithm of the exponent.
        colour: Largest relative change of a channel's gain, and of the saturation (RGB only).
        noise: Largest standard deviation of Gaussian noise, on the scale 0..1.
        smooth: Bilinear sampling and mirrored borders; otherwise nearest neighbour and black.
        quarter_turns: Probability of a turn by 90, 180 or 270 degrees. Images that are not square
            are shrunk until the turned one fits.
        zoom_out: Probability that the image shrinks to 0.35 to 0.8 of its size, anywhere on a
            canvas that is black, white or its own mirror image: objects become small.
        border: Probability of a border or panel: 2 to 12 % of the side, on one side or on all,
            black, white or mirrored. Under a mirrored one the mask is mirrored too.
        dark_corners: Probability of the dark corners that a round field of view leaves, as
            dermoscopes and endoscopes have.
        grey: Probability that colours become their luminance (RGB only).
        paste: Probability that the objects of another image of the batch are pasted in, at their
            place, with soft edges (arXiv:2012.07177).

    Example:
        >>> Augmentation(rotate=0.0).flip
        0.5
    """

    flip: float | tuple[float, float] = 0.5
    rotate: _Amount = 30.0
    scale: tuple[float, float] = (1.0, 1.0)
    shift: _Amount = 0.0
    elastic: _Amount = 0.0
    brightness: _Amount = 0.0
    contrast: _Amount = 0.0
    gamma: _Amount = 0.0
    colour: _Amount = 0.0
    noise: _Amount = 0.0
    smooth: bool = True
    quarter_turns: _Probability = 0.0
    zoom_out: _Probability = 0.0
    border: _Probability = 0.0
    dark_corners: _Probability = 0.0
    grey: _Probability = 0.0
    paste: _Probability = 0.0

    def __post_init__(self) -> None:
        """Check every value."""
        super().__post_init__()
        if not all(0 <= probability <= 1 for probability in self.flips):
            raise ConfigError(f"flip must be a probability from 0 to 1, or two, got {self.flip}")
        low, high = self.scale
        if not 0 < low <= high:
            raise ConfigError(f"scale must be two rising numbers above 0, got {list(self.scale)}")

    @property
    def flips(self) -> tuple[float, float]:
        """Probability of a flip of left with right, and of top with bottom."""
        return self.flip if isinstance(self.flip, tuple) else (self.flip, self.flip)
