"""The operations of an ONNX file with their weights, without the package ``onnx``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bmis.bundle.onnx_scan import numbers_of, scan_onnx
from bmis.bundle.onnx_schema import model_class
from bmis.bundle.operators.values import Node

__all__ = ["Node", "OnnxNumbers", "read_numbers"]


@dataclass(frozen=True)
class OnnxNumbers:
    """What a graph computes.

    Attributes:
        nodes: The operations in their order.
        constants: The weights, by name.
        output: Name of its first output.

    Example:
        >>> OnnxNumbers((), {}, "logits").output
        'logits'
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    output: str


def read_numbers(data: bytes) -> OnnxNumbers:
    """Read an ONNX file that ``read_bundle`` has checked.

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> read_numbers(read_bundle(find_model_file("nuclei")).read("model.int8.onnx")).output
        'logits'
    """
    found = scan_onnx(data)
    weights = model_class().FromString(data).graph.initializer
    constants = {weight.name.decode(): numbers_of(weight) for weight in weights}
    return OnnxNumbers(found.nodes, constants, found.outputs[0].name)
