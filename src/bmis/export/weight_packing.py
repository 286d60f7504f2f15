"""Weights that stay in float, stored in a quarter of the bytes.

A part that int8 arithmetic harms is harmed by the ranges of its activations far more than by its
weights. Those are stored as int8 and one scale for each output channel, and the graph begins by
making float32 of them: engines do that once, when they load it.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_OUTPUTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": -1, "MatMul": -1}  # axis of the outputs
_LEAST = 4096  # weights; fewer save nothing that counts


def pack_weights(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    """A copy whose float32 weights are int8, up to half a step of 1/127 of a channel's largest.

    Not DequantizeLinear, which ONNX Runtime would do again for each image: casts and products of
    constants are done when a graph is loaded.
    """
    import onnx
    from onnx import helper, numpy_helper

    packed = onnx.ModelProto()
    packed.CopyFrom(graph)
    nodes, constants = packed.graph.node, packed.graph.initializer
    found = {tensor.name: tensor for tensor in constants}
    first = []
    for node in nodes:
        axis = _OUTPUTS.get(node.op_type)
        tensor = None if axis is None else found.pop(node.input[1], None)
        if axis is None or tensor is None or not _worth_it(tensor):
            continue
        name, weight = tensor.name, numpy_helper.to_array(tensor)
        others = tuple(set(range(weight.ndim)) - {axis % weight.ndim})
        largest = np.abs(weight).max(others, keepdims=True)
        scale = np.where(largest > 0, largest, 1).astype(np.float32) / 127
        steps = np.rint(weight / scale).astype(np.int8)
        constants.remove(tensor)
        constants.append(numpy_helper.from_array(steps, f"{name}.int8"))
        constants.append(numpy_helper.from_array(scale, f"{name}.scale"))
        first += [
            helper.make_node("Cast", [f"{name}.int8"], [f"{name}.cast"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name]),
        ]
    rest = list(nodes)
    del nodes[:]
    nodes.extend([*first, *rest])
    return packed


def _worth_it(tensor: "onnx.TensorProto") -> bool:
    import onnx

    count = int(np.prod(tensor.dims))
    return bool(tensor.data_type == onnx.TensorProto.FLOAT and count >= _LEAST)
