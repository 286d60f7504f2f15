"""Rules of the layers of networks, for both formats: convolutions, pools, products, norms."""

from collections.abc import Sequence
from math import ceil, floor, prod

import numpy as np

from bmis.bundle.operators.shapes import need
from bmis.bundle.operators.values import Inputs, Node, Value, made
from bmis.wording import counted


def windows(
    sides: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilations: Sequence[int],
    *,
    up: bool = False,
) -> list[int]:
    """How many places a window takes along each axis.

    Args:
        sides: Sides of the map.
        kernel: Sides of the window.
        strides: Steps between places.
        pads: Empty pixels before and after.
        dilations: Steps between the elements of a window.
        up: Whether a last window that reaches beyond the end counts too.

    Example:
        >>> windows([224, 224], [3, 3], [2, 2], [(1, 1), (1, 1)], [1, 1])
        [112, 112]
    """
    found = []
    for side, size, stride, (before, after), dilation in zip(
        sides, kernel, strides, pads, dilations, strict=True
    ):
        left = side + before + after - (size - 1) * dilation - 1
        count = (ceil if up else floor)(left / stride) + 1
        if count < 1 or size < 1:
            raise ValueError(f"a window of {size} on {side}")
        # a window that begins in the empty pixels after the end does not count
        found.append(count - (up and (count - 1) * stride >= side + before))
    return found


def convolved(
    image: Value,
    weight: Value,
    groups: int,
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilations: Sequence[int],
) -> list[Value]:
    """A convolution with a weight (outputs, inputs of a group, *kernel).

    Example:
        >>> image, weight = made(np.float32, (1, 3, 8, 8)), made(np.float32, (4, 3, 1, 1))
        >>> convolved(image, weight, 1, (1, 1), [(0, 0)] * 2, (1, 1))[0].shape
        (1, 4, 8, 8)
    """
    channels, kernel = weight.shape[0], weight.shape[2:]
    if image.shape[1] != weight.shape[1] * groups or channels % groups:
        raise ValueError(f"a weight {weight.shape} in {counted(groups, 'group')} for {image.shape}")
    sides = windows(image.shape[2:], kernel, strides, pads, dilations)
    return [made(image.kind, (image.shape[0], channels, *sides))]


def convolution_work(_: Node, inputs: Inputs, outputs: Sequence[Value]) -> int:
    """Multiplications of a convolution: a window of all channels of its group for each output.

    Example:
        >>> image, weight = made(np.float32, (1, 3, 8, 8)), made(np.float32, (4, 3, 1, 1))
        >>> convolution_work(Node("Conv", (), (), {}), [image, weight], [image])
        576
    """
    weight, rank = need(inputs[1])[0].shape, len(outputs[0].shape)
    return outputs[0].size * prod(weight[1 - rank :])  # with groups OpenVINO has one axis more


def product(one: Value, other: Value) -> list[Value]:
    """The product of matrices in the last two axes, those before broadcast.

    Example:
        >>> product(made(np.float32, (5, 2, 3)), made(np.float32, (3, 4)))[0].shape
        (5, 2, 4)
    """
    if min(len(one.shape), len(other.shape)) < 2 or one.shape[-1] != other.shape[-2]:
        raise ValueError(f"a product of {one.shape} and {other.shape}")
    if one.kind != other.kind:
        raise ValueError("inputs of different types")
    batch = np.broadcast_shapes(one.shape[:-2], other.shape[:-2])
    return [made(one.kind, (*batch, one.shape[-2], other.shape[-1]))]


def product_work(node: Node, inputs: Inputs, outputs: Sequence[Value]) -> int:
    """Multiplications of a product of matrices.

    Example:
        >>> one, other = made(np.float32, (2, 3)), made(np.float32, (3, 4))
        >>> product_work(Node("MatMul", (), (), {}), [one, other], product(one, other))
        24
    """
    swapped = node.attributes.get("transpose_a") in ("true", 1) or node.attributes.get("transA")
    return outputs[0].size * need(inputs[0])[0].shape[-2 if swapped else -1]


def window_work(node: Node, _: Inputs, outputs: Sequence[Value]) -> int:
    """Work of a pool: a window for each output.

    Example:
        >>> node = Node("MaxPool", (), (), {"kernel": (2, 2)})
        >>> window_work(node, [], [made(np.float32, (1, 1, 4, 4))])
        64
    """
    kernel: tuple[int, ...] = node.attributes.get("kernel_shape") or node.attributes["kernel"]
    return outputs[0].size * prod(kernel)


def resized(value: Value, sides: Sequence[int]) -> list[Value]:
    """A map (N, C, H, W) at another size; batch and channels stay.

    Example:
        >>> resized(made(np.float32, (1, 3, 4, 4)), [1, 3, 8, 8])[0].shape
        (1, 3, 8, 8)
    """
    if len(sides) != len(value.shape) or list(sides[:2]) != list(value.shape[:2]) or min(sides) < 1:
        raise ValueError(f"{value.shape} resized to {list(sides)[:8]}")
    return [made(value.kind, sides)]


def padded(value: Value, before: Sequence[int], after: Sequence[int]) -> list[Value]:
    """A value with more elements before and after, none of them removed.

    Example:
        >>> padded(made(np.float32, (1, 3)), [0, 1], [0, 2])[0].shape
        (1, 6)
    """
    if min(*before, *after) < 0:
        raise ValueError("elements fewer than none")
    pairs = zip(before, value.shape, after, strict=True)
    return [made(value.kind, [sum(parts) for parts in pairs])]


def depth_to_space(value: Value, block: int) -> list[Value]:
    """Channels arranged on a grid that is finer by ``block``.

    Example:
        >>> depth_to_space(made(np.float32, (1, 8, 4, 4)), 2)[0].shape
        (1, 2, 8, 8)
    """
    count, channels, *sides = value.shape
    if channels % block ** len(sides):
        raise ValueError(f"{counted(channels, 'channel')} in blocks of {block}")
    return [made(value.kind, (count, channels // block ** len(sides), *(s * block for s in sides)))]


def like_first(_: Node, inputs: Inputs) -> list[Value]:
    """The rule of an operator whose result is shaped as its first input.

    Example:
        >>> like_first(Node("Relu", (), (), {}), [made(np.float32, (2, 3))])[0].shape
        (2, 3)
    """
    (value,) = need(inputs[0])
    return [made(value.kind, value.shape)]


def with_factors(value: Value, factors: Inputs, shape: Sequence[int]) -> list[Value]:
    """A norm: a value with factors and shifts, which must be of one shape.

    Example:
        >>> with_factors(made(np.float32, (1, 3, 4, 4)), [made(np.float32, (3,))], [3])[0].shape
        (1, 3, 4, 4)
    """
    for factor in factors:
        if factor is not None and (factor.shape != tuple(shape) or factor.kind != value.kind):
            raise ValueError(f"factors {factor.shape} where {tuple(shape)} are wanted")
    return [made(value.kind, value.shape)]


def summed(node: Node, inputs: Inputs) -> list[Value]:
    """The rule of Einstein sums: each letter of the equation is one side, wherever it stands.

    Example:
        >>> node = Node("Einsum", (), (), {"equation": "blxd,blyd->blxy"})
        >>> one, other = made(np.float32, (1, 2, 3, 4)), made(np.float32, (1, 2, 5, 4))
        >>> summed(node, [one, other])[0].shape
        (1, 2, 3, 5)
    """
    sides = _letters(node, inputs)
    _, _, result = node.attributes["equation"].partition("->")
    return [made(need(inputs[0])[0].kind, [sides[letter] for letter in result])]


def summed_work(node: Node, inputs: Inputs, _: Sequence[Value]) -> int:
    """Multiplications of an Einstein sum.

    Example:
        >>> node = Node("Einsum", (), (), {"equation": "xd,yd->xy"})
        >>> summed_work(node, [made(np.float32, (3, 4)), made(np.float32, (5, 4))], [])
        60
    """
    return prod(_letters(node, inputs).values())


def _letters(node: Node, inputs: Inputs) -> dict[str, int]:
    sides: dict[str, int] = {}
    terms = node.attributes["equation"].partition("->")[0].split(",")
    for term, value in zip(terms, need(*inputs), strict=True):
        for letter, side in zip(term, value.shape, strict=True):
            if sides.setdefault(letter, side) != side:
                raise ValueError(f"{letter} is {sides[letter]} and {side}")
    return sides


EQUATIONS = ("blxd,blyd->blxy", "bhxy,bhyd->bhxd")
"""The Einstein sums that networks use: the two products of attention."""
