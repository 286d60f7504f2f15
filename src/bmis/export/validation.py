"""Validation of graphs against the torch network, on its data set, by the device's engines."""

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
from bmis.data.cases import Case, Dataset
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

_ENGINES = {"onnx": "onnxruntime", "openvino": "openvino", "ncnn": "ncnn"}
_PRECISIONS = {"float32": "fp32", "int8": "int8"}
_CHOICE = 64  # validation images on which int8 graphs are chosen
_SECONDS = 0.5  # least time of a measurement


class Fixed(NamedTuple):
    """A float32 format for one size and one image at a time, which its own library runs.

    Attributes:
        write: Network and size -> bytes.
        run: Bytes, size and stride -> runtime.

    Example:
        >>> FIXED["litert"].run.__name__
        'LitertRuntime'
    """

    write: Callable[[SegmentationModel, tuple[int, int]], bytes]
    run: Callable[[bytes, tuple[int, int], int], Runtime]


FIXED = {
    "executorch": Fixed(to_executorch, ExecutorchRuntime),
    "litert": Fixed(to_litert, LitertRuntime),
}


@dataclass(frozen=True)
class ExportedGraph:
    """A graph and its bytes.

    Attributes:
        graph: Its entry in the manifest.
        contents: One for each of ``graph.files``.

    Example:
        >>> ExportedGraph.of("onnx", "int8", (224, 224), (b"...",)).graph.file
        'model.int8.onnx'
    """

    graph: Graph
    contents: tuple[bytes, ...]

    @classmethod
    def of(
        cls, format: str, precision: str, size: tuple[int, int] | None, contents: tuple[bytes, ...]
    ) -> "ExportedGraph":
        """Make one under the file name that its kind has in every bundle."""
        return cls(Graph(FILES[format, precision][0], format, precision, size), contents)


class Validator:
    """Compares graphs with the torch network that they were made from.

    Args:
        model: The network.
        info: What was saved with the network.
        dataset: Its test split validates graphs; its validation split helps to choose one.

    Attributes:
        info: What was saved with the network.
        dataset: The data set.
        split: The split that validates: "test", or "val" where there is no test split.
        cases: The images of that split.

    Raises:
        DataError: There are neither test nor validation images.

    Example:
        >>> import bmis
        >>> validator = Validator(*bmis.load_model("run"), bmis.open_dataset("polyps"))
        >>> validator.split
        'test'
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
        self.cases = _cases(dataset, self.split)
        self._choice = _cases(dataset, "val")[:_CHOICE] or self.cases
        if not self.cases:
            raise DataError(
                f"{dataset.root}: has no test or validation images to validate the graph on; name "
                "another data set with --data"
            )
        self._reference = Reference(TorchRuntime(model), info, dataset)

    def compare(self, exported: ExportedGraph, cases: Sequence[Case] | None = None) -> Agreement:
        """Run the graph and the network on the same images, by default those that validate."""
        cases = self.cases if cases is None else cases
        return compare(self.load(exported), self._reference, cases)

    def manifest(self, graphs: Sequence[Graph], **quality: Any) -> Manifest:
        """The manifest of a bundle that holds these graphs of the network."""
        return Manifest(self.info, graphs=tuple(graphs), quality=quality, **self._facts)

    def allowance_used(self, exported: ExportedGraph) -> float:
        """The share of the gate's allowances that an int8 graph uses on validation images.

        Choosing a graph on other images than those that validate it keeps the validation honest.
        """
        return allowance_used(self.compare(exported, self._choice))

    def load(self, exported: ExportedGraph) -> Runtime:
        """Load the graph as a device would: out of a bundle."""
        graph = exported.graph
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"validation{SUFFIX}"
            members = dict(zip(graph.files, exported.contents, strict=True))
            write_bundle(path, self.manifest([graph]), members, "# validation\n")
            if graph.format in FIXED:
                content = read_bundle(path).read(graph.file)
                run = FIXED[graph.format].run
                return run(content, self.info.input.size, self._facts["stride"])
            options = RuntimeOptions(
                engine=_ENGINES[graph.format], precision=_PRECISIONS[graph.precision]
            )
            return load_runtime(path, options)[0]

    def seconds(self, exported: ExportedGraph, image: NDArray[np.float32]) -> float:
        """The median time of a call of the graph's engine."""
        return statistics.median(time_calls(partial(self.load(exported), image), seconds=_SECONDS))


def _cases(dataset: Dataset, split: str) -> list[Case]:
    return [case for case in dataset.cases if case.split == split]
