"""The torch runtime gives the network's float32 numbers, whatever else is switched on."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from bmis.config import InputSpec, ModelConfig, ModelInfo, RuntimeOptions
from bmis.errors import DataError, NoMemoryError
from bmis.models import SegmentationModel, build_model
from bmis.models.checkpoint import save_model
from bmis.runtime.load import load_runtime
from bmis.runtime.torch_network import TorchRuntime

OPTIONS = {"widths": (4, 6, 8), "depths": (1, 1)}
INFO = ModelInfo(ModelConfig("bmis", 1, 3, OPTIONS), InputSpec(channels=1), ("a", "b", "c"))


@pytest.fixture
def model() -> SegmentationModel:
    torch.manual_seed(0)
    return build_model("bmis", in_channels=1, num_classes=3, **OPTIONS).eval()


@pytest.fixture
def batch():
    return np.random.default_rng(0).standard_normal((2, 1, 24, 40)).astype(np.float32)


def test_logits_are_those_of_the_network(model, batch, tmp_path):
    with torch.inference_mode():
        expected = model(torch.from_numpy(batch)).numpy()
    save_model(tmp_path / "model.safetensors", model, INFO)
    runtime, info = load_runtime(tmp_path, RuntimeOptions("cpu"))
    logits = runtime(batch)
    assert logits.dtype == np.float32
    assert logits.flags.c_contiguous
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    assert (runtime.stride, runtime.size, runtime.batch) == (8, None, 1)
    assert info.to_dict() == INFO.to_dict()


def test_the_network_is_put_into_eval_mode(model, batch):
    runtime = TorchRuntime(model.train())
    np.testing.assert_array_equal(runtime(batch), runtime(batch))  # no dropout
    assert not model.training


def test_autocast_and_matmul_shortcuts_of_the_caller_are_left_out(model, batch):
    runtime = TorchRuntime(model)
    expected = runtime(batch)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            np.testing.assert_array_equal(runtime(batch), expected)
        assert torch.get_float32_matmul_precision() == "medium"  # and handed back as it was
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\n(and so on)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9"),
        MemoryError(),
    ],
)
def test_a_lack_of_memory_is_one_line(model, batch, error, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr(model, "forward", fail)
    with pytest.raises(NoMemoryError, match="not enough memory on cpu for 2 x 24x40 pixels; use"):
        TorchRuntime(model)(batch)


def test_other_errors_are_not_taken_for_a_lack_of_memory(model, batch, monkeypatch):
    def fail(_):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(model, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        TorchRuntime(model)(batch)


def test_a_batch_that_does_not_fit_is_refused_by_the_network(model):
    with pytest.raises(DataError, match="must be multiples of 8, 8 or more, got 20x24"):
        TorchRuntime(model)(np.zeros((1, 1, 20, 24), np.float32))


class Watched(SegmentationModel):
    """Notes how exact matrix products are while it computes, which takes longer each time."""

    def __init__(self):
        super().__init__(1, 1, stride=1)
        self.head = torch.nn.Conv2d(1, 1, 1)
        self.seen = []

    def forward(self, x):
        time.sleep(0.003 * (1 + len(self.seen) % 3))
        self.seen.append(torch.get_float32_matmul_precision())
        return self.head(x)


def test_several_threads_leave_the_settings_alone():
    runtime = TorchRuntime(Watched())
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(runtime, [np.zeros((1, 1, 8, 8), np.float32)] * 16))
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
    assert set(runtime._model.seen) == {"highest"}
