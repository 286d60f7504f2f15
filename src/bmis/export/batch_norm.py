"""Batch norm folded into the convolutions of an ONNX graph.

A norm in evaluation mode is a factor and a shift for each channel. They are moved upwards, through
concatenations and depth-to-space, into the convolutions above. Where another operator is in the
way, a product and a sum take the norm's place.
"""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def fold_norms(graph: ir.Graph) -> None:
    """Remove every ``BatchNormalization`` from a graph, in place; its outputs stay the same.

    Example:
        >>> norm = ("gain", "bias", "mean", "variance")
        >>> constants = [ir.tensor(np.ones(3, np.float32), name=name) for name in norm]
        >>> inputs = [ir.Value(name=one.name, const_value=one) for one in constants]
        >>> image = ir.Value(name="image")
        >>> node = ir.node("BatchNormalization", [image, *inputs], {"epsilon": 1e-5})
        >>> graph = ir.Graph([image], node.outputs, nodes=[node], initializers=inputs)
        >>> fold_norms(graph)
        >>> [node.op_type for node in graph]
        ['Mul', 'Add']
    """
    for node in [node for node in graph if node.op_type == "BatchNormalization"]:
        gain, bias, mean, variance = (_constant(value) for value in node.inputs[1:5])
        scale = gain / np.sqrt(variance + node.attributes["epsilon"].as_float())
        kept = _absorb(graph, _present(node.inputs[0]), scale, bias - mean * scale)
        node.outputs[0].replace_all_uses_with(kept, replace_graph_outputs=True)
        graph.remove(node, safe=True)


def _absorb(graph: ir.Graph, value: ir.Value, scale: Floats, shift: Floats) -> ir.Value:
    """Replace a value by ``scale * value + shift``; returns what holds it now."""
    producer = value.producer()
    if producer is None or len(value.uses()) > 1 or value.is_graph_output():
        return _affine(graph, value, scale, shift)
    if producer.op_type == "Conv":
        _fold(graph, producer, scale, shift)
        return value
    if producer.op_type == "DepthToSpace" and producer.attributes["mode"].as_string() == "CRD":
        block = producer.attributes["blocksize"].as_int() ** 2
        parts = [(np.repeat(scale, block), np.repeat(shift, block))]
    elif producer.op_type == "Concat" and producer.attributes["axis"].as_int() == 1:
        ends = np.cumsum([_channels(_present(part)) for part in producer.inputs])[:-1]
        parts = list(zip(np.split(scale, ends), np.split(shift, ends), strict=True))
    else:
        return _affine(graph, value, scale, shift)
    for index, (part, own) in enumerate(zip(list(producer.inputs), parts, strict=True)):
        producer.replace_input_with(index, _absorb(graph, _present(part), *own))
    return value


def _fold(graph: ir.Graph, conv: ir.Node, scale: Floats, shift: Floats) -> None:
    weight = _constant(conv.inputs[1])
    bias = _constant(conv.inputs[2]) if len(conv.inputs) > 2 else np.zeros_like(shift)
    name = conv.outputs[0].name
    weights = _new(graph, f"{name}.weight", weight * scale.reshape(-1, 1, 1, 1))
    shifts = _new(graph, f"{name}.bias", bias * scale + shift)
    conv.resize_inputs(3)
    conv.replace_input_with(1, weights)
    conv.replace_input_with(2, shifts)


def _affine(graph: ir.Graph, value: ir.Value, scale: Floats, shift: Floats) -> ir.Value:
    """Insert a product and a sum after a value; returns the sum."""
    name, shape = value.name, (1, -1, 1, 1)
    product = ir.node("Mul", [value, _new(graph, f"{name}.scale", scale.reshape(shape))])
    total = ir.node("Add", [product.outputs[0], _new(graph, f"{name}.shift", shift.reshape(shape))])
    for node in (product, total):  # a norm above reads the channels of its branches here
        node.outputs[0].shape = value.shape
    producer = value.producer()
    if producer is None:
        graph.insert_before(graph[0], [product, total])
    else:
        graph.insert_after(producer, [product, total])
    return total.outputs[0]


def _new(graph: ir.Graph, name: str, array: NDArray[Any]) -> ir.Value:
    while name in graph.initializers:  # one value may feed several norms
        name += "'"
    value = ir.Value(name=name, const_value=ir.tensor(array.astype(np.float32), name=name))
    value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.FLOAT
    graph.register_initializer(value)
    return value


def _constant(value: ir.Value | None) -> Floats:
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    if tensor is None:
        raise ValueError(f"{value}: not a constant of the graph")
    return np.asarray(tensor.numpy(), np.float32)


def _channels(value: ir.Value) -> int:
    channels = None if value.shape is None else value.shape[1]
    if not isinstance(channels, int):
        raise ValueError(f"{value.name}: the graph does not record its channels")
    return channels


def _present(value: ir.Value | None) -> ir.Value:
    assert value is not None
    return value
