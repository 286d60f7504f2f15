"""The graph and the engine that were asked for are those that run, or one line says why not."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import bmis.runtime.bundle
from bmis.bundle import Graph, write_bundle
from bmis.config import RuntimeOptions
from bmis.errors import BundleError, ConfigError, DataError, MissingExtraError
from bmis.runtime.bundle import load_bundle
from helpers.bundles import CARD, manifest, onnx_bytes, write_tiny


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def path(tmp_path):
    return write_tiny(tmp_path / "a.bmis")


@pytest.fixture
def with_int8(tmp_path):
    return write_tiny(tmp_path / "b.bmis", int8=True)


def load(path, **options):
    return load_bundle(path, RuntimeOptions(**options))[0]


def pretend(monkeypatch, *engines):
    monkeypatch.setattr(
        bmis.runtime.bundle, "installed_engines", lambda: dict.fromkeys(engines, "1.0")
    )


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_engine_that_is_asked_for_runs(path, engine):
    runtime = load(path, engine=engine)
    assert runtime.engine.name == engine
    assert (runtime.stride, runtime.size, runtime.batch) == (8, None, 1)


@pytest.mark.parametrize(("precision", "graph"), [("int8", "int8"), ("fp32", "float32")])
def test_the_precision_that_is_asked_for_runs(with_int8, precision, graph):
    assert load(with_int8, engine="onnxruntime", precision=precision).graph.precision == graph


def test_every_engine_and_precision_of_a_bundle_is_compared(with_int8, monkeypatch):
    asked = []

    def last(question, starts, _):
        asked.append((question, [name.split(" ")[::2] for name in starts]))
        return list(starts.values())[-1]()

    monkeypatch.setattr(bmis.runtime.bundle, "fastest", last)
    pretend(monkeypatch, "onnxruntime", "openvino", "ncnn")
    assert load(with_int8).engine.name == "openvino"
    ((question, names),) = asked  # ncnn has no graph in it, and OpenVINO none in int8
    assert names == [["onnxruntime", "int8"], ["onnxruntime", "float32"], ["openvino", "float32"]]
    assert "onnxruntime 1.0 int8" in question


def test_without_int8_the_bundle_runs_in_float32(path):
    assert load(path, engine="onnxruntime").graph.precision == "float32"
    with pytest.raises(ConfigError, match="has no int8 graph for onnxruntime, only onnx float32"):
        load(path, engine="onnxruntime", precision="int8")


def test_openvino_runs_int8_in_its_own_format_alone(with_int8):
    """On some ONNX graphs in int8 it brings the process down."""
    assert load(with_int8, engine="openvino").graph.precision == "float32"
    with pytest.raises(
        ConfigError, match="has no int8 graph for openvino, only onnx float32, onnx"
    ):
        load(with_int8, engine="openvino", precision="int8")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_bf16_is_refused_where_there_is_none(path, engine, monkeypatch):
    monkeypatch.setattr(bmis.runtime.bundle, "engine_has_bf16", lambda _: False)
    with pytest.raises(ConfigError, match=f"no bf16 by {engine} on this processor"):
        load(path, engine=engine, precision="bf16")


def test_bf16_goes_to_the_engine_that_has_it(path, monkeypatch):
    monkeypatch.setattr(bmis.runtime.bundle, "engine_has_bf16", lambda name: name == "openvino")
    given = []
    monkeypatch.setattr(
        bmis.runtime.bundle, "OpenVinoEngine", lambda *_, **how: given.append(how) or "engine"
    )
    assert load(path, precision="bf16", threads=3).engine == "engine"
    assert given == [{"threads": 3, "bf16": True}]


def test_one_engine_is_taken_without_a_measurement(path, tmp_path, monkeypatch):
    pretend(monkeypatch, "onnxruntime")
    assert load(path).engine.name == "onnxruntime"
    assert not (tmp_path / "cache").exists()


def test_of_two_engines_the_faster_is_found_and_remembered(path, tmp_path, monkeypatch):
    first = load(path).engine.name
    assert (tmp_path / "cache" / "bmis" / "engines.json").is_file()
    monkeypatch.setattr("bmis.runtime.autotune._in_turns", None)  # cannot be called
    assert load(path).engine.name == first
    with pytest.raises(TypeError):  # another question
        load(path, threads=7)


def test_an_engine_that_is_not_installed_gives_the_install_line(path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[openvino\]"'):
        load(path, engine="openvino")


def test_openvino_takes_its_own_format_first(tmp_path):
    import openvino

    file = tmp_path / "model.xml"
    model = openvino.Core().read_model(onnx_bytes(seed=5))
    openvino.save_model(model, file, compress_to_fp16=False)
    graphs = (
        Graph("model.onnx", "onnx", "float32"),
        Graph("openvino/model.xml", "openvino", "float32"),
    )
    members = {
        "model.onnx": onnx_bytes(seed=0),
        "openvino/model.xml": file.read_bytes(),
        "openvino/model.bin": file.with_suffix(".bin").read_bytes(),
    }
    write_bundle(tmp_path / "c.bmis", manifest(graphs=graphs), members, CARD)
    runtime = load(tmp_path / "c.bmis", engine="openvino")
    assert runtime.graph.format == "openvino"
    image = np.ones((1, 3, 8, 8), np.float32)
    other = load(write_tiny(tmp_path / "d.bmis", seed=5), engine="onnxruntime")
    np.testing.assert_allclose(runtime(image), other(image), atol=1e-5)
    assert load(tmp_path / "c.bmis", engine="onnxruntime").graph.format == "onnx"


def test_a_graphics_card_is_refused(path):
    with pytest.raises(ConfigError, match="bundles run on the processor, not on 'cuda'"):
        load(path, device="cuda")


@pytest.mark.parametrize(
    "shape", [(1, 3, 12, 8), (1, 1, 8, 8), (3, 8, 8), (0, 3, 8, 8), (1, 3, 0, 8)]
)
def test_a_batch_that_does_not_fit_is_refused(path, shape):
    with pytest.raises(DataError, match=r"shape \(N, 3, H, W\), H and W multiples of 8; got"):
        load(path, engine="onnxruntime")(np.zeros(shape, np.float32))


def test_a_graph_of_one_size_takes_no_other(tmp_path):
    runtime = load(write_tiny(tmp_path / "f.bmis", size=(16, 24)), engine="onnxruntime")
    assert runtime.size == (16, 24)
    assert runtime(np.zeros((2, 3, 16, 24), np.float32)).shape == (2, 2, 16, 24)
    with pytest.raises(DataError, match="H and W 16x24; got"):
        runtime(np.zeros((1, 3, 24, 16), np.float32))


def test_a_file_that_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "e.bmis").write_bytes(b"no zip")
    with pytest.raises(BundleError, match=r"e\.bmis"):
        load(tmp_path / "e.bmis")


HOSTILE = """
import sys
from pathlib import Path
from bmis.config import RuntimeOptions
from bmis.errors import BundleError
from bmis.runtime.bundle import load_bundle
for path in sys.argv[1:]:
    try:
        load_bundle(Path(path), RuntimeOptions())
    except BundleError as error:
        print(error)
"""


def hostile(path, write, indices):
    """A bundle with right hashes whose OpenVINO graph reads by wild indices."""
    from bmis.export.openvino import to_openvino

    text = (
        '<ir_version: 10, opset_import: ["" : 18]> t (float[N,3,32,48] image) => '
        "(float[N,2,32,48] logits) { logits = Gather<axis=1>(image, places) }"
    )
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2]), "places"))
    xml, weights = to_openvino(model.SerializeToString())
    weights = weights.replace(np.array([1, 2]).tobytes(), np.array(indices).tobytes())
    size = (32, 48)
    graphs = (
        Graph("model.onnx", "onnx", "float32", size),
        Graph("openvino/model.xml", "openvino", "float32", size),
    )
    members = {"openvino/model.xml": xml, "openvino/model.bin": weights}
    write(path, manifest(graphs=graphs), {"model.onnx": onnx_bytes(size=size), **members}, CARD)
    return path


def test_wild_indices_with_right_hashes_end_in_one_line(tmp_path, monkeypatch):
    """In a process of its own, which OpenVINO would bring down."""
    good = hostile(tmp_path / "good.bmis", write_bundle, [0, 2])
    with monkeypatch.context() as patch:
        patch.setattr("bmis.bundle.file.check_graph", lambda *_: None)
        wild = hostile(tmp_path / "wild.bmis", write_bundle, [0, 10**12])
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, good, wild],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{wild}: openvino/model.xml has a Gather that does not fit its inputs "
        "(indices 0..1000000000000 of 3); export it again"
    ]


def test_another_size_is_followed_through_the_graph_first(path, monkeypatch):
    runtime = load(path, engine="onnxruntime")
    monkeypatch.setattr("bmis.bundle.work._LEAST_BYTES", 0)
    monkeypatch.setattr("bmis.bundle.work._UNPACKED", 0)
    monkeypatch.setattr("bmis.bundle.work._BYTES_A_PIXEL", 19)
    with pytest.raises(
        BundleError, match=r"a\.bmis: model\.onnx takes 1280 bytes of memory for 8x8"
    ):
        runtime(np.zeros((1, 3, 8, 8), np.float32))
