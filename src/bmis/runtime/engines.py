"""What runs an exported graph without torch: ONNX Runtime; OpenVINO and ncnn where installed.

All take the graph as bytes that ``bundle.read_bundle`` has checked, and turn every error of theirs
into one line of ours.
"""

import os
import threading
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bmis.errors import require
from bmis.runtime.engine_errors import cannot_run, engine_error
from bmis.runtime.ncnn_engine import load_ncnn
from bmis.system.processor import computes_bf16, processor_flags

ENGINES = ("onnxruntime", "openvino", "ncnn")
_SILENT = 4  # ONNX Runtime's highest level: only what ends the process goes to stderr
_SHAPES = 2  # that OpenVINO keeps a compiled network for
_EXACT_INT8 = {"avx_vnni", "avx512_vnni"}  # sum products of int8 in 32 bits


class Engine(Protocol):
    """A graph that is ready to run, from any number of threads at once.

    Attributes:
        name: One of ``ENGINES``.

    Example:
        >>> all(engine.name in ENGINES for engine in (OnnxRuntimeEngine, OpenVinoEngine))
        True
    """

    name: str

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalised images (N, C, H, W) float32 in, logits of the graph out.

        Raises:
            BundleError: The graph cannot be run.
            NoMemoryError: There is not enough memory for the batch.
        """


class OnnxRuntimeEngine:
    """ONNX Runtime on the processor.

    Args:
        graph: An ONNX file with the input "image" and the output "logits".
        threads: Threads that share one call, at least 1.
        bf16: Multiply matrices in bf16; see ``engine_has_bf16``.

    Raises:
        BundleError: The graph cannot be loaded.
        NoMemoryError: There is not enough memory for it.

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> graph = read_bundle(find_model_file("nuclei")).read("model.int8.onnx")
        >>> OnnxRuntimeEngine(graph, threads=1)(np.zeros((1, 3, 224, 224), np.float32)).shape
        (1, 2, 224, 224)
    """

    name = "onnxruntime"

    def __init__(self, graph: bytes, *, threads: int, bf16: bool = False) -> None:
        runtime = load_onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # between two calls the cores belong to reading and writing, not to waiting threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if processor_flags().isdisjoint(_EXACT_INT8):
            # x86 without VNNI clips the sum of two products of int8 at 16 bits by default, which
            # cost a lung network 0.04 IoU. The option is set too where the flags are not known
            # (elsewhere than on Linux), because right goes before fast
            options.add_session_config_entry("session.x64quantprecision", "1")
        if bf16:
            options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "1")
        try:
            self._session: Any = runtime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no base of their own
            raise engine_error(self.name, "cannot load the graph", error) from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return self._session.run(["logits"], {"image": batch})[0]  # type: ignore[no-any-return]
        except Exception as error:
            raise engine_error(self.name, cannot_run(batch), error) from error


class OpenVinoEngine:
    """OpenVINO on the processor; compiles the graph for each size of image that comes.

    Calls from several threads take turns, because an inference request serves one of them only.
    That costs no time: with this latency setting OpenVINO computes one request after the other.

    Args:
        graph: An ONNX file, or the XML of an OpenVINO model.
        weights: What belongs to the XML; None for ONNX.
        threads: Threads that share one call, at least 1.
        bf16: Compute in bf16 what is not int8; see ``engine_has_bf16``.

    Raises:
        BundleError: The graph cannot be loaded.
        NoMemoryError: There is not enough memory for it.
        MissingExtraError: OpenVINO is not installed.

    Example:
        >>> from bmis.errors import BmisError
        >>> try:
        ...     OpenVinoEngine(b"no graph", threads=1)
        ... except BmisError as error:
        ...     "export the bundle again" in str(error) or "install it with" in str(error)
        True
    """

    name = "openvino"

    def __init__(
        self, graph: bytes, weights: bytes | None = None, *, threads: int, bf16: bool = False
    ) -> None:
        self._core: Any = _openvino().Core()
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        }
        self._requests: dict[tuple[int, ...], Any] = {}
        self._turn = threading.Lock()
        try:
            self._model = self._core.read_model(graph, weights or b"")
        except Exception as error:  # RuntimeError, or whatever its own classes are
            raise engine_error(self.name, "cannot load the graph", error) from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            with self._turn:
                request = self._request((1, *batch.shape[1:]))
                # image by image: batches gain nothing here, and each size costs a compilation
                answers = [request.infer({0: image[None]}, share_inputs=True)[0] for image in batch]
        except Exception as error:
            raise engine_error(self.name, cannot_run(batch), error) from error
        return np.concatenate(answers) if len(answers) > 1 else answers[0]

    def _request(self, shape: tuple[int, ...]) -> Any:
        """The network compiled for one size: faster than for any size, above all in bf16."""
        if shape not in self._requests:
            while len(self._requests) >= _SHAPES:
                self._requests.pop(next(iter(self._requests)))
            self._model.reshape(list(shape))
            compiled = self._core.compile_model(self._model, "CPU", self._settings)
            self._requests[shape] = compiled.create_infer_request()
        return self._requests[shape]


def installed_engines() -> dict[str, str]:
    """Names of the engines that are installed, with their versions; none of them is loaded.

    Example:
        >>> "onnxruntime" in installed_engines()
        True
    """
    found = {}
    for name in ENGINES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def require_engine(name: str) -> None:
    """Load an engine's package, or raise ``MissingExtraError`` with the install line.

    Example:
        >>> require_engine("onnxruntime")
    """
    {"onnxruntime": load_onnxruntime, "openvino": _openvino, "ncnn": load_ncnn}[name]()


def engine_has_bf16(name: str) -> bool:
    """Whether an installed engine computes in bf16 on this processor.

    Example:
        >>> isinstance(engine_has_bf16("onnxruntime"), bool)
        True
    """
    if name == "openvino":
        return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return name == "onnxruntime" and computes_bf16(name)


def load_onnxruntime() -> ModuleType:
    """The package ``onnxruntime``, silent towards the terminal and the network.

    Example:
        >>> "CPUExecutionProvider" in load_onnxruntime().get_available_providers()
        True
    """
    # from 1.29 on it marks the machine and reports each use over the network, but nothing of
    # medical work leaves the device. The variable is read when the library is loaded
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.set_default_logger_severity(_SILENT)
    onnxruntime.disable_telemetry_events()  # of Windows' own builds, which do not read it
    return onnxruntime  # type: ignore[no-any-return]


def _openvino() -> ModuleType:
    return require("openvino", extra="openvino")
