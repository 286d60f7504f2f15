"""Rules of ncnn's layers: the shapes that come out.

A value has no axis for the batch: (C, H, W), (H, W) or (W,). The parameters of a layer are numbers
by number, as in its ``.param``; where one is left out, the layer's own default counts. A rule is
stricter than the layer: what ncnn would do with other shapes or parameters need not be known.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from bmis.bundle.operators import layers, shapes
from bmis.bundle.operators import ncnn_windows as windows
from bmis.bundle.operators.ncnn_windows import plain
from bmis.bundle.operators.values import Inputs, Node, Rule, Value, made

_END = -233  # stands for whatever is left
_ORDERS = {  # of Permute, by the number of axes; in the order of its own numbers
    2: ((0, 1), (1, 0)),
    3: ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)),
}
_FEWEST = {1: 1, 2: 2, 3: 4}  # kind of Interp -> pixels that it reads along an axis, at least


def _binary(node: Node, inputs: Inputs) -> list[Value]:
    if node.attributes.get("1", 0):
        (value,) = shapes.need(*inputs)
        return [made(value.kind, value.shape)]
    one, other = shapes.need(*inputs)
    found = np.broadcast_shapes(one.shape, other.shape)
    # with one axis or two ncnn guesses which of three is meant, and both may not be repeated
    same = len(one.shape) == len(other.shape) or 1 in (one.size, other.size)
    if not same or found not in (one.shape, other.shape):
        raise ValueError(f"{one.shape} and {other.shape}")
    return [made(one.kind, found)]


def _interp(node: Node, inputs: Inputs) -> list[Value]:
    value, given = plain(inputs[0]), node.attributes
    channels, *sides = value.shape
    if "3" in given or "4" in given:
        wanted = [given["3"], given["4"]]
    else:
        scaled = [side * given[name] for side, name in zip(sides, "12", strict=True)]
        wanted = [int(side) for side in scaled]
        if wanted != scaled or min(wanted) < 1:
            raise ValueError(f"{sides} times {given['1']}, {given['2']}")
    if min(sides) < _FEWEST[given["0"]] or (given.get("6") and min(wanted) < _FEWEST[given["0"]]):
        raise ValueError(f"{sides} are too few pixels")
    return [made(value.kind, (channels, *wanted))]


def _softmax(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0], 1, 2, 3)
    shapes.axes_of([node.attributes.get("0", 0)], len(value.shape))
    if "1" not in node.attributes:
        raise ValueError("older axes")
    return [made(value.kind, value.shape)]


def _reduction(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0], 1, 2, 3)
    if not {"1", "5"} <= node.attributes.keys():  # older meanings of the axes are the defaults
        raise ValueError("older axes")
    keep = bool(node.attributes.get("4", 0))
    (found,) = shapes.reduced(value, node.attributes["3"], keep=keep)
    return [found if found.shape else made(value.kind, (1,))]


def _layer_norm(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0], 1, 2, 3)
    if node.attributes["0"] != value.shape[-1]:
        raise ValueError(f"a norm of {node.attributes['0']} for {value.shape}")
    return [made(value.kind, value.shape)]


def _group_norm(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0])
    groups, channels = node.attributes["0"], node.attributes["1"]
    if value.shape[0] != channels or channels % groups:
        raise ValueError(f"a norm of {channels}, groups {groups}, for {value.shape}")
    return [made(value.kind, value.shape)]


def _instance_norm(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0])
    if value.shape[0] != node.attributes["0"]:
        raise ValueError(f"a norm of {node.attributes['0']} for {value.shape}")
    return [made(value.kind, value.shape)]


def _prelu(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0])
    if node.attributes["0"] not in (1, value.shape[0]):
        raise ValueError(f"{node.attributes['0']} slopes for {value.shape}")
    return [made(value.kind, value.shape)]


def _matmul(node: Node, inputs: Inputs) -> list[Value]:
    one, other = shapes.need(*inputs)
    if len(one.shape) != len(other.shape) or one.shape[:-2] != other.shape[:-2]:
        raise ValueError(f"a product of {one.shape} and {other.shape}")
    if node.attributes.get("0", 0):
        other = other._replace(shape=(*other.shape[:-2], *other.shape[:-3:-1]))
    return layers.product(one, other)


def _padding(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0])
    top, bottom, left, right = (node.attributes.get(name, 0) for name in "0123")
    if node.attributes.get("4", 0) == 2 and any(
        max(pair) >= side
        for pair, side in zip([(top, bottom), (left, right)], value.shape[1:], strict=True)
    ):
        raise ValueError(f"{value.shape} mirrored over more than it has")
    return layers.padded(value, [0, top, left], [0, bottom, right])


def _shuffle(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0])
    batched = value._replace(shape=(1, *value.shape))
    (found,) = layers.depth_to_space(batched, node.attributes["0"])
    return [found._replace(shape=found.shape[1:])]


def _reshape(node: Node, inputs: Inputs) -> list[Value]:
    """Height only beside a width, channels beside both, and a depth never alone."""
    (value,) = shapes.need(inputs[0])
    order = [name in node.attributes for name in ("0", "1", "2")]
    if order != sorted(order, reverse=True) or not order[0]:
        raise ValueError("sides that are left out")
    wanted = [node.attributes[name] for name in ("2", "1", "0") if name in node.attributes]
    return shapes.reshaped(value, wanted, zero_copies=False)


def _permute(node: Node, inputs: Inputs) -> list[Value]:
    value, kind = plain(inputs[0], 2, 3), node.attributes.get("0", 0)
    orders = _ORDERS[len(value.shape)]
    if kind >= len(orders):
        raise ValueError(f"order {kind} of {value.shape}")
    return shapes.transposed(value, orders[kind])


def _slice(node: Node, inputs: Inputs) -> list[Value]:
    value, lengths = plain(inputs[0], 1, 2, 3), node.attributes["0"]
    (axis,) = shapes.axes_of([node.attributes.get("1", 0)], len(value.shape))
    if len(lengths) != len(node.outputs):
        raise ValueError(f"{len(lengths)} parts where {len(node.outputs)} are wanted")
    found, start = list[int](), 0
    for place, length in enumerate(lengths):
        rest = value.shape[axis] - start
        found.append(rest // (len(lengths) - place) if length == _END else length)
        start += found[-1]
    if min(found) < 1:
        raise ValueError(f"parts of {found}")
    return shapes.split(value, axis, found)


def _crop(node: Node, inputs: Inputs) -> list[Value]:
    value = plain(inputs[0], 1, 2, 3)
    starts, ends, given = (node.attributes[name] for name in ("9", "10", "11"))
    shape = list(value.shape)
    for axis, start, end in zip(shapes.axes_of(given, len(shape)), starts, ends, strict=True):
        if start >= min(end, shape[axis]):
            raise ValueError(f"{start} to {end} of {shape[axis]}")
        shape[axis] = min(end, shape[axis]) - start
    return [made(value.kind, shape)]


def _concat(node: Node, inputs: Inputs) -> list[Value]:
    return shapes.joined(inputs, node.attributes.get("0", 0))


def _copies(node: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    return [made(value.kind, value.shape) for _ in node.outputs]


def _enter(_: Node, inputs: Inputs) -> list[Value]:
    (image,) = shapes.need(inputs[0])
    return [made(image.kind, image.shape[1:])]


def _leave(_: Node, inputs: Inputs) -> list[Value]:
    (logits,) = shapes.need(inputs[0])
    return [made(logits.kind, (1, *logits.shape))]


RULES: Final[Mapping[str, Rule]] = {
    "BinaryOp": _binary,
    "Concat": _concat,
    "Convolution": windows.convolved,
    "Crop": _crop,
    "GroupNorm": _group_norm,
    "InnerProduct": windows.dense,
    "Input": _enter,
    "InstanceNorm": _instance_norm,
    "Interp": _interp,
    "LayerNorm": _layer_norm,
    "MatMul": _matmul,
    "MemoryData": lambda _, inputs: [],
    "Output": _leave,
    "PReLU": _prelu,
    "Padding": _padding,
    "Permute": _permute,
    "PixelShuffle": _shuffle,
    "Pooling": windows.pooled,
    "Reduction": _reduction,
    "Reshape": _reshape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _copies,
}
"""The rule of each layer by its type; those of one input and no parameters need none."""
