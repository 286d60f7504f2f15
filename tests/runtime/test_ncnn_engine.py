"""ncnn gives the graph's own numbers, from memory that it cannot read beyond."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bmis.bundle import read_bundle, write_bundle
from bmis.config import RuntimeOptions
from bmis.errors import BundleError, ConfigError, MissingExtraError, NoMemoryError
from bmis.runtime import ncnn_engine
from bmis.runtime.bundle import load_bundle, runnable
from bmis.runtime.engines import OnnxRuntimeEngine
from bmis.runtime.ncnn_engine import NcnnEngine
from helpers.bundles import CARD, NCNN, manifest, ncnn_members, ncnn_weights, onnx_bytes, write_tiny

GRAPH = NCNN.encode()


@pytest.fixture
def _installed():
    pytest.importorskip("ncnn")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    graphs, members = ncnn_members()
    write_bundle(tmp_path / "a.bmis", manifest(graphs=graphs), members, CARD)
    return tmp_path / "a.bmis"


def images(count=1):
    return np.random.default_rng(7).standard_normal((count, 3, 32, 48)).astype(np.float32)


def load(path, **options):
    return load_bundle(path, RuntimeOptions(**options))[0]


@pytest.mark.usefixtures("_installed")
class TestEngine:
    def test_the_numbers_are_those_of_the_graph(self):
        run, other = (
            NcnnEngine(GRAPH, ncnn_weights(), threads=1),
            OnnxRuntimeEngine(onnx_bytes(), threads=1),
        )
        for batch in (images(), images(3)):
            logits = run(batch)
            assert logits.dtype == np.float32
            np.testing.assert_allclose(logits, other(batch), atol=1e-5)

    def test_an_image_that_is_no_plain_block_is_read_right(self):
        run = NcnnEngine(GRAPH, ncnn_weights(), threads=1)
        turned = np.ascontiguousarray(images().transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(run(turned), run(images()))

    def test_several_threads_get_their_own_answers(self):
        run = NcnnEngine(GRAPH, ncnn_weights(), threads=1)
        batches = [images() * factor for factor in range(1, 9)]
        expected = [run(batch) for batch in batches]
        with ThreadPoolExecutor(4) as pool:
            for found, wanted in zip(pool.map(run, batches), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)

    @pytest.mark.parametrize("weights", [b"", ncnn_weights()[:-1]])
    def test_weights_that_end_early_are_one_line(self, weights):
        with pytest.raises(BundleError, match=r"ncnn cannot load the graph .*export the bundle"):
            NcnnEngine(GRAPH, weights, threads=1)

    @pytest.mark.parametrize("graph", [b"", b"no graph", GRAPH.replace(b"Conv", b"Corn")])
    def test_a_graph_that_cannot_be_loaded_is_one_line(self, graph):
        with pytest.raises(BundleError, match=r"ncnn cannot load the graph .*export the bundle"):
            NcnnEngine(graph, ncnn_weights(), threads=1)

    def test_a_lack_of_memory_is_recognised(self, monkeypatch):
        run = NcnnEngine(GRAPH, ncnn_weights(), threads=1)

        class Fails:
            def create_extractor(self):
                return self

            def input(self, *_):
                return 0

            def extract(self, *_):
                return -100, None

        monkeypatch.setattr(run, "_net", Fails())
        with pytest.raises(NoMemoryError, match="not enough memory: ncnn cannot run the graph on"):
            run(images())

    def test_a_bundle_is_run_at_its_one_size(self, path):
        runtime = load(path, engine="ncnn")
        assert (runtime.engine.name, runtime.graph.format) == ("ncnn", "ncnn")
        assert runtime.size == (32, 48)
        other = load(path, engine="onnxruntime")
        np.testing.assert_allclose(runtime(images()), other(images()), atol=1e-5)
        assert other.size is None

    def test_it_is_measured_like_the_others(self, path):
        ways = runnable(read_bundle(path))
        assert ("onnxruntime", "fp32") in ways
        assert [precision for engine, precision in ways if engine == "ncnn"] == ["fp32"]
        with pytest.raises(ConfigError, match="no bf16 by ncnn on this processor"):
            load(path, engine="ncnn", precision="bf16")

    def test_without_its_graph_it_is_refused(self, tmp_path):
        path = write_tiny(tmp_path / "b.bmis")
        with pytest.raises(ConfigError, match="has no float32 graph for ncnn, only onnx float32"):
            load(path, engine="ncnn")
        assert all(engine != "ncnn" for engine, _ in runnable(read_bundle(path)))


def test_where_it_is_not_installed_the_install_line_is_given(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[ncnn\]"'):
        load(path, engine="ncnn")


def test_a_bundle_with_it_runs_where_it_is_not_installed(path, monkeypatch):
    monkeypatch.setattr("bmis.runtime.bundle.installed_engines", lambda: {"onnxruntime": "1.0"})
    monkeypatch.setitem(sys.modules, "ncnn", None)
    assert load(path).engine.name == "onnxruntime"


@pytest.mark.usefixtures("_installed")
def test_its_reader_gives_no_more_than_there_is():
    import ctypes

    import ncnn

    reader = ncnn_engine._reader(ncnn, b"abcdef")
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    target = ctypes.create_string_buffer(b"........")
    capsule = new(ctypes.addressof(target), None, None)
    assert reader.read(capsule, 4) == 4
    assert target.raw.startswith(b"abcd....")
    assert reader.read(capsule, 8) == 2
    assert target.raw.startswith(b"efcd....")
    assert reader.read(capsule, 8) == 0
