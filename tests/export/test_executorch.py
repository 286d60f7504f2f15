"""ExecuTorch by a stand-in; ``benchmarks/device_formats.py`` validates with the library itself."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from bmis.errors import MissingExtraError
from bmis.export.executorch import ExecutorchRuntime, to_executorch
from bmis.models import build_model
from helpers.fakes import hide
from helpers.tiny import NETWORK


def test_without_the_package_the_error_has_the_install_line(monkeypatch):
    hide(monkeypatch, "executorch")
    message = r'^executorch is needed for this; install it with: pip install "bmis\[executorch\]"$'
    with pytest.raises(MissingExtraError, match=message):
        to_executorch(build_model("bmis", **NETWORK), (32, 32))
    with pytest.raises(MissingExtraError, match=message):
        ExecutorchRuntime(b"", (32, 32), 8)


class Doubling:
    """A method that takes one image and writes to the same memory each time, as ExecuTorch's."""

    def __init__(self):
        self.answer = torch.zeros(1, 3, 4, 4)

    def execute(self, inputs):
        (image,) = inputs
        assert image.shape == self.answer.shape
        return [self.answer.copy_(2 * image)]


def test_images_are_run_one_by_one_and_logits_do_not_overwrite_each_other(monkeypatch):
    def load(content):
        assert content == b"program"
        return SimpleNamespace(load_method={"forward": Doubling()}.get)

    module = ModuleType("executorch.runtime")
    module.Runtime = SimpleNamespace(get=lambda: SimpleNamespace(load_program=load))
    monkeypatch.setitem(sys.modules, "executorch", ModuleType("executorch"))
    monkeypatch.setitem(sys.modules, "executorch.runtime", module)
    runtime = ExecutorchRuntime(b"program", (4, 4), 2)
    assert (runtime.size, runtime.stride, runtime.batch) == ((4, 4), 2, 1)
    batch = np.random.default_rng(0).normal(size=(3, 3, 4, 4)).astype(np.float32)
    first = runtime(batch)
    runtime(-batch)
    np.testing.assert_array_equal(first, 2 * batch)
