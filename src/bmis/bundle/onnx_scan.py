"""What an ONNX file holds, read without running or building anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bmis.bundle.onnx_schema import parse_onnx
from bmis.bundle.operators.onnx import OPERATORS
from bmis.bundle.operators.onnx_rules import TYPES
from bmis.bundle.operators.values import Node, Value, known_if_small
from bmis.bundle.work import allowed
from bmis.errors import BundleError

_FIELDS = {1: "float_data", 7: "int64_data"}  # that may hold numbers in place of "raw_data"
_FIELDS |= dict.fromkeys((2, 3, 6, 9), "int32_data")
_ATTRIBUTES = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints"}  # type -> the field that holds it
_PAYLOADS = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data")
_DIMS_LIMIT, _SIDE_LIMIT = 8, 2**31
_DEFAULT_DOMAINS = (b"", b"ai.onnx")
_SHOWN = 80  # characters of a foreign name in a message


class Port(NamedTuple):
    """An input or output of a graph.

    Attributes:
        name: Its name.
        element: Its element type, 1 for float32.
        dims: Its sides, None where any length is taken.

    Example:
        >>> Port("image", 1, (None, 3, 224, 224)).dims[1]
        3
    """

    name: str
    element: int
    dims: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxGraph:
    """What was found in an ONNX file.

    Attributes:
        inputs: Inputs of the graph.
        outputs: Outputs of the graph.
        opset: Version of ONNX's own operators; there are no others.
        nodes: The operations in their order.
        constants: The weights, by name.

    Example:
        >>> OnnxGraph((), (), 18, (), {}).operators
        frozenset()
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, Value]

    @property
    def operators(self) -> frozenset[str]:
        """Names of the operators in use."""
        return frozenset(node.operator for node in self.nodes)


def scan_onnx(data: bytes) -> OnnxGraph:
    """Find out what is in an ONNX file; see also ``onnx_schema``.

    Raises:
        BundleError: The file is cut short or damaged, or holds something that no graph of bmis
            has; the reason alone, to stand behind the name of the file.

    Example:
        >>> scan_onnx(bytes.fromhex("3a00 42021012")).opset  # an empty graph
        18
    """
    model, lengths = parse_onnx(data)
    graph, opset = model.graph, _opset(model)
    _texts(graph.name)
    nodes = tuple(map(_node, graph.node))
    inputs, outputs = (tuple(map(_value, values)) for values in (graph.input, graph.output))
    for value in graph.value_info:
        _value(value)
    constants: dict[str, Value] = {}
    for place, tensor in enumerate(graph.initializer):
        name, found = _check_tensor(tensor, lengths.get(place, 0))
        if name in constants:
            raise BundleError(f"has the weight {name[:_SHOWN]!r} twice")
        constants[name] = found
    if constants.keys() & {value.name for value in inputs}:
        raise BundleError("has an input that is a weight as well")
    return OnnxGraph(inputs, outputs, opset, nodes, constants)


def _opset(model: Any) -> int:
    """The version of the operators, of which there must be one."""
    for opset in model.opset_import:
        _texts(opset.domain)
        if opset.domain not in _DEFAULT_DOMAINS:
            raise BundleError(f"needs foreign operators, {_shown(opset.domain)}")
    if len(model.opset_import) != 1:
        raise BundleError("must name one version of the operators")
    return int(model.opset_import[0].version)


def _node(node: Any) -> Node:
    """A node, after a check of all that it holds."""
    names = (attribute.name for attribute in node.attribute)
    _texts(node.op_type, node.domain, node.name, *node.input, *node.output, *names)
    if node.domain not in _DEFAULT_DOMAINS:
        raise BundleError(
            f"uses the foreign operator {_shown(node.op_type)} of {_shown(node.domain)}"
        )
    operator, inputs, outputs = (
        _text(node.op_type),
        *(tuple(map(_text, names)) for names in (node.input, node.output)),
    )
    given = {_text(attribute.name): _given(attribute) for attribute in node.attribute}
    if len(given) < len(node.attribute):
        raise BundleError(f"has a {operator[:_SHOWN]} with an attribute twice")
    return Node(operator, inputs, outputs, allowed(OPERATORS, operator, given, len(inputs)))


def _given(attribute: Any) -> Any:
    """What an attribute holds, in the one field that its type says."""
    field = _ATTRIBUTES.get(attribute.type, "")
    held = {one.name for one, _ in attribute.ListFields()} - {"name", "type", "doc_string"}
    if not field or not held <= {field}:
        raise BundleError(f"has an attribute {_shown(attribute.name)} of an unused type")
    value = getattr(attribute, field)
    if isinstance(value, bytes):
        return _text(value)
    return value if isinstance(value, int | float) else tuple(value)


def _value(value: Any) -> Port:
    tensor = value.type.tensor_type
    sides = tuple(_side(dim) for dim in tensor.shape.dim)
    return Port(_text(value.name), tensor.elem_type, sides)


def _side(dim: Any) -> int | None:
    _texts(dim.dim_param)
    if not dim.HasField("dim_value"):
        return None
    if dim.HasField("dim_param"):
        raise BundleError("has a side that is both fixed and free")
    return int(dim.dim_value)


def _check_tensor(tensor: Any, cut: int) -> tuple[str, Value]:
    """Check that a tensor holds just the numbers that its shape promises; gives its name too."""
    name, kind, dims = _text(tensor.name), TYPES.get(tensor.data_type), tensor.dims
    if tensor.data_location:
        raise BundleError("holds external data")
    if kind is None:
        raise BundleError(
            f"has the weight {_shown(tensor.name)} of the unused type {tensor.data_type}"
        )
    held = {payload: count for payload in _PAYLOADS if (count := len(getattr(tensor, payload)))}
    if cut:
        held["raw_data"] = cut
    field = next(iter(held), "raw_data")
    found = held.get(field, 0) * (1 if field == "raw_data" else kind.itemsize)
    if (
        len(held) > 1
        or field not in ("raw_data", _FIELDS.get(tensor.data_type))
        or len(dims) > _DIMS_LIMIT
        or any(not 0 <= side < _SIDE_LIMIT for side in dims)
        or found != prod(dims) * kind.itemsize
    ):
        raise BundleError(
            f"has the weight {_shown(tensor.name)}, whose shape does not fit its bytes"
        )
    return name, known_if_small(kind, tuple(dims), partial(_numbers, tensor, field, kind))


def numbers_of(tensor: Any) -> NDArray[Any]:
    """The numbers of a weight whose tensor has been checked.

    Example:
        >>> from bmis.bundle.onnx_schema import model_class
        >>> weight = model_class()().graph.initializer.add(dims=[2], data_type=7)
        >>> weight.int64_data.extend([3, 4])
        >>> numbers_of(weight).tolist()
        [3, 4]
    """
    kind = TYPES[tensor.data_type]
    held = (payload for payload in _PAYLOADS if len(getattr(tensor, payload)))
    return _numbers(tensor, next(held, "raw_data"), kind).reshape(tensor.dims)


def _numbers(tensor: Any, field: str, kind: np.dtype[Any]) -> NDArray[Any]:
    if field == "raw_data":
        return np.frombuffer(tensor.raw_data, kind.newbyteorder("<")).astype(kind)
    return np.array(getattr(tensor, field), np.int64 if kind.kind in "biu" else kind).astype(kind)


def _texts(*parts: bytes) -> None:
    """Check names: they come back in the engine's own messages, which must be text."""
    _text(b" ".join(parts))


def _text(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError as error:
        raise BundleError("has a name that is not UTF-8 text") from error


def _shown(name: bytes) -> str:
    return repr(_text(name)[:_SHOWN])
