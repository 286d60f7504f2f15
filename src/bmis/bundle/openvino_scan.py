"""What an OpenVINO graph (.xml and .bin) holds, read without OpenVINO."""

import re
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from xml.parsers.expat import ExpatError, ParserCreate

from bmis.errors import BundleError

XML_LIMIT = 64 << 20  # bytes; a large transformer has a tenth of it
_DEPTH_LIMIT = 32
_HEAD = re.compile(rb'\s*<\?xml version="1\.0"\s*\?>')
_OPSET = re.compile(r"opset\d{1,2}")
# layers that hold further graphs, keep a state from image to image, or run what they name
_REFUSED = {"If", "Loop", "TensorIterator", "Assign", "ReadValue", "CustomLayer"}
_NESTED = {"body", "then_body", "else_body", "port_map"}
_BYTES = {
    **{"boolean": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "f16": 2, "bf16": 2},
    **{"i32": 4, "u32": 4, "f32": 4, "i64": 8, "u64": 8, "f64": 8},
}


@dataclass
class IrGraph:
    """What was found in an OpenVINO graph.

    Attributes:
        inputs: Element type ("f32") and sides of each input; None where a side may be any.
        outputs: Element type and sides of each output.
        layers: Number of layers of each type.

    Example:
        >>> IrGraph(inputs=[("f32", (None, 3, 224, 224))]).layers["Convolution"]
        0
    """

    inputs: list[tuple[str, tuple[int | None, ...]]] = field(default_factory=list)
    outputs: list[tuple[str, tuple[int | None, ...]]] = field(default_factory=list)
    layers: Counter[str] = field(default_factory=Counter)


def scan_ir(data: bytes, weights: int) -> IrGraph:
    """Find out what is in an ``.xml`` of OpenVINO.

    Args:
        data: The content of the ``.xml``.
        weights: Length of the ``.bin`` in bytes.

    Raises:
        BundleError: Not XML as OpenVINO writes it, or with something that no graph of bmis has;
            the reason alone, to stand behind the name of the file.

    Example:
        >>> scan_ir(b'<?xml version="1.0"?><net version="11"></net>', weights=0).inputs
        []
        >>> scan_ir(b"<html></html>", weights=0)
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
    return scan.graph


class _Scan:
    """Follows the parser, whose place is ``_path``."""

    def __init__(self, weights: int) -> None:
        self.graph = IrGraph()
        self._weights, self._path = weights, list[str]()
        self._layer, self._precision, self._dims = "", "", list[str]()

    def start(self, name: str, values: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > _DEPTH_LIMIT or name in _NESTED:
            raise BundleError("holds nested graphs")
        place = "/".join(self._path)
        if len(self._path) == 1 and (name != "net" or values.get("version") not in ("10", "11")):
            raise BundleError("is not a graph of a version that bmis knows (10 or 11)")
        if place == "net/layers/layer":
            self._start_layer(values)
        elif place == "net/layers/layer/data":
            self._start_data(values)
        elif place == "net/layers/layer/input/port":
            self._precision, self._dims = values.get("precision", ""), []
        elif place == "net/layers/layer/input/port/dim":
            self._dims.append("")

    def end(self, _: str) -> None:
        place = "/".join(self._path)
        if place == "net/layers/layer/input/port" and self._layer == "Result":
            self.graph.outputs.append(
                (self._precision.lower().replace("fp", "f"), _sides(self._dims))
            )
        self._path.pop()

    def text(self, text: str) -> None:
        if self._path[-1] == "dim" and self._dims:
            self._dims[-1] += text

    def _start_layer(self, values: dict[str, str]) -> None:
        self._layer, opset = values.get("type", ""), values.get("version", "")
        self.graph.layers[self._layer] += 1
        if not _OPSET.fullmatch(opset):
            raise BundleError(f"uses the foreign layer {self._layer[:80]!r} of {opset[:80]!r}")
        if self._layer in _REFUSED:
            raise BundleError(f"uses the layer {self._layer}, which bmis does not run")

    def _start_data(self, values: dict[str, str]) -> None:
        kind, sides = values.get("element_type", ""), _sides(values.get("shape", "").split(","))
        if self._layer == "Parameter":
            self.graph.inputs.append((kind, sides))
        if self._layer != "Const":
            return
        if kind not in _BYTES or None in sides:
            raise BundleError(f"has a constant of the unused type {kind[:80]!r} or of any size")
        offset, size = (_whole(values.get(name, "")) for name in ("offset", "size"))
        if offset is None or size is None or offset + size > self._weights:
            raise BundleError("has a constant that is not in its .bin")
        if prod(side or 0 for side in sides) * _BYTES[kind] != size:
            raise BundleError("has a constant whose shape does not fit its bytes")


def _sides(texts: list[str]) -> tuple[int | None, ...]:
    """Sides of a shape; what is not a plain number ("?", "-1", "1..8") may be any."""
    return tuple(_whole(text.strip()) for text in texts if text.strip())


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None
