"""What is done with the network's answer before it becomes a mask."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Self

from msgspec import Meta

from bmis.config.checks import one_of
from bmis.config.settings import Settings

FLIPS = {  # axes of a batch (N, C, H, W) that each pass of the network is flipped along
    "none": ((),),
    "horizontal": ((), (3,)),
    "vertical": ((), (2,)),
    "both": ((), (3,), (2,), (2, 3)),
}


@dataclass(frozen=True)
class PostProcessing(Settings):
    """What is done with the network's answer before it becomes a mask; by default nothing.

    The probabilities of all flips are averaged and compared with the threshold. Then small pieces
    vanish, holes are filled, and the largest piece of each class is chosen. Pixels of a class that
    touch, corners included, are one piece. What vanishes becomes background.

    Example:
        >>> PostProcessing(threshold=0.4, largest_piece=True).changes()
        {'threshold': 0.4, 'largest_piece': True}
        >>> PostProcessing(threshold=0.4, largest_piece=True).in_words()
        'threshold 0.4, largest piece of each class'
        >>> PostProcessing(threshold=1.5)
        Traceback (most recent call last):
        bmis.errors.ConfigError: threshold must be a probability from 0.01 to 0.99, got 1.5
    """

    threshold: Annotated[
        float,
        Meta(
            ge=0.01,
            le=0.99,
            title="a probability from 0.01 to 0.99",
            description="Probability above which a pixel is foreground, for two classes.",
        ),
    ] = 0.5
    largest_piece: Annotated[
        bool, Meta(description="Keep the largest piece of each class alone.")
    ] = False
    smallest_size: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            title="a share of the image from 0 to below 1",
            description="Share of the image below which a piece vanishes, such as 0.001.",
        ),
    ] = 0.0
    fill_holes: Annotated[bool, Meta(description="Fill holes that one class surrounds.")] = False
    flips: Annotated[
        str,
        one_of(*FLIPS),
        Meta(
            description="Average over the image and its flips: none, horizontal or vertical (twice "
            "the time), or both (four times)."
        ),
    ] = "none"

    def changes(self) -> dict[str, Any]:
        """The values that differ from those by default."""
        plain = self.to_dict()
        return {one.name: plain[one.name] for one in fields(self) if plain[one.name] != one.default}

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """The same with some other values.

        Raises:
            ConfigError: An unknown name, or a value that is wrong.
        """
        return type(self).from_dict({**self.to_dict(), **changes})

    def in_words(self) -> str:
        """What is done, for people; nothing where nothing is."""
        share = f"{100 * self.smallest_size:.3g}"
        words = {
            "threshold": f"threshold {self.threshold:g}",
            "largest_piece": "largest piece of each class",
            "smallest_size": f"no pieces below {share} % of the image",
            "fill_holes": "holes filled",
            "flips": f"mean over {len(FLIPS[self.flips])} flips ({self.flips})",
        }
        return ", ".join(words[name] for name in self.changes())
