"""Weights of parts that stay in float, stored in a quarter of the bytes.

A part that int8 arithmetic makes less accurate is sensitive to the ranges of its activations far
more than to its weights. So the weights are stored as int8 with one scale for each output channel.
The graph begins by turning them into float32, which engines do once, when they load it.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_OUTPUTS = {"Conv": 0, "ConvTranspose": 1, "Gemm": -1, "MatMul": -1}  # axis of the outputs
_LEAST = 4096  # weights; fewer save next to nothing


def pack_weights(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    """A copy of a graph whose large float32 weights are stored as int8.

    Weights change by up to half a step, which is 1/127 of the largest of their output channel.
    They are unpacked by Cast and Mul, which engines compute when they load the graph, and not by
    DequantizeLinear, which ONNX Runtime would compute again for each image.

    Example:
        >>> from onnx import helper, numpy_helper
        >>> weight = numpy_helper.from_array(np.ones((64, 64, 1, 1), np.float32), "weight")
        >>> conv = helper.make_node("Conv", ["image", "weight"], ["logits"])
        >>> graph = helper.make_model(helper.make_graph([conv], "tiny", [], [], [weight]))
        >>> packed = pack_weights(graph)
        >>> [node.op_type for node in packed.graph.node]
        ['Cast', 'Mul', 'Conv']
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
        if axis is None or tensor is None or not _is_large(tensor):
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


def _is_large(tensor: "onnx.TensorProto") -> bool:
    import onnx

    count = int(np.prod(tensor.dims))
    return bool(tensor.data_type == onnx.TensorProto.FLOAT and count >= _LEAST)
