"""The graph and the engine that were asked for are those that run, or one line says why not."""

import numpy as np
import pytest

import bmis.runtime.bundle
from bmis.config import RuntimeOptions
from bmis.errors import BundleError, ConfigError, DataError, MissingExtraError
from bmis.runtime.bundle import load_bundle
from helpers.bundles import write_tiny


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


@pytest.mark.parametrize(
    ("precision", "graph"), [("auto", "int8"), ("int8", "int8"), ("fp32", "float32")]
)
def test_the_precision_that_is_asked_for_runs(with_int8, precision, graph):
    assert load(with_int8, engine="onnxruntime", precision=precision).graph.precision == graph


def test_without_int8_the_bundle_runs_in_float32(path):
    assert load(path, engine="onnxruntime").graph.precision == "float32"
    with pytest.raises(ConfigError, match="has no int8 graph for onnxruntime, only onnx float32"):
        load(path, engine="onnxruntime", precision="int8")


def test_openvino_runs_int8_in_its_own_format_alone(with_int8):
    """On some ONNX graphs in int8 it brings the process down."""
    assert load(with_int8, engine="openvino").graph.precision == "float32"
    assert load(with_int8).engine.name == "onnxruntime"
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
    monkeypatch.setattr("bmis.runtime.autotune._seconds", None)  # cannot be called
    assert load(path).engine.name == first
    with pytest.raises(TypeError):  # another question
        load(path, threads=7)


def test_an_engine_that_is_not_installed_gives_the_install_line(path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[openvino\]"'):
        load(path, engine="openvino")


def test_openvino_takes_its_own_format_first(tmp_path):
    import openvino

    from bmis.bundle import Graph, write_bundle
    from helpers.bundles import CARD, manifest, onnx_bytes

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
