"""int8 where it costs no accuracy: attention and the most sensitive parts stay in float."""

import numpy as np
import onnx
import pytest

from bmis.export import weight_packing
from bmis.export.onnx import to_onnx
from bmis.export.quantise import quantise
from bmis.models import build_model
from helpers.tiny import NETWORK

pytestmark = pytest.mark.slow  # torch writes a graph in each


@pytest.fixture(scope="module")
def graph():
    return to_onnx(build_model("bmis", **NETWORK).eval(), (32, 32))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(8, 3, 32, 32)).astype(np.float32)


def test_convolutions_are_quantised_by_channel_and_attention_stays_in_float(graph, images):
    found = quantise(graph, images, lambda _: 0.0)
    assert found.kept == () == tuple(found.sensitivity)
    assert found.tries == ((0, 0.0),)
    makers = {name: node for node in found.graph.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in found.graph.graph.initializer}
    large = 0
    for node in found.graph.graph.node:
        if node.op_type == "Conv":
            weight = makers.get(node.input[1])
            if weight is None:  # the small one of ECA
                assert list(constants[node.input[1]].dims)[:2] == [1, 1]
                continue
            assert weight.op_type == "DequantizeLinear"
            scale = onnx.numpy_helper.to_array(constants[weight.input[1]])
            assert scale.shape == (constants[weight.input[0]].dims[0],)
            assert constants[weight.input[0]].data_type == onnx.TensorProto.INT8
            large += 1
        if node.op_type in ("MatMul", "Softmax"):
            assert not any("Linear" in makers[name].op_type for name in node.input)
    assert large > 20


def test_convolutions_with_several_filters_for_each_channel_stay_in_float(images):
    model = build_model("tinyu_net", widths=(8, 16), cascade=1).eval()
    found = quantise(to_onnx(model, (32, 32)), images, lambda _: 0.0).graph.graph
    constants = {tensor.name: tensor for tensor in found.initializer}
    exact = [
        constants[n.input[1]] for n in found.node if n.op_type == "Conv" and n.input[1] in constants
    ]
    # its two enlargements, of 16 channels each
    assert [list(tensor.dims) for tensor in exact] == [[64, 1, 5, 5], [64, 1, 5, 5]]
    assert sum(tensor.data_type == onnx.TensorProto.INT8 for tensor in constants.values()) > 10


def test_the_most_sensitive_parts_go_back_to_float_until_the_target_is_met(graph, images):
    sizes = []

    def allowance_used(candidate):
        sizes.append(len(candidate.graph.node))
        return 0.5 if len(sizes) == 4 else 0.6  # the whole and two tries fail

    found = quantise(graph, images, allowance_used)
    ranked = sorted(found.sensitivity, key=lambda part: -found.sensitivity[part])
    assert found.kept == tuple(ranked[:4])  # one, two, four
    assert found.tries == ((0, 0.6), (1, 0.6), (2, 0.6), (4, 0.5))
    assert min(found.sensitivity.values()) >= 0 < max(found.sensitivity.values())
    assert sizes == sorted(sizes, reverse=True)  # each time fewer Quantize and Dequantize
    assert sizes[0] > sizes[3]


def test_the_nearest_graph_is_returned_where_none_meets_the_target(graph, images):
    used = iter([3.0, 2.0, 0.9, 1.0, 1.1, 1.2, 1.3])
    found = quantise(graph, images, lambda _: next(used))
    ranked = sorted(found.sensitivity, key=lambda part: -found.sensitivity[part])
    assert found.kept == tuple(ranked[:2])
    assert found.tries[:4] == ((0, 3.0), (1, 2.0), (2, 0.9), (4, 1.0))


def test_candidates_have_their_float_weights_packed(graph, images, monkeypatch):
    monkeypatch.setattr(weight_packing, "_LEAST", 1)
    candidates = []

    def allowance_used(candidate):
        candidates.append(candidate)
        return 0.0 if len(candidates) == 2 else 1.0

    found = quantise(graph, images, allowance_used)
    assert len(found.kept) == 1
    assert found.graph is candidates[1]
    makers = {name: node.op_type for node in found.graph.graph.node for name in node.output}
    kinds = [makers.get(n.input[1]) for n in found.graph.graph.node if n.op_type == "Conv"]
    assert {*kinds} == {"DequantizeLinear", "Mul"}  # Mul: one of int8 and its scale


def test_arithmetic_of_shapes_stays_exact(images):
    """An index that is off by one of 255 steps reads another pixel."""
    text = (
        '<ir_version: 10, opset_import: ["" : 18]> t (float[N,3,32,32] image) => '
        "(float[N,3,32,32] logits) { s = Shape<start=2, end=3>(image) f = Cast<to=1>(s) "
        "g = Mul(f, f) a = Relu(image) logits = Mul(a, g) }"
    )
    model = onnx.parser.parse_model(text)
    for number, node in enumerate(model.graph.node):
        node.name = f"node {number}"
    int8 = quantise(model, images, lambda _: 0.0).graph
    makers = {name: node.op_type for node in int8.graph.node for name in node.output}
    (mul,) = (node for node in int8.graph.node if node.output[0] == "g")
    assert [makers.get(name) for name in mul.input] == ["Cast", "Cast"]


def test_a_graph_with_everything_in_float_is_no_candidate(images, monkeypatch):
    """A ReLU is all that is left at the end, and alone it is not quantised."""
    network = build_model("bmis_edge", weights="none").eval()
    monkeypatch.setattr(
        "bmis.export.quantise._rank_parts",
        lambda graph, images, parts: {part: float(part != "steps.0.2") for part in parts},
    )
    kinds = []

    def allowance_used(candidate):
        kinds.append({node.op_type for node in candidate.graph.node})
        return 0.9

    quantise(to_onnx(network, (32, 32)), images[:1], allowance_used)
    assert len(kinds) > 3
    assert all("DequantizeLinear" in ops for ops in kinds)
