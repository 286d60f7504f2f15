"""Rules of the operators whose inputs or attributes are particular to ONNX."""

from collections.abc import Mapping
from math import floor
from typing import Any, Final

import numpy as np

from bmis.bundle.operators import indices as indexing
from bmis.bundle.operators import layers, shapes
from bmis.bundle.operators.values import Inputs, Node, Rule, Value, integers, known, made
from bmis.wording import counted

TYPES: Final[
    Mapping[int, np.dtype[Any]]
] = {  # element type of ONNX -> of NumPy, as far as operators take it
    **{1: np.dtype("float32"), 2: np.dtype("uint8"), 3: np.dtype("int8"), 6: np.dtype("int32")},
    **{7: np.dtype("int64"), 9: np.dtype("bool")},
}


def _conv(node: Node, inputs: Inputs) -> list[Value]:
    image, weight = shapes.need(*inputs[:2])
    get, rank = node.attributes.get, len(image.shape) - 2
    if tuple(get("kernel_shape", weight.shape[2:])) != weight.shape[2:]:
        raise ValueError(f"a kernel {get('kernel_shape')} of a weight {weight.shape}")
    if len(inputs) > 2 and inputs[2] and inputs[2].shape != weight.shape[:1]:
        raise ValueError(f"a bias {inputs[2].shape} of a weight {weight.shape}")
    strides, dilations = get("strides", (1,) * rank), get("dilations", (1,) * rank)
    return layers.convolved(image, weight, get("group", 1), strides, _pads(node, rank), dilations)


def _pads(node: Node, rank: int) -> list[tuple[int, int]]:
    pads = node.attributes.get("pads", (0,) * 2 * rank)
    return list(zip(pads[:rank], pads[rank:], strict=True))


def _pool(node: Node, inputs: Inputs) -> list[Value]:
    (value,), get = shapes.need(inputs[0]), node.attributes.get
    kernel, rank = node.attributes["kernel_shape"], len(value.shape) - 2
    pads, up = _pads(node, rank), bool(get("ceil_mode", 0))
    if any(max(pair) >= side for pair, side in zip(pads, kernel, strict=True)):
        raise ValueError(f"a window of {kernel} with {pads} empty pixels")
    strides, dilations = get("strides", (1,) * rank), get("dilations", (1,) * rank)
    sides = layers.windows(value.shape[2:], kernel, strides, pads, dilations, up=up)
    shape = (*value.shape[:2], *sides)
    return [made(value.kind, shape), made(np.int64, shape)][: len(node.outputs)]


def _gemm(node: Node, inputs: Inputs) -> list[Value]:
    one, other = (
        shapes.transposed(value, (1, 0))[0] if node.attributes.get(name) else value
        for value, name in zip(shapes.need(*inputs[:2]), ("transA", "transB"), strict=True)
    )
    found = layers.product(one, other)
    bias = inputs[2] if len(inputs) > 2 else None
    if bias and np.broadcast_shapes(bias.shape, found[0].shape) != found[0].shape:
        raise ValueError(f"a bias {bias.shape} of {found[0].shape}")
    return found


def _cast(node: Node, inputs: Inputs) -> list[Value]:
    (value,), kind = shapes.need(inputs[0]), TYPES[node.attributes["to"]]
    numbers = shapes.evaluated(lambda a: a.astype(kind), [value], value.shape)
    return [made(kind, value.shape, numbers)]


def _shape(node: Node, inputs: Inputs) -> list[Value]:
    (value,), get = shapes.need(inputs[0]), node.attributes.get
    part = value.shape[get("start", 0) : get("end", len(value.shape))]
    return [made(np.int64, (len(part),), np.array(part, np.int64))]


def _reduce(node: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    axes = integers(inputs[1]) if len(inputs) > 1 and inputs[1] else range(len(value.shape))
    return shapes.reduced(value, axes, keep=bool(node.attributes.get("keepdims", 1)))


def _reshape(node: Node, inputs: Inputs) -> list[Value]:
    copies = not node.attributes.get("allowzero", 0)
    return shapes.reshaped(shapes.need(inputs[0])[0], integers(inputs[1]), zero_copies=copies)


def _squeeze(_: Node, inputs: Inputs) -> list[Value]:
    axes = integers(inputs[1]) if len(inputs) > 1 and inputs[1] else None
    return shapes.squeezed(shapes.need(inputs[0])[0], axes)


def _split(node: Node, inputs: Inputs) -> list[Value]:
    (value,), axis = shapes.need(inputs[0]), node.attributes.get("axis", 0)
    if len(inputs) > 1:
        return shapes.split(value, axis, integers(inputs[1]))
    count, (axis,) = len(node.outputs), shapes.axes_of([axis], len(value.shape))
    if node.attributes.get("num_outputs", count) != count or value.shape[axis] % count:
        raise ValueError(f"{counted(count, 'part')} of {value.shape}")
    return shapes.split(value, axis, [value.shape[axis] // count] * count)


def _pad(_: Node, inputs: Inputs) -> list[Value]:
    (value,), pads = shapes.need(inputs[0]), integers(inputs[1])
    if len(inputs) > 3 and inputs[3]:
        raise ValueError("axes")
    return layers.padded(value, pads[: len(pads) // 2], pads[len(pads) // 2 :])


def _resize(_: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    if len(inputs) > 3 and inputs[3]:
        return layers.resized(value, integers(inputs[3]))
    scales = known(inputs[2])
    if scales.shape != (len(value.shape),) or not (scales > 0).all():
        raise ValueError(f"factors {scales.shape}")
    return layers.resized(
        value, [floor(side * float(s)) for side, s in zip(value.shape, scales, strict=True)]
    )


def _softmax(node: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    shapes.axes_of([node.attributes.get("axis", -1)], len(value.shape))
    return layers.like_first(node, inputs)


def _layer_norm(node: Node, inputs: Inputs) -> list[Value]:
    (value,) = shapes.need(inputs[0])
    (axis,) = shapes.axes_of([node.attributes.get("axis", -1)], len(value.shape))
    return layers.with_factors(value, inputs[1:], value.shape[axis:])


def _instance_norm(_: Node, inputs: Inputs) -> list[Value]:
    value, *factors = shapes.need(*inputs)
    return layers.with_factors(value, factors, value.shape[1:2])


def _steps(node: Node, inputs: Inputs) -> Value:
    """Check the scale and zero point of a quantised tensor; gives the tensor."""
    value, scale = shapes.need(*inputs[:2])
    if scale.shape not in ((), (1,)):  # of which engines use one for all, whatever the axis
        (axis,) = shapes.axes_of([node.attributes.get("axis", 1)], len(value.shape))
        if scale.shape != value.shape[axis : axis + 1]:
            raise ValueError(f"{scale.shape} scales of {value.shape}")
    zero = inputs[2] if len(inputs) > 2 else None
    if zero and zero.shape != scale.shape and (zero.size, scale.size) != (1, 1):
        raise ValueError(f"{zero.shape} zero points of {scale.shape} scales")
    return value


def _quantise(node: Node, inputs: Inputs) -> list[Value]:
    value = _steps(node, inputs)
    zero = inputs[2] if len(inputs) > 2 else None
    return [made(np.uint8 if zero is None else zero.kind, value.shape)]


def _dequantise(node: Node, inputs: Inputs) -> list[Value]:
    return [made(np.float32, _steps(node, inputs).shape)]


def _prelu(_: Node, inputs: Inputs) -> list[Value]:
    value, slope = shapes.need(*inputs)
    if np.broadcast_shapes(value.shape, slope.shape) != value.shape:
        raise ValueError(f"slopes {slope.shape} of {value.shape}")
    return [made(value.kind, value.shape)]


def _gather(node: Node, inputs: Inputs) -> list[Value]:
    value, places = shapes.need(*inputs)
    return indexing.gathered(value, places, node.attributes.get("axis", 0))


RULES: Final[Mapping[str, Rule]] = {
    "Conv": _conv,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "Gemm": _gemm,
    "Gather": _gather,
    "Cast": _cast,
    "Shape": _shape,
    "Reduce": _reduce,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Split": _split,
    "Pad": _pad,
    "Resize": _resize,
    "Softmax": _softmax,
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "QuantizeLinear": _quantise,
    "DequantizeLinear": _dequantise,
    "PRelu": _prelu,
}
