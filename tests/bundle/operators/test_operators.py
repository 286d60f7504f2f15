"""Every operator that a bundle may use gives the shape that both engines give, and no other."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bmis.bundle.onnx_scan import scan_onnx
from bmis.bundle.openvino_scan import scan_ir
from bmis.bundle.operators.onnx import OPERATORS as ONNX_OPERATORS
from bmis.bundle.operators.openvino import OPERATORS as OPENVINO_OPERATORS
from bmis.bundle.operators.values import Computation
from bmis.bundle.work import count_work
from bmis.errors import BundleError
from bmis.export.openvino import to_openvino
from bmis.runtime.engines import OnnxRuntimeEngine

IMAGE = (4, 6, 8)
CONSTANTS = {
    "weight": np.ones((2, 4, 3, 3), np.float32),
    "depthwise": np.ones((8, 1, 3, 3), np.float32),
    "matrix": np.ones((8, 5), np.float32),
    "four": np.ones(4, np.float32),
    "eight": np.ones(8, np.float32),
    "channels": np.ones((4, 1, 1), np.float32),
    "half": np.float32(0.5),
    "one": np.int64(1),
    "two": np.int64(2),
    "zero": np.uint8(0),
    "i0": np.array([0]),
    "i1": np.array([1]),
    "i2": np.array([2]),
    "i3": np.array([3]),
    "last": np.array([-1]),
    "far": np.array([99]),
    "places": np.array([3, 0, -1]),
    "spots": np.array([[0, 3], [0, 1]]),
    "halves": np.array([1, 3]),
    "updates": np.zeros((2, 6, 8), np.float32),
    "flat": np.array([0, -1]),
    "rows": np.array([0, 4, 48]),
    "pads": np.array([0, 0, 1, 2, 0, 0, 3, 4]),
    "scales": np.array([1, 1, 2, 0.5], np.float32),
    "sides": np.array([1, 4, 7, 9]),
    "wide": np.array([5, 1, 1, 1, 1]),
}
SNIPPETS = {
    "Conv": "logits = Conv<strides=[2,1], pads=[1,0,2,3], dilations=[1,2]>(image, weight)",
    "grouped Conv": "logits = Conv<group=4, kernel_shape=[3,3]>(image, depthwise)",
    "MaxPool": "logits = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(image)",
    "AveragePool": "logits = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]>(image)",
    "MatMul": "logits = MatMul(image, matrix)",
    "Einsum": "a = Reshape(image, attended) logits = Einsum<equation='blxd,blyd->blxy'>(a, a)",
    "Gemm": "f = Reshape(image, rows2) g = Gemm<transB=1>(f, f) logits = Unsqueeze(g, i0)",
    "Resize by factors": 'logits = Resize<mode="linear">(image, , scales)',
    "Resize to sides": 'logits = Resize<mode="nearest", nearest_mode="floor",'
    ' coordinate_transformation_mode="asymmetric">(image, , , sides)',
    "Pad": 'logits = Pad<mode="edge">(image, pads)',
    "DepthToSpace": 'logits = DepthToSpace<blocksize=2, mode="CRD">(image)',
    "Softmax": "logits = Softmax<axis=1>(image)",
    "LayerNormalization": "logits = LayerNormalization<axis=-1>(image, eight, eight)",
    "InstanceNormalization": "logits = InstanceNormalization(image, four, four)",
    "PRelu": "logits = PRelu(image, channels)",
    "activations": "a = Relu(image) b = Sigmoid(a) c = Erf(b) d = HardSwish(c) e = Neg(d) "
    "f = LeakyRelu(e) g = Clip(f, half) logits = HardSigmoid(g)",
    "arithmetic": "a = Add(image, half) b = Sub(a, channels) c = Mul(b, b) d = Max(c, half) "
    "m = Min(d, half) logits = Div(m, half)",
    "choices": "a = Greater(image, half) b = Less(image, half) c = Equal(a, b) d = Not(c) "
    "g = GreaterOrEqual(image, half) e = And(g, d) logits = Where(e, image, half)",
    "ReduceMean": "logits = ReduceMean<keepdims=1>(image, last)",
    "other reductions": "a = ReduceSum<keepdims=0>(image, i3) b = ReduceMax<keepdims=0>(a, i2) "
    "logits = ReduceLogSumExp<keepdims=1>(b, i1)",
    "Reshape": "logits = Reshape(image, rows)",
    "Reshape by shape": "s = Shape<start=0, end=2>(image) t = Concat<axis=0>(s, last) "
    "logits = Reshape(image, t)",
    "arithmetic of shapes": "s = Shape<start=2, end=3>(image) q = Squeeze(s) h = Div(q, two) "
    "r = Range(zero64, h, one) n = Mod(r, two) m = Cast<to=1>(n) u = Unsqueeze(m, i1) "
    "v = Floor(u) w = Sign(v) x = Abs(w) y = ReduceMean(x) logits = Add(image, y)",
    "Squeeze": "a = Unsqueeze(image, i0) b = Squeeze(a, i0) logits = Transpose<perm=[0,2,3,1]>(b)",
    "Expand": "logits = Expand(image, wide)",
    "Concat": "logits = Concat<axis=-1>(image, image)",
    "Split": "a, b = Split<axis=1, num_outputs=2>(image) logits = Add(a, b)",
    "uneven Split": "a, b = Split<axis=1>(image, halves) logits = Add(a, b)",
    "Slice": "logits = Slice(image, i1, far, i3, i2)",
    "Gather": "logits = Gather<axis=1>(image, places)",
    "GatherND": "logits = GatherND(image, spots)",
    "ScatterND": "logits = ScatterND(image, spots, updates)",
    "a quantised bias": "b = DequantizeLinear(small, step, zero32) logits = Add(image, b)",
    "quantised": "a = QuantizeLinear(image, half, zero) logits = DequantizeLinear(a, half, zero)",
}  # fmt: skip
CONSTANTS |= {"rows2": np.array([24, 8]), "zero64": np.int64(0)}


def graph(snippet, image=IMAGE):
    """A graph by ONNX's own text, with those of ``CONSTANTS`` that it names."""
    sides = ",".join(map(str, image))
    text = (
        f"<ir_version: 10, opset_import: ['' : 18]> tiny (float[N,{sides}] image) => "
        f"(float[] logits) {{ {snippet} }}"
    )
    model = onnx.parser.parse_model(text.replace("'", '"'))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    named = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in CONSTANTS.items()
        if name in named
    )
    return model.SerializeToString()


def work(content, image=IMAGE):
    found = scan_onnx(content)
    operators = ONNX_OPERATORS
    return count_work(
        Computation(found.nodes, found.constants, "image", "logits", operators), image
    )


def openvino_work(xml, weights, image=IMAGE):
    found = scan_ir(xml, weights)
    ends = found.ends["Parameter"], found.ends["Result"]
    graph = Computation(tuple(found.nodes), found.constants, *ends, OPENVINO_OPERATORS)
    return count_work(graph, image)


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=SNIPPETS)
def test_shapes_are_those_of_both_engines(snippet):
    content = graph(snippet)
    logits = OnnxRuntimeEngine(content, threads=1)(np.zeros((1, *IMAGE), np.float32))
    assert work(content).logits == logits.shape
    assert openvino_work(*to_openvino(content)).logits == logits.shape


def test_every_operator_is_tried():
    tried = {
        node.operator for snippet in SNIPPETS.values() for node in scan_onnx(graph(snippet)).nodes
    }
    assert tried == set(ONNX_OPERATORS)


HOSTILE = {
    "wild indices": ("logits = Gather<axis=1>(image, far)", "Gather .*indices 99..99 of 4"),
    "wild places": ("a = Add(spots, far) logits = GatherND(image, a)", "GatherND .*indices 99..99"),
    "wild updates": ("a = Sub(spots, far) logits = ScatterND(image, a, updates)", "-99..-99 of 1"),
    "indices from the image": (
        "a = Cast<to=7>(image) logits = Gather<axis=1>(image, a)",
        "Gather .*depends on what is in the image",
    ),
    "a shape from the image": (
        "a = Cast<to=7>(image) b = ReduceMax<keepdims=0>(a) logits = Expand(image, b)",
        "Expand .*depends on what is in the image",
    ),
    "INT64_MIN / -1": ("a = Div(lowest, last) logits = Expand(image, a)", "Div .*not above 0"),
    "INT64_MIN % -1": ("a = Mod(lowest, last) logits = Expand(image, a)", "Mod .*not above 0"),
    "division by zero": ("a = Div(i1, i0) logits = Expand(image, a)", "Div .*not above 0"),
    "division by the image": (
        "a = Cast<to=7>(image) b = Div(one, a) logits = Cast<to=1>(b)",
        "Div .*depends on what is in the image",
    ),
    "a circle": ("logits = Add(image, b) b = Relu(logits)", "uses 'b' before it is made"),
    "a value twice": ("logits = Relu(image) logits = Neg(image)", "makes 'logits' twice"),
    "no output": ("other = Relu(image)", "never makes its output 'logits'"),
    "too large": ("logits = Expand(image, huge)", r"takes 7\d+ bytes of memory for 6x8"),
    "too large weights": ("a = Expand(half, huge) logits = Add(image, a)", "bytes of memory"),
    "enlarged": ("logits = Resize(image, , , vast)", r"takes 16\d+ bytes of memory"),
    "a long range": ("a = Range(zero64, long, one) logits = Expand(image, a)", "range of 9000000"),
    "too slow": (
        " ".join(f"a{n + 1} = Conv<pads=[1,1,1,1]>(a{n}, square)" for n in range(4))
        + " logits = Neg(a4)",
        "multiplications for 6x8 pixels, the limit is",
    ),
    "a kernel of other channels": ("logits = Conv(image, matrix4)", "Conv .*a weight"),
    "a window in nothing": ("logits = MaxPool<kernel_shape=[9,9]>(image)", "a window of 9 on 6"),
    "other sums": ("logits = Add(image, matrix)", "Add that does not fit its inputs"),
    "scales of other channels": (
        "a = QuantizeLinear(image, half, zero) logits = DequantizeLinear<axis=1>(a, eight)",
        "DequantizeLinear .*scales of",
    ),
    "factors of another shape": ("logits = LayerNormalization(image, four)", "LayerNormalization"),
    "slopes of another shape": ("logits = PRelu(image, eight5)", "PRelu that does not fit"),
    "fewer elements than none": ("logits = Pad(image, minus)", "Pad .*fewer than none"),
}  # fmt: skip
CONSTANTS |= {
    "lowest": np.array([-(2**63)]),
    "huge": np.array([10**4, 10**5, 4, 6, 8]),
    "vast": np.array([1, 4, 10**5, 10**5]),
    "long": np.int64(9_000_000),
    "square": np.ones((4, 4, 3, 3), np.float32),
    "matrix4": np.ones((2, 3, 3, 3), np.float32),
    "eight5": np.ones((5, 1, 1, 1), np.float32),
    "small": np.arange(8, dtype=np.int32),
    "step": np.ones(1, np.float32),
    "zero32": np.int32(0),
    "attended": np.array([1, 2, 12, 8]),
    "ones": np.ones(4, np.int64),
    "minus": np.array([0, 0, -1, 0, 0, 0, 0, 0]),
}


@pytest.mark.parametrize(("snippet", "match"), HOSTILE.values(), ids=HOSTILE)
def test_what_could_harm_an_engine_is_refused(snippet, match, monkeypatch):
    monkeypatch.setattr("bmis.bundle.work._LEAST_WORK", 1000)
    monkeypatch.setattr("bmis.bundle.work._WORK_A_PIXEL", 300)
    content = graph(snippet.replace("a0", "image"))
    with pytest.raises(BundleError, match=match):
        work(content)


DIVIDED = "s = Shape(image) a = Div(s, ones) logits = Expand(image, a)"


def changed(weights, before, after):
    before, after = (np.asarray(numbers, np.int64).tobytes() for numbers in (before, after))
    assert before in weights
    return weights.replace(before, after)


@pytest.mark.parametrize(
    ("snippet", "before", "after", "match"),
    [
        (SNIPPETS["Gather"], [3, 0, -1], [3, 0, 99], "Gather .*indices 0..99 of 4"),
        (SNIPPETS["GatherND"], [0, 3, 0, 1], [0, 3, 0, -99], "GatherND .*indices -99..3 of 4"),
        (SNIPPETS["ScatterND"], [0, 3, 0, 1], [0, 3, 0, 4], "ScatterNDUpdate .*indices 3..4 of 4"),
        (DIVIDED, [1, 1, 1, 1], [1, 1, 1, -1], "Divide .*not above 0"),
        (SNIPPETS["Expand"], [5, 1, 1], [10**9, 1, 1], "bytes of memory for 6x8 pixels"),
        (SNIPPETS["Pad"], [0, 0, 1, 2], [0, 0, 1, -2], "Pad .*fewer than none"),
    ],
)
def test_openvino_sees_no_wild_numbers_either(snippet, before, after, match):
    xml, weights = to_openvino(graph(snippet))
    with pytest.raises(BundleError, match=match):
        openvino_work(xml, changed(weights, before, after))


def test_what_is_made_of_weights_alone_is_given_back_when_it_is_used_up(monkeypatch):
    weights = np.ones(10**6, np.int8)
    text = "a = Cast<to=1>(packed) b = Mul(a, half) c = Mul(b, half) d = ReduceMax(c) "
    monkeypatch.setitem(CONSTANTS, "packed", weights)
    found = work(graph(text + "logits = Add(image, d)"))
    image = 4 * np.prod(IMAGE)
    assert found.bytes == image + 2 * 4 * weights.size  # a factor and the product, at a time
