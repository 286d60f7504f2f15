"""Graphs for ExecuTorch, which runs on phones and boards, here with the kernels of XNNPACK."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bmis.errors import require
from bmis.export.external_calls import silence_stderr, wrap_library_errors
from bmis.export.rewrite import rewrite
from bmis.models import SegmentationModel

_KIND = "an ExecuTorch program"


def to_executorch(model: SegmentationModel, size: tuple[int, int]) -> bytes:
    """Write a network as a ``.pte``: (1, C, H, W) float32 -> (1, K, H, W) float32, "forward".

    The model that is given stays as it is.

    Args:
        model: The network.
        size: Height and width in pixels, the only ones that the graph takes.

    Raises:
        ConfigError: ExecuTorch cannot write this network.
        MissingExtraError: ExecuTorch is not installed.

    Example:
        >>> import bmis
        >>> graph = to_executorch(bmis.load_model("run")[0], (64, 64))
    """
    plain = rewrite(model).to(memory_format=torch.contiguous_format)
    image = torch.zeros(1, model.in_channels, *size)
    with wrap_library_errors(_KIND), silence_stderr():
        exir: Any = require("executorch.exir", extra="executorch")
        xnnpack: Any = require(
            "executorch.backends.xnnpack.partition.xnnpack_partitioner", extra="executorch"
        )
        program = exir.to_edge_transform_and_lower(
            torch.export.export(plain, (image,)), partitioner=[xnnpack.XnnpackPartitioner()]
        )
        return bytes(program.to_executorch().buffer)


class ExecutorchRuntime:
    """A ``.pte`` run by ExecuTorch's own runtime; keeps the promises of ``runtime.load.Runtime``.

    Args:
        graph: What ``to_executorch`` returns.
        size: Height and width that the graph takes.
        stride: Stride of the network.

    Raises:
        ConfigError: ExecuTorch lacks a kernel for the network.
        MissingExtraError: ExecuTorch is not installed.

    Example:
        >>> import bmis
        >>> graph = to_executorch(bmis.load_model("run")[0], (64, 64))
        >>> runtime = ExecutorchRuntime(graph, (64, 64), 4)
        >>> runtime(np.zeros((1, 3, 64, 64), np.float32)).shape
        (1, 2, 64, 64)
    """

    batch = 1

    def __init__(self, graph: bytes, size: tuple[int, int], stride: int) -> None:
        self.size: tuple[int, int] | None = size
        self.stride = stride
        with wrap_library_errors(_KIND), silence_stderr():
            runtime: Any = require("executorch.runtime", extra="executorch")
            # kept alive, because the method reads its weights from the program
            self._program: Any = runtime.Runtime.get().load_program(graph)
            self._method: Any = self._program.load_method("forward")

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        images = torch.from_numpy(np.ascontiguousarray(batch))
        with wrap_library_errors(_KIND):
            # copied, because the method writes every answer to the same memory
            answers = [self._method.execute([image[None]])[0].numpy().copy() for image in images]
        return np.concatenate(answers)
