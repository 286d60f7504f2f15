"""Rules of the operators whose inputs or attributes are particular to OpenVINO."""

from collections.abc import Mapping
from math import floor
from typing import Any, Final

import numpy as np

from bmis.bundle.operators import indices as indexing
from bmis.bundle.operators import layers, shapes
from bmis.bundle.operators.values import Inputs, Node, Rule, Value, integers, known, made
from bmis.wording import counted

TYPES: Final[Mapping[str, np.dtype[Any]]] = {  # element type of OpenVINO -> of NumPy
    **{"f32": np.dtype("float32"), "i8": np.dtype("int8"), "u8": np.dtype("uint8")},
    **{"i32": np.dtype("int32"), "i64": np.dtype("int64"), "boolean": np.dtype("bool")},
}


def _pads(node: Node) -> list[tuple[int, int]]:
    return list(zip(node.attributes["pads_begin"], node.attributes["pads_end"], strict=True))


def _conv(node: Node, inputs: Inputs) -> list[Value]:
    image, weight = shapes.need(*inputs)
    groups = 1
    if node.operator == "GroupConvolution":
        groups = weight.shape[0]
        weight = weight._replace(shape=(groups * weight.shape[1], *weight.shape[2:]))
    strides, dilations = node.attributes["strides"], node.attributes["dilations"]
    return layers.convolved(image, weight, groups, strides, _pads(node), dilations)


def _pool(node: Node, inputs: Inputs) -> list[Value]:
    (value,), kernel = shapes.need(inputs[0]), node.attributes["kernel"]
    if any(max(pair) >= side for pair, side in zip(_pads(node), kernel, strict=True)):
        raise ValueError(f"a window of {kernel} with {_pads(node)} empty pixels")
    strides, up = node.attributes["strides"], node.attributes["rounding_type"] == "ceil"
    dilations = node.attributes.get("dilations", (1,) * len(kernel))
    sides = layers.windows(value.shape[2:], kernel, strides, _pads(node), dilations, up=up)
    shape = (*value.shape[:2], *sides)
    return [made(value.kind, shape), made(np.int64, shape)]


def _matmul(node: Node, inputs: Inputs) -> list[Value]:
    one, other = (
        value._replace(shape=(*value.shape[:-2], *value.shape[:-3:-1]))
        if node.attributes[name] == "true"
        else value
        for value, name in zip(shapes.need(*inputs), ("transpose_a", "transpose_b"), strict=True)
    )
    return layers.product(one, other)


def _convert(node: Node, inputs: Inputs) -> list[Value]:
    (value,), kind = shapes.need(inputs[0]), TYPES[node.attributes["destination_type"]]
    numbers = shapes.evaluated(lambda a: a.astype(kind), [value], value.shape)
    return [made(kind, value.shape, numbers)]


def _shape(_: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    return [made(np.int64, (len(value.shape),), np.array(value.shape, np.int64))]


def _reduce(node: Node, inputs: Inputs) -> list[Value]:
    keep = node.attributes["keep_dims"] == "true"
    return shapes.reduced(shapes.need(inputs[0])[0], integers(inputs[1]), keep=keep)


def _reshape(node: Node, inputs: Inputs) -> list[Value]:
    copies = node.attributes["special_zero"] == "true"
    return shapes.reshaped(shapes.need(inputs[0])[0], integers(inputs[1]), zero_copies=copies)


def _squeeze(_: Node, inputs: Inputs) -> list[Value]:
    axes = integers(inputs[1]) if len(inputs) > 1 else None
    return shapes.squeezed(shapes.need(inputs[0])[0], axes)


def _split(node: Node, inputs: Inputs) -> list[Value]:
    (value,), ((axis,), count) = (
        shapes.need(inputs[0]),
        (_axis(inputs[0], inputs[1]), node.attributes["num_splits"]),
    )
    if value.shape[axis] % count:
        raise ValueError(f"{counted(count, 'part')} of {value.shape}")
    return shapes.split(value, axis, [value.shape[axis] // count] * count)


def _variadic_split(_: Node, inputs: Inputs) -> list[Value]:
    (value,), (axis,), lengths = (
        shapes.need(inputs[0]),
        _axis(inputs[0], inputs[1]),
        integers(inputs[2]),
    )
    if -1 in lengths:
        lengths[lengths.index(-1)] = value.shape[axis] - sum(lengths) - 1
    return shapes.split(value, axis, lengths)


def _axis(value: Value | None, axis: Value | None) -> tuple[int, ...]:
    return shapes.axes_of(integers(axis), len(shapes.need(value)[0].shape))


def _slice(_: Node, inputs: Inputs) -> list[Value]:
    value, starts, ends, steps, *axes = inputs
    return indexing.sliced([value, starts, ends, *(axes or [None]), steps])


def _gather(_: Node, inputs: Inputs) -> list[Value]:
    value, indices = shapes.need(*inputs[:2])
    (axis,) = _axis(inputs[0], inputs[2])
    return indexing.gathered(value, indices, axis)


def _broadcast(node: Node, inputs: Inputs) -> list[Value]:
    wanted = integers(inputs[1])
    (found,) = shapes.expanded(shapes.need(inputs[0])[0], wanted)
    if node.attributes["mode"] == "numpy" and found.shape != tuple(wanted):
        raise ValueError(f"{found.shape} where {wanted[:8]} is wanted")
    return [found]


def _interpolate(node: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    axes = list(range(len(value.shape)))
    if len(inputs) > 2:
        axes = list(shapes.axes_of(integers(inputs[2]), len(value.shape)))
    factors, sides = known(inputs[1]).reshape(-1), list(value.shape)
    scales = node.attributes["shape_calculation_mode"] == "scales"
    for axis, factor in zip(axes, factors.tolist(), strict=True):
        # as OpenVINO rounds, so that 3 times a third is 1
        sides[axis] = floor(sides[axis] * factor + 1e-5) if scales else int(factor)
    return layers.resized(value, sides)


def _pad(_: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    return layers.padded(value, integers(inputs[1]), integers(inputs[2]))


def _mvn(node: Node, inputs: Inputs) -> list[Value]:
    _axis(inputs[0], inputs[1])
    return layers.like_first(node, inputs)


def _softmax(node: Node, inputs: Inputs) -> list[Value]:
    shapes.axes_of([node.attributes["axis"]], len(shapes.need(inputs[0])[0].shape))
    return layers.like_first(node, inputs)


def _fake_quantise(node: Node, inputs: Inputs) -> list[Value]:
    value, *ranges = shapes.need(*inputs)
    if any(np.broadcast_shapes(value.shape, one.shape) != value.shape for one in ranges):
        raise ValueError(f"ranges of {[one.shape for one in ranges]} for {value.shape}")
    return layers.like_first(node, inputs)


def _prelu(node: Node, inputs: Inputs) -> list[Value]:
    value, slope = shapes.need(*inputs)
    channels = value.shape[1]
    if slope.size != 1 and slope.shape not in ((channels,), (channels, 1, 1), (1, channels, 1, 1)):
        raise ValueError(f"slopes {slope.shape} of {value.shape}")
    return layers.like_first(node, inputs)


def _hard_sigmoid(node: Node, inputs: Inputs) -> list[Value]:
    if any(value.size != 1 for value in shapes.need(*inputs[1:])):
        raise ValueError("more than one factor")
    return layers.like_first(node, inputs)


RULES: Final[Mapping[str, Rule]] = {
    "Convolution": _conv,
    "MaxPool": _pool,
    "AvgPool": _pool,
    "MatMul": _matmul,
    "Convert": _convert,
    "ShapeOf": _shape,
    "Reduce": _reduce,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Split": _split,
    "VariadicSplit": _variadic_split,
    "Slice": _slice,
    "Gather": _gather,
    "Broadcast": _broadcast,
    "Interpolate": _interpolate,
    "Pad": _pad,
    "MVN": _mvn,
    "SoftMax": _softmax,
    "FakeQuantize": _fake_quantise,
    "PReLU": _prelu,
    "HardSigmoid": _hard_sigmoid,
}
