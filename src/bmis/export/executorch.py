"""Graphs for ExecuTorch: phones and boards, by the kernels of XNNPACK."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bmis.errors import require
from bmis.export.library_calls import silence_stderr, wrap_library_errors
from bmis.export.rewrite import rewrite
from bmis.models import SegmentationModel

_KIND = "an ExecuTorch program"


def to_executorch(model: SegmentationModel, size: tuple[int, int]) -> bytes:
    """The ``.pte`` of a network: (1, C, H, W) float32 -> (1, K, H, W) float32, method "forward".

    Args:
        model: Left as it is.
        size: Height and width, the only ones that it will take.

    Raises:
        ConfigError: ExecuTorch has no way to write this network.
        MissingExtraError: ExecuTorch is not installed.
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
    """A ``.pte`` run by ExecuTorch's own runtime; see ``runtime.Runtime`` for what it promises.

    Args:
        graph: From ``to_executorch``.
        size: That it was made for.
        stride: Of the network.

    Raises:
        ConfigError: ExecuTorch lacks a kernel for the network.
        MissingExtraError: ExecuTorch is not installed.
    """

    batch = 1

    def __init__(self, graph: bytes, size: tuple[int, int], stride: int) -> None:
        self.size: tuple[int, int] | None = size
        self.stride = stride
        with wrap_library_errors(_KIND), silence_stderr():
            runtime: Any = require("executorch.runtime", extra="executorch")
            # the method reads its weights from the program, which must therefore live as long
            self._program: Any = runtime.Runtime.get().load_program(graph)
            self._method: Any = self._program.load_method("forward")

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        images = torch.from_numpy(np.ascontiguousarray(batch))
        with wrap_library_errors(_KIND):
            # the answer lies in the method's own memory, which the next image overwrites
            answers = [self._method.execute([image[None]])[0].numpy().copy() for image in images]
        return np.concatenate(answers)
