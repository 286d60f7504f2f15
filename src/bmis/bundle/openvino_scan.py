"""What an OpenVINO graph (.xml and .bin) holds, read without OpenVINO."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np

from bmis.bundle.operators.openvino import OPERATORS
from bmis.bundle.operators.openvino_rules import TYPES
from bmis.bundle.operators.values import Node, Value, known_if_small
from bmis.bundle.work import allowed
from bmis.errors import BundleError

XML_LIMIT = 64 << 20  # bytes; a large transformer has a tenth of it
_HEAD = re.compile(rb'\s*<\?xml version="1\.0"\s*\?>')
_LAYER, _EDGE = "net/layers/layer", "net/edges/edge"
_PLACES: dict[
    str, set[str]
] = {  # where an element may stand, and what it may hold; "rt_info" is for people to read
    "net": {"name", "version"},
    _LAYER: {"id", "name", "type", "version", "output_names"},
    _EDGE: {"from-layer", "from-port", "to-layer", "to-port"},
    **{f"{_LAYER}/{way}/port": {"id", "precision", "names"} for way in ("input", "output")},
    **{f"{_LAYER}/{way}/port/dim": set() for way in ("input", "output")},
    **{f"net/{place}": set() for place in ("layers", "edges", "layers/layer/input")},
    f"{_LAYER}/output": set(),
}
_DATA, _NOTES = f"{_LAYER}/data", "net/rt_info"
_DEPTH_LIMIT = 32
_ENDS = {"Parameter": {"shape", "element_type"}, "Result": set[str]()}
_CONST = {"element_type", "shape", "offset", "size"}


@dataclass
class _Layer:
    """A layer as the XML holds it."""

    type: str
    data: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


@dataclass
class IrGraph:
    """What was found in an OpenVINO graph.

    Attributes:
        inputs: Element type ("f32") and sides of each input; None where a side may be any.
        outputs: Element type and sides of each output.
        layers: Number of layers of each type.
        nodes: The operations in their order.
        constants: The weights, by name.
        ends: Names of the values of the inputs and outputs.

    Example:
        >>> IrGraph(inputs=[("f32", (None, 3, 224, 224))]).layers["Convolution"]
        0
    """

    inputs: list[tuple[str, tuple[int | None, ...]]] = field(default_factory=list)
    outputs: list[tuple[str, tuple[int | None, ...]]] = field(default_factory=list)
    layers: Counter[str] = field(default_factory=Counter)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Value] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)


def scan_ir(data: bytes, weights: bytes) -> IrGraph:
    """Find out what is in an ``.xml`` of OpenVINO.

    Args:
        data: The content of the ``.xml``.
        weights: The content of the ``.bin``.

    Raises:
        BundleError: Not XML as OpenVINO writes it, or with something that no graph of bmis has;
            the reason alone, to stand behind the name of the file.

    Example:
        >>> scan_ir(b'<?xml version="1.0"?><net version="11"></net>', weights=b"").inputs
        []
        >>> scan_ir(b"<html></html>", weights=b"")
        Traceback (most recent call last):
        bmis.errors.BundleError: is not plain XML as OpenVINO writes it
    """
    head = _HEAD.match(data)
    # "<!" begins a document type, entities, comments and hidden text. Another encoding would hide
    # it from this search, but not from a reader that guesses encodings
    if not head or b"<!" in data or b"<?" in data[head.end() :] or b"\0" in data:
        raise BundleError("is not plain XML as OpenVINO writes it")
    if len(data) > XML_LIMIT:
        raise BundleError(f"has {len(data)} bytes, the limit is {XML_LIMIT}")
    scan = _Scan(weights)
    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = scan.start
    parser.EndElementHandler = scan.end
    parser.CharacterDataHandler = scan.text
    try:
        parser.Parse(data, True)
    except ExpatError as error:
        raise BundleError(f"is not whole XML ({error})") from error
    scan.finish()
    return scan.graph


class _Scan:
    """Follows the parser, whose place is ``_path``."""

    def __init__(self, weights: bytes) -> None:
        self.graph = IrGraph()
        self._weights, self._path = weights, list[str]()
        self._layers, self._edges = dict[str, _Layer](), dict[str, str]()
        self._precision, self._dims = "", list[str]()

    def start(self, name: str, values: dict[str, str]) -> None:
        self._path.append(name)
        place = "/".join(self._path)
        if place == "net" and values.get("version") not in ("10", "11"):
            raise BundleError("is not a graph of a version that bmis knows (10 or 11)")
        if len(self._path) > _DEPTH_LIMIT:
            raise BundleError("is nested too deep")
        if self._path[:2] == _NOTES.split("/"):
            return
        if place == _DATA:
            self._last.data |= values
            return
        if place not in _PLACES or not values.keys() <= _PLACES[place]:
            raise BundleError(f"holds {place[-80:]!r} as bmis does not write it")
        self._enter(place, values)

    def _enter(self, place: str, values: dict[str, str]) -> None:
        if place == _LAYER:
            self._start_layer(values)
        elif place == _EDGE:
            self._start_edge(values)
        elif place.endswith("/port"):
            ports = self._last.inputs if "/input/" in place else self._last.outputs
            ports.append(values.get("id", ""))
            self._precision, self._dims = values.get("precision", ""), []
        elif place.endswith("/dim"):
            self._dims.append("")

    def end(self, _: str) -> None:
        place = "/".join(self._path)
        if place == f"{_LAYER}/input/port" and self._last.type == "Result":
            self.graph.outputs.append(
                (self._precision.lower().replace("fp", "f"), _sides(self._dims))
            )
        self._path.pop()

    def text(self, text: str) -> None:
        if self._path[-1] == "dim" and self._dims:
            self._dims[-1] += text

    @property
    def _last(self) -> _Layer:
        return next(reversed(self._layers.values()))

    def _start_layer(self, values: dict[str, str]) -> None:
        kind, opset = values.get("type", ""), values.get("version", "")
        number = values.get("id", "")
        self.graph.layers[kind] += 1
        if number in self._layers:
            raise BundleError(f"has the layer {number[:80]!r} twice")
        wanted = OPERATORS[kind].version if kind in OPERATORS else "opset1"
        if opset != wanted:
            raise BundleError(f"uses the foreign layer {kind[:80]!r} of {opset[:80]!r}")
        self._layers[number] = _Layer(kind)

    def _start_edge(self, values: dict[str, str]) -> None:
        source, target = (
            f"{values.get(f'{way}-layer', '')}.{values.get(f'{way}-port', '')}"
            for way in ("from", "to")
        )
        if target in self._edges:
            raise BundleError(f"has two edges to {target[:80]!r}")
        self._edges[target] = source

    def finish(self) -> None:
        """Make nodes and constants of the layers, once all edges are known."""
        for number, layer in self._layers.items():
            inputs = tuple(self._edges.pop(f"{number}.{port}", "") for port in layer.inputs)
            outputs = tuple(f"{number}.{port}" for port in layer.outputs)
            if "" in inputs or len({*outputs}) < len(outputs):
                raise BundleError(f"has the layer {number[:80]!r} with ports that lead nowhere")
            if layer.type in _ENDS:
                self._finish_end(layer, inputs or outputs)
            elif layer.type == "Const":
                self.graph.constants.update(dict.fromkeys(outputs, self._constant(layer.data)))
            else:
                attributes = allowed(OPERATORS, layer.type, layer.data, len(inputs))
                self.graph.nodes.append(Node(layer.type, inputs, outputs, attributes))
        if self._edges:
            raise BundleError("has edges that lead nowhere")

    def _finish_end(self, layer: _Layer, names: tuple[str, ...]) -> None:
        if layer.data.keys() != _ENDS[layer.type] or len(names) != 1:
            raise BundleError(f"has a {layer.type} as bmis does not write it")
        self.graph.ends[layer.type] = names[0]
        if layer.type == "Parameter":
            sides = _sides(layer.data["shape"].split(","))
            self.graph.inputs.append((layer.data["element_type"], sides))

    def _constant(self, values: Mapping[str, str]) -> Value:
        if values.keys() != _CONST:
            raise BundleError("has a constant as bmis does not write it")
        kind, sides = values["element_type"], _sides(values["shape"].split(","))
        shape = tuple(side for side in sides if side is not None)
        if kind not in TYPES or len(shape) < len(sides):
            raise BundleError(f"has a constant of the unused type {kind[:80]!r} or of any size")
        offset, size = (_whole(values[name]) for name in ("offset", "size"))
        if offset is None or size is None or offset + size > len(self._weights):
            raise BundleError("has a constant that is not in its .bin")
        dtype = TYPES[kind]
        if prod(shape) * dtype.itemsize != size:
            raise BundleError("has a constant whose shape does not fit its bytes")
        view = memoryview(self._weights)[offset : offset + size]
        return known_if_small(dtype, shape, lambda: np.frombuffer(view, dtype).copy())


def _sides(texts: list[str]) -> tuple[int | None, ...]:
    """Sides of a shape; what is not a plain number ("?", "-1", "1..8") may be any."""
    return tuple(_whole(text.strip()) for text in texts if text.strip())


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None
