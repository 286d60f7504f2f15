"""What runs a network: float32 arrays in, logits out. torch is loaded only when it is the runtime.

The numbers are those of float32: no bf16, no TF32, whatever the training used.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bmis.config import ModelInfo
from bmis.errors import BundleError, ConfigError, require

if TYPE_CHECKING:
    from bmis.models import SegmentationModel

_GPU_BATCH = 16  # fills a GPU at 224 x 224; a CPU is as fast one image at a time
_NO_MEMORY = ("out of memory", "can't allocate memory", "could not allocate", "bad_alloc")


class Runtime(Protocol):
    """A network that is ready to run.

    Attributes:
        stride: Height and width of every batch are multiples of it.
        batch: Images of the network's size that are best given at once.
    """

    stride: int
    batch: int

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalised images (N, C, H, W) float32 -> logits (N, K, H, W) float32.

        Raises:
            DataError: The batch does not fit the network.
            ConfigError: There is not enough memory for it.
        """


class TorchRuntime:
    """A torch network in eval mode, on the device where it lies, with channels-last memory."""

    def __init__(self, model: "SegmentationModel") -> None:
        self._torch: Any = require("torch", extra="train")
        self._model = model.eval().to(memory_format=self._torch.channels_last)
        self._device = next(model.parameters()).device
        self.stride = model.stride
        self.batch = _GPU_BATCH if self._device.type == "cuda" else 1

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        torch = self._torch
        with torch.inference_mode(), _plain_float32(torch, self._device.type):
            try:
                x = torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last)
                logits: NDArray[np.float32] = self._model(x).float().contiguous().cpu().numpy()
            except (RuntimeError, MemoryError) as error:
                if not isinstance(error, MemoryError) and not _says_no_memory(error):
                    raise
                count, _, height, width = batch.shape
                raise ConfigError(
                    f"not enough memory on {self._device} for {count} x {height}x{width} pixels; "
                    "use smaller batches, smaller tiles or another device"
                ) from None
        return logits


def load_runtime(path: Path, device: str = "auto") -> tuple[Runtime, ModelInfo]:
    """Load a trained network to run it.

    Args:
        path: A run folder with ``model.safetensors``, or a ``.safetensors`` file.
        device: "auto" (the first GPU where there is one), "cpu", "cuda", ...

    Raises:
        BundleError: No such file, or see ``checkpoint.load_model``.
        ConfigError: No such device.
        MissingExtraError: torch is not installed.
    """
    if not path.exists():  # before torch is loaded: a typing error is answered at once
        raise BundleError(
            f"{path}: no such file or folder; name a run folder of `bmis train` or its "
            "model.safetensors"
        )
    require("torch", extra="train")
    from bmis.checkpoint import load_model

    model, info = load_model(path, device)
    return TorchRuntime(model), info


def _says_no_memory(error: RuntimeError) -> bool:
    return any(words in str(error).lower() for words in _NO_MEMORY)


@contextmanager
def _plain_float32(torch: Any, device: str) -> Iterator[None]:
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
