"""What an ONNX file holds, read without running or building anything."""

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from bmis.bundle.onnx_schema import parse_onnx
from bmis.errors import BundleError

# element type of ONNX -> bytes of one, and the field that may hold them in place of "raw_data"
_ELEMENTS = {
    **{1: (4, "float_data"), 2: (1, "int32_data"), 3: (1, "int32_data"), 4: (2, "int32_data")},
    **{5: (2, "int32_data"), 6: (4, "int32_data"), 7: (8, "int64_data"), 9: (1, "int32_data")},
    **{10: (2, "int32_data"), 11: (8, "double_data"), 12: (4, "uint64_data")},
    **{13: (8, "uint64_data"), 16: (2, "int32_data")},
}
_PAYLOADS = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data")
_DIMS_LIMIT, _SIDE_LIMIT = 8, 2**31
_DEFAULT_DOMAINS = (b"", b"ai.onnx")
_SHOWN = 80  # characters of a foreign name in a message


class Value(NamedTuple):
    """An input or output of a graph.

    Attributes:
        name: Its name.
        element: Its element type, 1 for float32.
        dims: Its sides, None where any length is taken.

    Example:
        >>> Value("image", 1, (None, 3, 224, 224)).dims[1]
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
        operators: Names of the operators in use.

    Example:
        >>> OnnxGraph((), (), 18, frozenset({"Conv", "Relu"})).opset
        18
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opset: int
    operators: frozenset[str]


def scan_onnx(data: bytes) -> OnnxGraph:
    """Find out what is in an ONNX file; see also ``onnx_schema``.

    Raises:
        BundleError: The file is cut short or damaged, or holds something that no graph of bmis
            has; the reason alone, to stand behind the name of the file.

    Example:
        >>> scan_onnx(bytes.fromhex("3a00 42021012"))  # an empty graph, operators of version 18
        OnnxGraph(inputs=(), outputs=(), opset=18, operators=frozenset())
    """
    model = parse_onnx(data)
    graph, opset = model.graph, _opset(model)
    _texts(graph.name)
    operators = frozenset(_operator(node) for node in graph.node)
    inputs, outputs = (tuple(map(_value, values)) for values in (graph.input, graph.output))
    for value in graph.value_info:
        _value(value)
    weights = {_check_tensor(tensor) for tensor in graph.initializer}
    if weights & {value.name for value in inputs}:
        raise BundleError("has an input that is a weight as well")
    return OnnxGraph(inputs, outputs, opset, operators)


def _opset(model: Any) -> int:
    """The version of the operators, of which there must be one."""
    for opset in model.opset_import:
        _texts(opset.domain)
        if opset.domain not in _DEFAULT_DOMAINS:
            raise BundleError(f"needs foreign operators, {_shown(opset.domain)}")
    if len(model.opset_import) != 1:
        raise BundleError("must name one version of the operators")
    return int(model.opset_import[0].version)


def _operator(node: Any) -> str:
    """The name of a node's operator, after a check of all that the node holds."""
    attributes = node.attribute
    names = (attribute.name for attribute in attributes)
    _texts(node.op_type, node.domain, node.name, *node.input, *node.output, *names)
    if node.domain not in _DEFAULT_DOMAINS:
        raise BundleError(
            f"uses the foreign operator {_shown(node.op_type)} of {_shown(node.domain)}"
        )
    for attribute in attributes:
        if attribute.HasField("t"):
            _check_tensor(attribute.t)
    return _text(node.op_type)


def _value(value: Any) -> Value:
    tensor = value.type.tensor_type
    sides = tuple(_side(dim) for dim in tensor.shape.dim)
    return Value(_text(value.name), tensor.elem_type, sides)


def _side(dim: Any) -> int | None:
    _texts(dim.dim_param)
    if not dim.HasField("dim_value"):
        return None
    if dim.HasField("dim_param"):
        raise BundleError("has a side that is both fixed and free")
    return int(dim.dim_value)


def _check_tensor(tensor: Any) -> str:
    """Check that a tensor holds just the numbers that its shape promises, and give its name."""
    name, kind, dims = _text(tensor.name), tensor.data_type, tensor.dims
    if tensor.data_location:
        raise BundleError("holds external data")
    if kind not in _ELEMENTS:
        raise BundleError(f"has the weight {_shown(tensor.name)} of the unused type {kind}")
    size, field = _ELEMENTS[kind]
    held = {payload: count for payload in _PAYLOADS if (count := len(getattr(tensor, payload)))}
    found = held.get("raw_data", 0) or held.get(field, 0) * size
    if (
        len(held) > 1
        or not held.keys() <= {"raw_data", field}
        or len(dims) > _DIMS_LIMIT
        or any(not 0 <= side < _SIDE_LIMIT for side in dims)
        or found != prod(dims) * size
    ):
        raise BundleError(
            f"has the weight {_shown(tensor.name)}, whose shape does not fit its bytes"
        )
    return name


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
