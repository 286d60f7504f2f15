"""Graphs for ncnn: what pnnx makes of the ONNX graph, or one line that says why not."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
import torch

from bmis.bundle.ncnn_scan import scan_ncnn
from bmis.errors import ConfigError, MissingExtraError
from bmis.export import ncnn as export_ncnn
from bmis.export.ncnn import plain_param, to_ncnn
from bmis.models import build_model
from bmis.runtime.torch_network import TorchRuntime
from helpers.bundles import NCNN
from helpers.fakes import hide
from helpers.tiny import NETWORK


def test_without_the_package_the_error_has_the_install_line(monkeypatch):
    hide(monkeypatch, "pnnx")
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[pnnx\]"$'):
        to_ncnn(build_model("bmis", **NETWORK), (32, 32))


@pytest.mark.parametrize("name", ["bmis", "bmis_edge"])
def test_the_logits_are_those_of_the_network(name):
    pytest.importorskip("ncnn")
    pytest.importorskip("pnnx")
    from bmis.runtime.ncnn_engine import NcnnEngine

    torch.manual_seed(0)
    options = NETWORK if name == "bmis" else {"width": 16, "stages": 3}
    network = build_model(name, **options).eval()
    image = np.random.default_rng(0).standard_normal((1, 3, 32, 64)).astype(np.float32)
    logits = NcnnEngine(*to_ncnn(network, (32, 64)), threads=1)(image)
    np.testing.assert_allclose(logits, TorchRuntime(network)(image), atol=1e-4)


@pytest.fixture
def pnnx(monkeypatch):
    """A stand-in for pnnx; ``texts`` are what it writes as ``.param``, None for a failure."""
    module = ModuleType("pnnx")
    module.EXEC_PATH, module.texts, module.graphs = "pnnx", [NCNN], []

    def run(command, cwd, **_):
        assert command[0] == "pnnx"
        assert command[2:] == ["inputshape=[1,3,32,48]", "fp16=0", "device=cpu"]
        module.graphs.append(onnx.load(Path(cwd) / command[1]))
        if module.texts[0] is None:
            raise subprocess.CalledProcessError(3, command)
        (Path(cwd) / "model.ncnn.param").write_text(module.texts[0])
        (Path(cwd) / "model.ncnn.bin").write_bytes(bytes(36))

    monkeypatch.setattr(export_ncnn.subprocess, "run", run)
    monkeypatch.setitem(sys.modules, "pnnx", module)
    return module


def test_pnnx_gets_the_graph_of_the_export_for_one_image(pnnx):
    param, weights = to_ncnn(build_model("bmis", **NETWORK), (32, 48))
    assert (param.decode(), weights) == (NCNN, bytes(36))
    (graph,) = pnnx.graphs
    sides = [side.dim_value for side in graph.graph.input[0].type.tensor_type.shape.dim]
    assert sides == [1, 3, 32, 48]
    operators = {node.op_type for node in graph.graph.node}
    assert "Softmax" in operators
    assert "Neg" not in operators


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "returned non-zero exit status 3"),
        (NCNN.replace("Convolution", "GatherND"), "it uses the operator 'GatherND', which bmis"),
        (NCNN.replace("1=1", "1=40"), "it has a Convolution that does not fit its inputs"),
        (NCNN.replace("6=6", "6=7"), "it has weights that are not in its .bin"),
    ],
)
def test_a_network_that_it_cannot_write_is_refused_in_one_line(pnnx, text, match):
    pnnx.texts[0] = text
    with pytest.raises(ConfigError, match="cannot be written as a graph of ncnn") as caught:
        to_ncnn(build_model("bmis", **NETWORK), (32, 48))
    assert match in str(caught.value)
    assert "leave that format out" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_of_pnnx_becomes_the_one_that_is_read():
    text = (
        "7767517\n3 3\n"
        "Input                    in0                      0 1 in0\n"
        "BinaryOp                 mul_1                    1 1 in0 1 0=2 1=1 2=1.414213562373\n"
        "Clip                     clip_0                   1 1 1 out0 0=-1.000000e+38 1=6.0\n"
    )
    lines = plain_param(text).decode().split("\n")
    assert lines[3] == "BinaryOp 1 1 1 in0 1 0=2 1=1 2=1.41421356e+00"
    assert lines[4] == "Clip 2 1 1 1 out0 0=-1.00000000e+38 1=6.00000000e+00"
    text = text.replace("+38", "+00")
    assert len(scan_ncnn(plain_param(text), b"").nodes) == 4
