"""Both engines give the graph's own numbers, and one line of ours for every error of theirs."""

import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import bmis.runtime.engines
from bmis.errors import BundleError, MissingExtraError, NoMemoryError
from bmis.runtime.engines import (
    ENGINES,
    OnnxRuntimeEngine,
    OpenVinoEngine,
    engine_has_bf16,
    installed_engines,
)
from helpers.bundles import onnx_bytes, onnx_model


@pytest.fixture(params=[OnnxRuntimeEngine, OpenVinoEngine], ids=ENGINES[:2])
def engine(request):
    return request.param


def images(count=1, height=24, width=40, channels=3):
    random = np.random.default_rng(7)
    return random.standard_normal((count, channels, height, width)).astype(np.float32)


def by_hand(batch, seed=0):
    """What the graph of ``onnx_model`` computes."""
    weights = {w.name: numpy_helper.to_array(w) for w in onnx_model(seed=seed).graph.initializer}
    logits = np.einsum("kc,nchw->nkhw", weights["kernel"][..., 0, 0], batch)
    return logits + weights["bias"][:, None, None]


def test_the_numbers_are_those_of_the_graph(engine):
    run = engine(onnx_bytes(), threads=1)
    for batch in (images(), images(3), images(1, 8, 8), images(2, 48, 16), images()):
        logits = run(batch)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, by_hand(batch), atol=1e-5)


def test_an_answer_is_not_overwritten_by_the_next(engine):
    run = engine(onnx_bytes(), threads=1)
    first = run(images())
    run(images() * 2)
    np.testing.assert_allclose(first, by_hand(images()), atol=1e-5)


def test_openvino_runs_its_own_format(tmp_path):
    import openvino

    file = tmp_path / "model.xml"
    openvino.save_model(openvino.Core().read_model(onnx_bytes()), file, compress_to_fp16=False)
    run = OpenVinoEngine(file.read_bytes(), file.with_suffix(".bin").read_bytes(), threads=1)
    np.testing.assert_allclose(run(images(2)), by_hand(images(2)), atol=1e-5)


def broken():
    """A graph that is well written and cannot be run: its kernel wants five channels."""
    model = onnx_model()
    other = type(model)()
    other.CopyFrom(model)
    del other.graph.initializer[:]
    kernel = np.zeros((2, 5, 1, 1), np.float32)
    other.graph.initializer.append(numpy_helper.from_array(kernel, "kernel"))
    other.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.float32), "bias"))
    return other.SerializeToString()


def unknown_operator():
    model = onnx_model()
    other = type(model)()
    other.CopyFrom(model)
    other.graph.node.append(helper.make_node("NoSuchThing", ["logits"], ["more"]))
    other.graph.output[0].name = "more"
    return other.SerializeToString()


@pytest.mark.parametrize(
    "graph", [b"", b"no graph", onnx_bytes()[:-40], broken(), unknown_operator()]
)
def test_a_graph_that_cannot_be_run_is_one_line(engine, graph, capfd):
    with pytest.raises(BundleError, match=r"cannot (load|run) the graph .*export the bundle again"):
        engine(graph, threads=1)(images())
    assert capfd.readouterr() == ("", "")  # the engine's own words stay away


def test_a_wrong_input_is_one_line(engine):
    run = engine(onnx_bytes(), threads=1)
    with pytest.raises(BundleError, match=r"cannot run the graph on 1 x 24x40 pixels \(") as caught:
        run(images(channels=4))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


class Fails:
    def __init__(self, text):
        self.text = text

    def run(self, *_):
        raise RuntimeError(self.text)

    infer = create_infer_request = compile_model = run


@pytest.mark.parametrize(
    "text",
    [
        "Failed to allocate memory for requested buffer of size 12",
        "std::bad_alloc",
        "Can not allocate 12 bytes",
    ],
)
def test_a_lack_of_memory_is_recognised(engine, text):
    run = engine(onnx_bytes(), threads=1)
    run._session = run._core = Fails(text)
    with pytest.raises(NoMemoryError, match=f"not enough memory: {engine.name} cannot run"):
        run(images())


def test_without_openvino_the_install_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[openvino\]"'):
        OpenVinoEngine(onnx_bytes(), threads=1)


def test_what_is_installed_is_listed_with_its_version(monkeypatch):
    import onnxruntime

    assert list(installed_engines()) == list(ENGINES)
    assert installed_engines()["onnxruntime"] == onnxruntime.__version__
    monkeypatch.setattr(bmis.runtime.engines, "ENGINES", ("onnxruntime", "nothing-of-that-name"))
    assert list(installed_engines()) == ["onnxruntime"]


def int8_sums(channels=64):
    """A 1 x 1 convolution in int8 whose products of two, summed, need more than 16 bits."""
    weights = np.full((2, channels, 1, 1), 127, np.int8)
    weights[1] = -127
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "wide": np.float32(channels * 127 * 255 / 127),  # of the sums: 0..255 steps from 128
        "middle": np.uint8(128),
        "weights": weights,
        "bias": np.zeros(2, np.int32),
        "none": np.int8(0),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "one", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "one", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["weights", "one", "none"], ["w"]),
        helper.make_node("DequantizeLinear", ["bias", "one"], ["b"]),
        helper.make_node("Conv", ["x", "w", "b"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "wide", "middle"], ["z"]),
        helper.make_node("DequantizeLinear", ["z", "wide", "middle"], ["logits"]),
    ]
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, count, 8, 8))
        for name, count in (("image", channels), ("logits", 2))
    ]
    found = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "sums", shapes[:1], shapes[1:], found)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_sums_of_int8_products_are_not_clipped():
    """Fails without the remedy on x86 processors without VNNI, the only ones that clip."""
    logits = OnnxRuntimeEngine(int8_sums(), threads=1)(np.full((1, 64, 8, 8), 255, np.float32))
    largest = 64 * 127 * 255
    np.testing.assert_allclose(logits[0, 0], largest, rtol=0.01)
    np.testing.assert_allclose(logits[0, 1], -largest, rtol=0.01)


@pytest.mark.parametrize(("flags", "asked"), [({"avx2"}, True), ({"avx2", "avx512_vnni"}, False)])
def test_the_remedy_is_for_processors_that_clip_alone(flags, asked, monkeypatch):
    entries = {}
    runtime = bmis.runtime.engines.load_onnxruntime()

    class Options(runtime.SessionOptions):
        def add_session_config_entry(self, key, value):
            entries[key] = value
            super().add_session_config_entry(key, value)

    monkeypatch.setattr(runtime, "SessionOptions", Options)
    monkeypatch.setattr(bmis.runtime.engines, "processor_flags", lambda: frozenset(flags))
    OnnxRuntimeEngine(onnx_bytes(), threads=1)
    assert (entries.get("session.x64quantprecision") == "1") is asked


def test_openvino_reports_itself_whether_it_has_bf16(monkeypatch):
    import openvino

    found = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    monkeypatch.setattr("bmis.system.processor.processor_flags", frozenset)  # nothing is known
    assert engine_has_bf16("openvino") == ("BF16" in found)
    assert not engine_has_bf16("onnxruntime")


def test_openvino_computes_in_bf16_where_it_can():
    run = OpenVinoEngine(onnx_bytes(), threads=1, bf16=engine_has_bf16("openvino"))
    np.testing.assert_allclose(run(images()), by_hand(images()), atol=0.1)


def test_bf16_by_onnx_runtime_is_float32_where_the_processor_has_none():
    run = OnnxRuntimeEngine(onnx_bytes(), threads=1, bf16=True)
    np.testing.assert_allclose(run(images()), by_hand(images()), atol=0.05)
