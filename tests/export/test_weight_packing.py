"""Float weights in a quarter of the bytes: half a step off at most, and unpacked once."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from bmis.export.weight_packing import pack_weights
from bmis.runtime.engines import OnnxRuntimeEngine, OpenVinoEngine

CHANNELS, ROWS = 64, 8


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(0)
    conv = (
        rng.normal(size=(CHANNELS, CHANNELS, 3, 3))
        * np.geomspace(0.01, 10, CHANNELS)[:, None, None, None]
    )
    conv[5] = 0  # a channel without weights
    return {
        "conv": conv.astype(np.float32),
        "bias": rng.normal(size=CHANNELS).astype(np.float32),
        "up": rng.normal(size=(CHANNELS, 32, 2, 2)).astype(np.float32),
        "product": rng.normal(size=(2 * ROWS, 512)).astype(np.float32),
        "small": rng.normal(size=(512, 4)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def graph(weights):
    nodes = [
        helper.make_node("Conv", ["image", "conv", "bias"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "conv", "bias"], ["b"], pads=[1, 1, 1, 1]),  # shared
        helper.make_node("ConvTranspose", ["b", "up"], ["c"], strides=[2, 2]),
        helper.make_node("MatMul", ["c", "product"], ["d"]),
        helper.make_node("MatMul", ["d", "small"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, CHANNELS, ROWS, ROWS])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 32, 2 * ROWS, 4])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_model(
        helper.make_graph(nodes, "test", [image], [logits], constants),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(made)
    return made


def _weights_seen(session_options, graph, tmp_path):
    """The constants of a graph as the engine has them once it is loaded."""
    session_options.optimized_model_filepath = str(tmp_path / "seen.onnx")
    session_options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(graph.SerializeToString(), session_options)
    return onnx.load(tmp_path / "seen.onnx").graph


def test_each_weight_changes_by_half_a_step_of_its_output_at_most(graph, weights, tmp_path):
    packed = pack_weights(graph)
    onnx.checker.check_model(packed, full_check=True)
    seen = _weights_seen(onnxruntime.SessionOptions(), packed, tmp_path)
    assert {node.op_type for node in seen.node} == {"Conv", "ConvTranspose", "MatMul"}  # no Cast
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in seen.initializer}
    for name, others in (("conv", (1, 2, 3)), ("up", (0, 2, 3)), ("product", (0,))):
        step = np.abs(weights[name]).max(others, keepdims=True) / 127
        off = np.abs(found[name] - weights[name])
        assert (off <= step / 2 * 1.001).all()
        assert off.max() > step.max() / 4  # it is int8, no more
    for name in ("bias", "small"):
        np.testing.assert_array_equal(found[name], weights[name])


def test_packing_takes_a_quarter_of_the_bytes_and_leaves_the_graph_as_it_was(graph, weights):
    before = graph.SerializeToString()
    packed = pack_weights(graph)
    assert graph.SerializeToString() == before
    large = sum(weights[name].nbytes for name in ("conv", "up", "product"))
    assert len(before) - len(packed.SerializeToString()) == pytest.approx(0.75 * large, rel=0.02)


def test_openvino_computes_the_same(graph):
    pytest.importorskip("openvino")
    image = np.random.default_rng(1).normal(size=(1, CHANNELS, ROWS, ROWS)).astype(np.float32)
    packed = pack_weights(graph).SerializeToString()
    ours = OnnxRuntimeEngine(packed, threads=1)(image)
    theirs = OpenVinoEngine(packed, threads=1)(image)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(ours).max()
