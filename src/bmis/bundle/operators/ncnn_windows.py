"""Rules of ncnn's layers that slide a window over a map, and what they take to compute.

A value has no axis for the batch; see ``ncnn_rules``.
"""

from collections.abc import Sequence
from math import prod
from typing import Final

from bmis.bundle.operators import layers, shapes
from bmis.bundle.operators.values import Inputs, Node, Value, made

_ACTIVATIONS: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 0, 5: 0, 6: 2}  # kind -> number of its parameters


def plain(value: Value | None, *ranks: int) -> Value:
    """An input that has some number of axes, three where none is said.

    Example:
        >>> import numpy as np
        >>> plain(made(np.float32, (4, 6, 8))).shape
        (4, 6, 8)
    """
    (found,) = shapes.need(value)
    if len(found.shape) not in (ranks or (3,)):
        raise ValueError(f"{found.shape}")
    return found


def _pair(node: Node, across: str, down: str, default: int) -> tuple[int, int]:
    """Height and width of a parameter that is given for both unless it differs."""
    width = node.attributes.get(across, default)
    return node.attributes.get(down, width), width


def _pads(node: Node) -> list[tuple[int, int]]:
    left = node.attributes.get("4", 0)
    top = node.attributes.get("14", left)
    return [(top, node.attributes.get("16", top)), (left, node.attributes.get("15", left))]


def _check_activation(node: Node) -> None:
    kind, given = node.attributes.get("9", 0), node.attributes.get("10", ())
    if len(given) != _ACTIVATIONS[kind]:
        raise ValueError(f"activation {kind} with {len(given)} parameters")


def convolved(node: Node, inputs: Inputs) -> list[Value]:
    """The rule of convolutions, whose weights come as one list.

    Example:
        >>> import numpy as np
        >>> node = Node("Convolution", (), (), {"0": 2, "1": 3, "3": 2, "6": 72})
        >>> convolved(node, [made(np.float32, (4, 7, 9))])[0].shape
        (2, 3, 4)
    """
    image = plain(inputs[0])
    _check_activation(node)
    groups = node.attributes.get("7", 1)
    kernel = _pair(node, "1", "11", 0)
    channels = image.shape[0]
    if channels % groups:
        raise ValueError(f"{image.shape}, groups: {groups}")
    shape = (node.attributes["0"], channels // groups, *kernel)
    if prod(shape) != node.attributes["6"]:
        raise ValueError(f"{node.attributes['6']} weights where {prod(shape)} are wanted")
    strides, dilations = _pair(node, "3", "13", 1), _pair(node, "2", "12", 1)
    batched = image._replace(shape=(1, *image.shape))
    weight = made(image.kind, shape)
    (found,) = layers.convolved(batched, weight, groups, strides, _pads(node), dilations)
    return [found._replace(shape=found.shape[1:])]


def convolution_work(node: Node, _: Inputs, outputs: Sequence[Value]) -> int:
    """Multiplications of a convolution: a window of all channels of its group for each output.

    Example:
        >>> import numpy as np
        >>> node = Node("Convolution", (), (), {"0": 4, "6": 12})
        >>> convolution_work(node, [], [made(np.float32, (4, 8, 8))])
        768
    """
    weights: int = node.attributes["6"] // node.attributes["0"]
    return outputs[0].size * weights


def convolution_scratch(node: Node, inputs: Inputs, outputs: Sequence[Value]) -> int:
    """Bytes of the map with its empty pixels, and of all windows side by side.

    Example:
        >>> import numpy as np
        >>> node = Node("Convolution", (), (), {"0": 4, "1": 1, "6": 12, "4": 1})
        >>> image, found = made(np.float32, (3, 8, 8)), made(np.float32, (4, 10, 10))
        >>> convolution_scratch(node, [image], [found])
        2400
    """
    image = shapes.need(inputs[0])[0]
    windows: int = prod(outputs[0].shape[1:]) * (node.attributes["6"] // node.attributes["0"])
    return image.kind.itemsize * (_bordered(image, _pads(node)) + windows)


def pool_scratch(node: Node, inputs: Inputs, _: Sequence[Value]) -> int:
    """Bytes of the map with its empty pixels.

    Example:
        >>> import numpy as np
        >>> image = made(np.float32, (1, 4, 4))
        >>> pool_scratch(Node("Pooling", (), (), {"1": 3, "3": 1}), [image], [])
        144
    """
    image = shapes.need(inputs[0])[0]
    return _bordered(image, _pool_border(node)) * image.kind.itemsize


def _bordered(image: Value, pads: Sequence[tuple[int, int]]) -> int:
    sides = zip(image.shape[1:], pads, strict=True)
    return image.shape[0] * prod(side + sum(pair) for side, pair in sides)


def dense(node: Node, inputs: Inputs) -> list[Value]:
    """The rule of a dense layer.

    Example:
        >>> import numpy as np
        >>> node = Node("InnerProduct", (), (), {"0": 5, "2": 40})
        >>> dense(node, [made(np.float32, (24, 8))])[0].shape
        (24, 5)
    """
    value = plain(inputs[0], 1, 2)
    _check_activation(node)
    outputs = node.attributes["0"]
    if node.attributes["2"] != outputs * value.shape[-1]:
        raise ValueError(f"{node.attributes['2']} weights for {value.shape}")
    return [made(value.kind, (*value.shape[:-1], outputs))]


def dense_work(node: Node, _: Inputs, outputs: Sequence[Value]) -> int:
    """Multiplications of a dense layer: all its inputs for each output.

    Example:
        >>> import numpy as np
        >>> node = Node("InnerProduct", (), (), {"0": 5, "2": 40})
        >>> dense_work(node, [], [made(np.float32, (24, 5))])
        960
    """
    weights: int = node.attributes["2"] // node.attributes["0"]
    return outputs[0].size * weights


def pooled(node: Node, inputs: Inputs) -> list[Value]:
    """The rule of pools: by windows, over all pixels, or to a number of windows.

    Example:
        >>> import numpy as np
        >>> node = Node("Pooling", (), (), {"1": 2, "2": 2})
        >>> pooled(node, [made(np.float32, (4, 7, 8))])[0].shape
        (4, 4, 4)
    """
    value, given = plain(inputs[0]), node.attributes
    channels, *sides = value.shape
    if given.get("4"):
        return [made(value.kind, (channels,))]
    if given.get("7"):
        wanted = _pair(node, "8", "18", 0)
        if any(not 1 <= side <= most for side, most in zip(wanted, sides, strict=True)):
            raise ValueError(f"{sides} pooled to {wanted}")
        return [made(value.kind, (channels, *wanted))]
    kernel, strides = _pair(node, "1", "11", 0), _pair(node, "2", "12", 1)
    pads = _pool_pads(node)
    for side, size, pair in zip(sides, kernel, pads, strict=True):
        if max(pair) >= size or side + sum(pair) < size:
            raise ValueError(f"a window of {size} on {side} with {pair} empty pixels")
    return [
        made(
            value.kind,
            (channels, *layers.windows(sides, kernel, strides, _pool_border(node), (1, 1))),
        )
    ]


def _pool_pads(node: Node) -> list[tuple[int, int]]:
    left = node.attributes.get("3", 0)
    top = node.attributes.get("13", left)
    return [(top, node.attributes.get("15", top)), (left, node.attributes.get("14", left))]


def _pool_border(node: Node) -> list[tuple[int, int]]:
    """Empty pixels, and how far windows may reach beyond the end.

    All that reach beyond it count by default, unlike in torch.
    """
    if node.attributes.get("5", 0):
        return _pool_pads(node)
    steps = _pair(node, "2", "12", 1)
    pairs = zip(_pool_pads(node), steps, strict=True)
    return [(before, after + step - 1) for (before, after), step in pairs]


def pool_work(node: Node, inputs: Inputs, outputs: Sequence[Value]) -> int:
    """Work of a pool: a window for each output, or every element once.

    Example:
        >>> import numpy as np
        >>> value = made(np.float32, (1, 4, 4))
        >>> pool_work(Node("Pooling", (), (), {"1": 2}), [value], [value])
        80
    """
    return outputs[0].size * prod(_pair(node, "1", "11", 0)) + shapes.need(inputs[0])[0].size
