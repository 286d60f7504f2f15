"""ONNX graphs give the torch network's logits, and hold no batch norm and no local paths."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from bmis.errors import ConfigError, DataError
from bmis.export.onnx import serialised, to_onnx
from bmis.models import SegmentationModel, build_model
from helpers.tiny import NETWORK

pytestmark = pytest.mark.slow  # torch writes a graph in each


def trained(name="bmis", **options):
    """A network whose norms and gains are not those of the start."""
    torch.manual_seed(0)
    model = build_model(name, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(tensor, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
        if hasattr(module, "gamma"):
            nn.init.constant_(module.gamma, 0.7)
    return model.eval()


def answer(content, x):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": x.numpy()})[0]


def same(model, content, *shape):
    x = torch.randn(*shape)
    with torch.inference_mode():
        np.testing.assert_allclose(answer(content, x), model(x), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def written():
    """A network and its graph as bytes."""
    model = trained(**NETWORK)
    return model, serialised(to_onnx(model, (32, 48)))


@pytest.mark.parametrize("batch", [1, 3])
def test_a_graph_gives_the_logits_of_the_network(written, batch):
    same(*written, batch, 3, 32, 48)


def test_a_graph_of_any_size_gives_the_logits_of_the_network_at_every_size():
    model = trained(**NETWORK)
    content = serialised(to_onnx(model, (32, 48), any_size=True))
    for size in ((32, 48), (40, 24), (64, 64)):
        same(model, content, 1, 3, *size)


def test_no_norm_and_nothing_that_edge_runtimes_dislike_is_left():
    graph = to_onnx(trained(), (64, 64))
    kinds = [node.op_type for node in graph.graph.node]
    assert not {"BatchNormalization", "ConvTranspose", "Expand"} & {*kinds}
    # two products of all positions with all, each with its transposed factors; none in ECA
    assert kinds.count("Transpose") <= 4
    assert [sides(value) for value in (*graph.graph.input, *graph.graph.output)] == [
        ["N", 3, 64, 64],
        ["N", 2, 64, 64],
    ]


def sides(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_nothing_about_the_machine_is_written(written):
    _, content = written
    assert str(Path(__file__).parents[2]).encode() not in content
    assert b".py" not in content
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)


class NormsBehindAnything(SegmentationModel):
    """Norms whose input other layers use too, one after a pool, and one at the very end."""

    def __init__(self):
        super().__init__(3, 4, stride=1)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in (4, 3, 4, 4))

    def forward(self, x):
        y = self.conv(x)
        shared = self.norms[0](y) * y + self.norms[3](y)
        pooled = self.norms[1](nn.functional.max_pool2d(x, 3, 1, 1))
        return self.norms[2](shared + pooled.sum(1, keepdim=True))


def test_norms_that_no_convolution_can_take_become_a_product_and_a_sum():
    torch.manual_seed(0)
    model = NormsBehindAnything().eval()
    for norm in model.norms:
        nn.init.normal_(norm.running_mean)
        nn.init.normal_(norm.weight)
    graph = to_onnx(model, (16, 16))
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}
    same(model, serialised(graph), 2, 3, 16, 16)


class Unwritable(SegmentationModel):
    """A network whose computation depends on the values of its input."""

    def __init__(self):
        super().__init__(3, 2, stride=1)
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.conv(x) if x.sum() > 0 else self.conv(-x)


def test_a_network_that_cannot_be_a_graph_is_refused_in_one_line():
    with pytest.raises(ConfigError, match="cannot be written as an ONNX graph") as found:
        to_onnx(Unwritable(), (16, 16))
    assert "\n" not in str(found.value)


def test_an_error_in_our_own_folding_is_one_line_too(monkeypatch):
    def fail(graph):
        raise ValueError("no shape\nand where")

    monkeypatch.setattr("bmis.export.batch_norm.fold_norms", fail)
    with pytest.raises(ConfigError, match=r"ONNX graph \(no shape\)"):
        to_onnx(trained(**NETWORK), (32, 32))


def test_a_size_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match="pad the image to 32x40"):
        to_onnx(trained(**NETWORK), (32, 33))


def test_a_network_of_one_size_is_refused_for_any():
    model = NormsBehindAnything()
    model.fixed_size = (16, 16)
    with pytest.raises(ConfigError, match="takes 16x16 pixels only; export it without --size any"):
        to_onnx(model, (16, 16), any_size=True)
