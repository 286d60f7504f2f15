"""Runs a network with torch: what a training left behind, before it is exported.

The numbers are those of float32: no bf16, no TF32, whatever the training used.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from bmis.errors import NoMemoryError, is_out_of_memory
from bmis.models import SegmentationModel

_TURN = threading.Lock()  # the settings of ``_plain_float32`` are those of the whole process
_GPU_BATCH = 16  # fills a GPU at 224 x 224; a CPU is as fast one image at a time


class TorchRuntime:
    """A torch network in eval mode, on the device where it lies, with channels-last memory.

    See ``runtime.load.Runtime`` for what it promises. Calls from several threads take turns.

    Args:
        model: The network.

    Example:
        >>> from bmis.models import build_model
        >>> runtime = TorchRuntime(build_model("bmis_tiny"))
        >>> runtime(np.zeros((1, 3, 64, 64), np.float32)).shape
        (1, 2, 64, 64)
    """

    def __init__(self, model: SegmentationModel) -> None:
        self._model = model.eval().to(memory_format=torch.channels_last)
        self._device = next(model.parameters()).device
        self.stride = model.stride
        self.size: tuple[int, int] | None = None
        self.batch = _GPU_BATCH if self._device.type == "cuda" else 1

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with _TURN, torch.inference_mode(), _plain_float32(self._device.type):
            try:
                x = torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last)
                logits: NDArray[np.float32] = self._model(x).float().contiguous().cpu().numpy()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                count, _, height, width = batch.shape
                raise NoMemoryError(
                    f"not enough memory on {self._device} for {count} x {height}x{width} pixels; "
                    "use smaller batches, smaller tiles or another device"
                ) from None
        return logits


@contextmanager
def _plain_float32(device: str) -> Iterator[None]:
    """Without autocast and TF32, which a caller or an earlier training may have switched on."""
    cudnn, before = torch.backends.cudnn, torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device, enabled=False))
        if device == "cuda":
            stack.enter_context(
                cudnn.flags(
                    enabled=cudnn.enabled,
                    benchmark=cudnn.benchmark,
                    deterministic=cudnn.deterministic,
                    allow_tf32=False,
                )
            )
        stack.callback(torch.set_float32_matmul_precision, before)
        torch.set_float32_matmul_precision("highest")
        yield
