"""What a graph is proven on: the torch network, its data set, and the engines of the device."""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmis.bundle import FILES, SUFFIX, Graph, Manifest, read_bundle, write_bundle
from bmis.config import ModelInfo, RuntimeOptions
from bmis.data.folder import Case, Dataset
from bmis.data.palette import palette
from bmis.errors import DataError
from bmis.export.executorch import ExecutorchRuntime, to_executorch
from bmis.export.gate import Agreement, Reference, allowance_used, compare
from bmis.export.litert import LitertRuntime, to_litert
from bmis.models import SegmentationModel
from bmis.models.complexity import count_macs
from bmis.runtime.load import Runtime, load_runtime
from bmis.runtime.torch_network import TorchRuntime
from bmis.system.stopwatch import time_calls

_ENGINES = {"onnx": "onnxruntime", "openvino": "openvino"}
_PRECISIONS = {"float32": "fp32", "int8": "int8"}
_CHOICE = 64  # validation images that int8 is chosen by
_SECONDS = 0.5


class Fixed(NamedTuple):
    """A format in float32, for one size and one image at a time, that its own library runs.

    Attributes:
        write: Network and size -> bytes.
        run: Bytes, size and stride -> runtime.
    """

    write: Callable[[SegmentationModel, tuple[int, int]], bytes]
    run: Callable[[bytes, tuple[int, int], int], Runtime]


FIXED = {
    "executorch": Fixed(to_executorch, ExecutorchRuntime),
    "litert": Fixed(to_litert, LitertRuntime),
}
FORMATS = ("onnx", "openvino", *FIXED)


@dataclass(frozen=True)
class ExportedGraph:
    """A graph and its bytes, one for each of ``graph.files``."""

    graph: Graph
    contents: tuple[bytes, ...]

    @classmethod
    def of(
        cls, format: str, precision: str, size: tuple[int, int] | None, contents: tuple[bytes, ...]
    ) -> "ExportedGraph":
        """The graph under the name that its kind has in every bundle."""
        return cls(Graph(FILES[format, precision][0], format, precision, size), contents)


class Validator:
    """Compares graphs with the torch network that they were made from.

    Args:
        model: The network.
        info: What was saved with it.
        dataset: Its test split proves; its validation split helps to choose.

    Attributes:
        info: As given.
        dataset: As given.
        split: That proves: "test", or "val" where there is no test split.
        cases: Its images.

    Raises:
        DataError: There are neither test nor validation images.
    """

    def __init__(self, model: SegmentationModel, info: ModelInfo, dataset: Dataset) -> None:
        self.info, self.dataset = info, dataset
        self._facts: dict[str, Any] = {
            "stride": model.stride,
            "colours": tuple(map(tuple, palette(info.model.num_classes).tolist())),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "macs": count_macs(model, info.input.size),
        }
        self.split = "test" if any(case.split == "test" for case in dataset.cases) else "val"
        self.cases = _of(dataset, self.split)
        self._choice = _of(dataset, "val")[:_CHOICE] or self.cases
        if not self.cases:
            raise DataError(
                f"{dataset.root}: has no test or validation images to prove the graph on; name "
                "another data set with --data"
            )
        self._network = Reference(TorchRuntime(model), info, dataset)

    def compare(self, made: ExportedGraph, cases: Sequence[Case] | None = None) -> Agreement:
        """Judge images by the graph and by the network; the images that prove by default."""
        cases = self.cases if cases is None else cases
        return compare(self.load(made), self._network, cases)

    def manifest(self, graphs: Sequence[Graph], **quality: Any) -> Manifest:
        """Of a bundle with these graphs of the network."""
        return Manifest(self.info, graphs=tuple(graphs), quality=quality, **self._facts)

    def allowance_used(self, made: ExportedGraph) -> float:
        """Of the gate's, by an int8 graph on validation images: those that prove are others."""
        return allowance_used(self.compare(made, self._choice))

    def load(self, made: ExportedGraph) -> Runtime:
        """The graph as a device would load it: out of a bundle."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"proof{SUFFIX}"
            members = dict(zip(made.graph.files, made.contents, strict=True))
            write_bundle(path, self.manifest([made.graph]), members, "# proof\n")
            if made.graph.format in FIXED:
                content = read_bundle(path).read(made.graph.file)
                run = FIXED[made.graph.format].run
                return run(content, self.info.input.size, self._facts["stride"])
            options = RuntimeOptions(
                engine=_ENGINES[made.graph.format], precision=_PRECISIONS[made.graph.precision]
            )
            return load_runtime(path, options)[0]

    def seconds(self, made: ExportedGraph, image: NDArray[np.float32]) -> float:
        """Median time of a call of the graph's engine."""
        return statistics.median(time_calls(partial(self.load(made), image), seconds=_SECONDS))


def _of(dataset: Dataset, split: str) -> list[Case]:
    return [case for case in dataset.cases if case.split == split]
