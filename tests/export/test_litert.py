"""LiteRT by a stand-in; ``benchmarks/device_formats.py`` validates with the library itself."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from bmis.errors import ConfigError, MissingExtraError
from bmis.export.litert import LitertRuntime, to_litert
from bmis.models import build_model
from helpers.fakes import hide
from helpers.tiny import NETWORK


def test_without_the_packages_the_error_has_the_install_line(monkeypatch):
    message = r'{} is needed for this; install it with: pip install "bmis\[litert\]"$'
    hide(monkeypatch, "litert_torch", "ai_edge_litert")
    with pytest.raises(MissingExtraError, match=message.format("litert_torch")):
        to_litert(build_model("bmis", **NETWORK), (32, 32))
    with pytest.raises(MissingExtraError, match=message.format("ai_edge_litert")):
        LitertRuntime(b"", (32, 32), 8)


def test_the_converter_gets_an_equal_network_for_one_image_of_one_size(monkeypatch):
    network = build_model("bmis", **NETWORK).eval().to(memory_format=torch.channels_last)

    def convert(model, inputs):
        (image,) = inputs
        assert image.shape == (1, 3, 32, 48)
        assert all(weight.is_contiguous() for weight in model.parameters())
        with torch.inference_mode():
            torch.testing.assert_close(model(image + 1), network(image + 1))
        return SimpleNamespace(model_content=lambda: b"written")

    module = ModuleType("litert_torch")
    module.convert = convert
    monkeypatch.setitem(sys.modules, "litert_torch", module)
    assert to_litert(network, (32, 48)) == b"written"


def test_a_network_that_it_cannot_write_is_refused_in_one_line(monkeypatch):
    def convert(model, inputs):
        raise NotImplementedError("no such operator\nand where")

    module = ModuleType("litert_torch")
    module.convert = convert
    monkeypatch.setitem(sys.modules, "litert_torch", module)
    with pytest.raises(ConfigError, match=r"as a LiteRT model \(no such operator\)"):
        to_litert(build_model("bmis", **NETWORK), (32, 32))


class Interpreter:
    """Doubles the image at place 7 and puts the result at place 9."""

    def __init__(self, model_content, num_threads):
        assert model_content == b"model"
        self.tensors = {}

    def allocate_tensors(self):
        self.tensors = {7: None, 9: None}

    def get_input_details(self):
        return [{"index": 7}]

    def get_output_details(self):
        return [{"index": 9}]

    def set_tensor(self, place, value):
        assert value.shape == (1, 3, 4, 4)
        assert place in self.tensors
        self.tensors[place] = value

    def invoke(self):
        self.tensors[9] = 2 * self.tensors[7]

    def get_tensor(self, place):
        return self.tensors[place].copy()


def test_images_are_run_one_by_one(monkeypatch):
    module = ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    runtime = LitertRuntime(b"model", (4, 4), 2)
    assert (runtime.size, runtime.stride, runtime.batch) == ((4, 4), 2, 1)
    batch = np.random.default_rng(0).normal(size=(3, 3, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(runtime(batch), 2 * batch)
