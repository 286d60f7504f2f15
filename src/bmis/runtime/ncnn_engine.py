"""ncnn, an engine for the processors of phones and boards."""

import ctypes
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.errors import require
from bmis.runtime.engine_errors import cannot_run, engine_error

_IMAGE, _LOGITS = "in0", "out0"
_NO_MEMORY = -100  # what its layers return then
_address = ctypes.pythonapi.PyCapsule_GetPointer
_address.restype, _address.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class NcnnEngine:
    """ncnn on the processor, in float32.

    Args:
        graph: The ``.param`` of a bundle, for one size of image.
        weights: The ``.bin`` that belongs to it.
        threads: Threads that share one call, at least 1.

    Raises:
        BundleError: The graph cannot be loaded.
        NoMemoryError: There is not enough memory for it.
        MissingExtraError: ncnn is not installed.

    Example:
        >>> from bmis.errors import BmisError
        >>> try:
        ...     NcnnEngine(b"no graph", b"", threads=1)
        ... except BmisError as error:
        ...     "export the bundle again" in str(error) or "install it with" in str(error)
        True
    """

    name = "ncnn"

    def __init__(self, graph: bytes, weights: bytes, *, threads: int) -> None:
        ncnn: Any = load_ncnn()
        self._mat, self._net = ncnn.Mat, ncnn.Net()
        options = self._net.opt
        options.num_threads, options.use_vulkan_compute = threads, False
        # its default is fp16 on processors that compute in it. Its bf16 gave two of 11 networks
        # wrong logits (CMUNeXt-S 1e19, EGE-UNet none; 20261020 on x86), so it is not offered
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_packed = options.use_bf16_storage = False
        try:
            _check(self._net.load_param_mem(graph.decode("ascii")))
            _check(self._net.load_model(_reader(ncnn, weights)))
        except Exception as error:
            raise engine_error(self.name, "cannot load the graph", error) from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return np.stack([self._run(image) for image in batch])
        except Exception as error:
            raise engine_error(self.name, cannot_run(batch), error) from error

    def _run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = np.ascontiguousarray(image)  # a name, for what has none is gone before the copy
        extractor = self._net.create_extractor()
        # a copy, as ncnn wants each channel to begin at a multiple of 16 bytes
        _check(extractor.input(_IMAGE, self._mat(pixels).clone()))
        code, logits = extractor.extract(_LOGITS)
        _check(code)
        return np.array(logits)


def load_ncnn() -> ModuleType:
    """The package ``ncnn``.

    Raises:
        MissingExtraError: It is not installed.

    Example:
        >>> from bmis.errors import MissingExtraError
        >>> try:
        ...     load_ncnn().__name__
        ... except MissingExtraError as error:
        ...     "ncnn"
        'ncnn'
    """
    return require("ncnn", extra="ncnn")


def _check(code: int) -> None:
    if code == _NO_MEMORY:
        raise MemoryError
    if code:
        raise ValueError(f"code {code}")


def _reader(ncnn: Any, weights: bytes) -> Any:
    """Gives ncnn the weights, and never more of them than there are.

    ncnn's own reader of bytes knows no end, and its reader of files would want one on disk.
    """

    class Reader(ncnn.DataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._left = memoryview(weights)

        def read(self, target: object, size: int) -> int:
            part, self._left = self._left[:size], self._left[size:]
            ctypes.memmove(_address(target, None), bytes(part), len(part))
            return len(part)

    return Reader()
