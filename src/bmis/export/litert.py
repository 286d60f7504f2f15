"""Graphs for LiteRT (formerly TensorFlow Lite): phones, boards and microcontrollers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bmis.errors import require
from bmis.export.external_calls import silence_stderr, wrap_library_errors
from bmis.export.rewrite import rewrite
from bmis.models import SegmentationModel
from bmis.system.processor import usable_cores

_KIND = "a LiteRT model"


def to_litert(model: SegmentationModel, size: tuple[int, int]) -> bytes:
    """Write a network as a ``.tflite``: (1, C, H, W) float32 -> (1, K, H, W) float32.

    The model that is given stays as it is.

    Args:
        model: The network.
        size: Height and width in pixels, the only ones that the graph takes.

    Raises:
        ConfigError: LiteRT cannot write this network.
        MissingExtraError: LiteRT's converter is not installed.

    Example:
        >>> import bmis
        >>> graph = to_litert(bmis.load_model("run")[0], (64, 64))
    """
    plain = rewrite(model).to(memory_format=torch.contiguous_format)
    image = torch.zeros(1, model.in_channels, *size)
    with wrap_library_errors(_KIND), silence_stderr():
        converter: Any = require("litert_torch", extra="litert")
        return bytes(converter.convert(plain, (image,)).model_content())


class LitertRuntime:
    """A ``.tflite`` run by LiteRT's interpreter; keeps the promises of ``runtime.load.Runtime``.

    Args:
        graph: What ``to_litert`` returns.
        size: Height and width that the graph takes.
        stride: Stride of the network.

    Raises:
        ConfigError: LiteRT lacks a kernel for the network.
        MissingExtraError: LiteRT's interpreter is not installed.

    Example:
        >>> import bmis
        >>> graph = to_litert(bmis.load_model("run")[0], (64, 64))
        >>> runtime = LitertRuntime(graph, (64, 64), 4)
        >>> runtime(np.zeros((1, 3, 64, 64), np.float32)).shape
        (1, 2, 64, 64)
    """

    batch = 1

    def __init__(self, graph: bytes, size: tuple[int, int], stride: int) -> None:
        self.size: tuple[int, int] | None = size
        self.stride = stride
        with wrap_library_errors(_KIND), silence_stderr():
            module: Any = require("ai_edge_litert.interpreter", extra="litert")
            self._interpreter: Any = module.Interpreter(
                model_content=graph, num_threads=usable_cores()
            )
            self._interpreter.allocate_tensors()
        self._image = self._interpreter.get_input_details()[0]["index"]
        self._logits = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([self._run(image[None]) for image in batch])

    def _run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        with wrap_library_errors(_KIND):
            self._interpreter.set_tensor(self._image, image)
            self._interpreter.invoke()
            logits: NDArray[np.float32] = self._interpreter.get_tensor(self._logits)
            return logits
