"""What a network does for one image, as the numbers that its time follows from.

Every operation of a forward pass goes through torch's dispatcher. Norms and activations are left
out, because engines fold them into convolutions. The images are small: real tensors of that size
take less time than tensors without data.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bmis.models import SegmentationModel
from bmis.models.layers.attention import plain_attention
from bmis.models.threads import torch_threads

Operations = Mapping[str, float]
_FOLDED = ("batch_norm", "relu", "hardtanh", "dropout", "clone", "_to_copy", "empty", "zeros")
_PRODUCTS = ("aten.mm", "aten.bmm", "aten.addmm", "aten.baddbmm")
_BLOCK = 16  # channels that a processor computes at once
_SMALL, _LARGE = 64, 128  # sides at which a network is followed; larger ones follow from both


def count_operations(model: SegmentationModel) -> tuple[Operations, Operations]:
    """Follow one image through a network at two sizes; see ``at_size``.

    Args:
        model: In eval mode; it takes 64 x 64 pixels.

    Raises:
        DataError: The model does not take these sizes.

    Returns:
        The operations for an image of 64 and of 128 pixels a side: numbers of operators, millions
        of multiplications of each kind of convolution and of products, and millions of values
        that are read and written.

    Example:
        >>> from bmis import build_model
        >>> small, large = count_operations(build_model("bmis_tiny").eval())
        >>> round(large["pointwise"] / small["pointwise"], 1)
        4.0
    """
    with torch_threads(1):  # threads that wait for one another would take far longer
        small, large = (_follow(model, side) for side in (_SMALL, _LARGE))
    return small, large


def at_size(both: tuple[Operations, Operations], size: tuple[int, int]) -> dict[str, float]:
    """The operations for an image of another size.

    Each number is a part that stays, such as the number of operators, or grows with the pixels or,
    as attention does, with their square.

    Args:
        both: What ``count_operations`` gives.
        size: Height and width in pixels.

    Example:
        >>> at_size(({"dense": 1.0}, {"dense": 4.0}), (512, 512))
        {'dense': 64.0}
    """
    small, large = both
    pixels = size[0] * size[1] / _SMALL**2
    return {name: _grown(small.get(name, 0.0), large[name], pixels) for name in large}


def _grown(small: float, large: float, pixels: float) -> float:
    """Solve small = a + b and large = 4 a + 16 b; numbers that stay the same stay so."""
    if math.isclose(small, large):
        return small
    square = max(0.0, (large - 4 * small) / 12)
    return (small - square) * pixels + square * pixels**2


def _follow(model: SegmentationModel, side: int) -> dict[str, float]:
    image, counter = torch.zeros(1, model.in_channels, side, side), _Counter()
    with plain_attention(), torch.no_grad(), counter:
        model(image)
    return dict(counter.found)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Add up what the operations of a forward pass do."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: defaultdict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = str(func)
        views = any(result.alias_info for result in func._schema.returns)
        if not views and not any(word in name for word in _FOLDED):
            self._count(name, args, out)
        return out

    def _count(self, name: str, args: Any, out: Any) -> None:
        inputs, outputs = (_tensors(some) for some in (args, out))
        if not outputs:
            return
        values = sum(x.numel() for x in (*inputs, *outputs)) / 1e6
        self.found["operators"] += 1
        if name.startswith("aten.convolution"):
            kind, work = _convolution(args, outputs[0])
            self.found[kind] += work
            self.found["convolved"] += (inputs[0].numel() + outputs[0].numel()) / 1e6
        elif name.startswith(_PRODUCTS):
            inner = inputs[-2].shape[-1]
            self.found["products"] += outputs[0].numel() * inner / 1e6
            self.found["moved"] += values
        else:
            self.found["moved"] += values


def _tensors(some: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(some) if isinstance(leaf, Tensor)]


def _convolution(args: Any, out: Tensor) -> tuple[str, float]:
    """Its kind, and millions of multiplications with channels filled up to whole blocks."""
    weight: Tensor = args[1]
    dilation, transposed, groups = args[5], args[6], args[8]
    kernel = math.prod(weight.shape[2:])
    pixels = math.prod((args[0] if transposed else out).shape[2:])
    if groups > 1:
        return "depthwise", weight.numel() * pixels / 1e6
    a, b = (_filled(channels) for channels in weight.shape[:2])
    kind = "dilated" if max(dilation) > 1 else "pointwise" if kernel == 1 else "dense"
    return kind, a * b * kernel * pixels / 1e6


def _filled(channels: int) -> int:
    return channels if channels <= 4 else -(-channels // _BLOCK) * _BLOCK
