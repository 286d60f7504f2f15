"""Runs a bundle on the processor: which of its graphs, by which engine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.bundle import Bundle, Graph, read_bundle
from bmis.config import RuntimeOptions
from bmis.errors import ConfigError, DataError
from bmis.runtime.autotune import fastest
from bmis.runtime.engines import (
    Engine,
    OnnxRuntimeEngine,
    OpenVinoEngine,
    engine_has_bf16,
    installed_engines,
    require_engine,
)
from bmis.runtime.ncnn_engine import NcnnEngine
from bmis.system.processor import processor_name, usable_cores

_FORMATS = {  # engine, precision -> formats of graphs that it runs, best first
    ("onnxruntime", "float32"): ("onnx",),
    ("onnxruntime", "int8"): ("onnx",),
    ("openvino", "float32"): ("openvino", "onnx"),
    # int8 in its own format alone: OpenVINO 2026.4 brings the process down on ONNX graphs that
    # concatenate in int8
    ("openvino", "int8"): ("openvino",),
    ("ncnn", "float32"): ("ncnn",),
    ("ncnn", "int8"): (),
}
_PRECISIONS = {  # choice of --precision -> precisions of graphs, best first
    "auto": ("int8", "float32"),
    "fp32": ("float32",),
    "bf16": ("float32",),
    "int8": ("int8",),
}


class BundleRuntime:
    """A graph of a bundle, run by an engine; see ``runtime.load.Runtime`` for what it promises.

    Args:
        engine: The engine, with the graph loaded.
        bundle: The bundle that the graph comes from.
        graph: The graph.

    Attributes:
        engine: The engine.
        graph: The graph.

    Example:
        >>> from bmis.pretrained.lookup import find_model_file
        >>> runtime, _ = load_bundle(find_model_file("nuclei"), RuntimeOptions("cpu"))
        >>> runtime.graph.precision
        'int8'
    """

    batch = 1  # a processor gains nothing from more

    def __init__(self, engine: Engine, bundle: Bundle, graph: Graph) -> None:
        self.engine, self.graph = engine, graph
        self.stride, self.size = bundle.manifest.stride, graph.size
        self._channels = bundle.manifest.info.input.channels
        self._bundle, self._counted = bundle, {bundle.manifest.info.input.size}

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        sides = batch.shape[2:]
        fits = sides == self.size if self.size else not any(side % self.stride for side in sides)
        if batch.ndim != 4 or batch.shape[1] != self._channels or not fits or not batch.size:
            sizes = "{}x{}".format(*self.size) if self.size else f"multiples of {self.stride}"
            raise DataError(
                f"this bundle takes batches of shape (N, {self._channels}, H, W), H and W {sizes}; "
                f"got {batch.shape}"
            )
        self._count_work((batch.shape[2], batch.shape[3]))
        return self.engine(batch)

    def _count_work(self, size: tuple[int, int]) -> None:
        """Follow an image of a new size through the graph, before an engine does."""
        if size not in self._counted:
            self._bundle.count_work(self.graph, size)
            self._counted.add(size)


def load_bundle(path: Path, options: RuntimeOptions) -> tuple[BundleRuntime, Bundle]:
    """Load a bundle to run it, by the engine and in the precision that are asked for.

    The parts of an int8 graph that are in float are computed in float32, as when the graph was
    checked.

    Where several engines will do with ``engine="auto"``, or two precisions with
    ``precision="auto"``, they are timed against each other, well below a second each, and the
    result is remembered; see ``fastest``.

    Raises:
        BundleError: See ``bundle.read_bundle``; or no engine can run the graph.
        ConfigError: The bundle has no graph of this precision, the processor has no bf16, or a
            device other than the processor is asked for.
        MissingExtraError: The engine that was asked for is not installed.

    Example:
        >>> from bmis.pretrained.lookup import find_model_file
        >>> runtime, bundle = load_bundle(find_model_file("nuclei"), RuntimeOptions("cpu"))
        >>> runtime.stride == bundle.manifest.stride
        True
    """
    if options.device not in ("auto", "cpu"):
        raise ConfigError(
            f"{path}: bundles run on the processor, not on {options.device!r}; leave the device out"
        )
    bundle = read_bundle(path)
    installed = installed_engines()
    ways = _ways(bundle, options, tuple(installed))
    threads = options.threads or usable_cores()
    bf16 = options.precision == "bf16"
    starts = {
        f"{engine} {installed[engine]} {'bf16' if bf16 else graph.precision}": partial(
            _start, bundle, graph, engine, threads=threads, bf16=bf16
        )
        for engine, graph in ways
    }
    if len(starts) == 1:
        return next(iter(starts.values()))(), bundle
    question = " | ".join(map(str, (bundle.digest, processor_name(), threads, *starts)))
    spec = bundle.manifest.info.input
    image = np.zeros((1, spec.channels, *spec.size), np.float32)
    return fastest(question, starts, image), bundle


def runnable(bundle: Bundle) -> tuple[tuple[str, str], ...]:
    """Installed engines, each with every precision that it has for a bundle on this machine.

    Example:
        >>> from bmis.pretrained.lookup import find_model_file
        >>> ("onnxruntime", "int8") in runnable(read_bundle(find_model_file("nuclei")))
        True
    """
    found = []
    for engine in installed_engines():
        for precision, (kind, *_) in _PRECISIONS.items():
            if precision == "auto" or (precision == "bf16" and not engine_has_bf16(engine)):
                continue
            if _graph(bundle, engine, kind) is not None:
                found.append((engine, precision))
    return tuple(found)


def _ways(
    bundle: Bundle, options: RuntimeOptions, installed: tuple[str, ...]
) -> list[tuple[str, Graph]]:
    """The engines that will do, each with a graph that it would run; at least one, best first."""
    if options.engine != "auto":
        require_engine(options.engine)
    names = installed if options.engine == "auto" else (options.engine,)
    precisions = _PRECISIONS[options.precision]
    found = ((name, _graph(bundle, name, kind)) for kind in precisions for name in names)
    ways = [(name, graph) for name, graph in found if graph is not None]
    if not ways:
        held = ", ".join(f"{graph.format} {graph.precision}" for graph in bundle.manifest.graphs)
        raise ConfigError(
            f"{bundle.path}: has no {precisions[-1]} graph for {' or '.join(names)}, only {held}; "
            "choose another engine or precision, or export it again"
        )
    if options.precision == "bf16":
        ways = [(name, graph) for name, graph in ways if engine_has_bf16(name)]
        if not ways:
            raise ConfigError(
                f"no bf16 by {' or '.join(names)} on this processor ({processor_name()}); use fp32 "
                "or int8, or OpenVINO on a processor with AVX-512 bf16"
            )
    return ways


def _graph(bundle: Bundle, engine: str, precision: str) -> Graph | None:
    found = (bundle.find(format_, precision) for format_ in _FORMATS[engine, precision])
    return next((graph for graph in found if graph is not None), None)


def _start(bundle: Bundle, graph: Graph, engine: str, *, threads: int, bf16: bool) -> BundleRuntime:
    kinds = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVinoEngine, "ncnn": NcnnEngine}
    start: Callable[..., Engine] = kinds[engine]
    files = [bundle.read(file) for file in graph.files]
    options = {"bf16": True} if bf16 else {}  # which ncnn does not know
    return BundleRuntime(start(*files, threads=threads, **options), bundle, graph)
