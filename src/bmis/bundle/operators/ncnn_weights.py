"""The weights that each of ncnn's layers takes from its ``.bin``."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Weight(NamedTuple):
    """A weight in a ``.bin``.

    Attributes:
        shape: Its sides.
        flagged: Whether four bytes before it say how it is packed.

    Example:
        >>> Weight((32,)).flagged
        False
    """

    shape: tuple[int, ...]
    flagged: bool = False


def weights_of(kind: str, attributes: Mapping[str, Any]) -> list[Weight]:
    """The weights of a layer in the order of the ``.bin``.

    Raises:
        KeyError: A parameter that decides on them is missing.

    Example:
        >>> weights_of("Convolution", {"0": 2, "5": 1, "6": 54})
        [Weight(shape=(54,), flagged=True), Weight(shape=(2,), flagged=False)]
    """
    if kind in ("Convolution", "ConvolutionDepthWise"):
        bias = [Weight((attributes["0"],))] * attributes.get("5", 0)
        return [Weight((attributes["6"],), flagged=True), *bias]
    if kind in ("LayerNorm", "GroupNorm", "InstanceNorm"):
        size, affine = ("1", "3") if kind == "GroupNorm" else ("0", "2")
        return [Weight((attributes[size],))] * (2 * attributes.get(affine, 1))
    if kind == "PReLU":
        return [Weight((attributes["0"],))]
    if kind == "InnerProduct":
        bias = [Weight((attributes["0"],))] * attributes.get("1", 0)
        return [Weight((attributes["2"],), flagged=True), *bias]
    if kind == "MemoryData":
        names = ("2", "1", "0") if "2" in attributes else ("1", "0") if "1" in attributes else "0"
        return [Weight(tuple(attributes[name] for name in names))]
    return []
