"""What an ONNX file holds, read from its protobuf bytes without running or building anything.

The field numbers are those of ``onnx.proto``. What is not in the table below is refused rather
than skipped: two readers of the same bytes must not see two different graphs. Nested graphs,
functions and foreign files are refused too, so nothing here goes deeper than the table.
"""

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from bmis.bundle.protobuf import numbers, walk
from bmis.errors import BundleError

_FIELD_LIMIT = 1_000_000  # of a whole file; a large transformer has a fifth of it
# field number -> name, wire type (0 whole number, 1 eight bytes, 2 length and bytes, t the same
# with a text, 5 four bytes) and "*" if it may be there more than once; "!" begins what is refused
_MESSAGES = {
    "model": {
        **{1: "version 0", 2: "producer 2", 3: "producer_version 2", 4: "domain 2"},
        **{5: "model_version 0", 6: "doc 2", 7: "graph 2", 8: "opset 2*", 14: "pair 2*"},
        **{20: "!training information", 25: "!functions", 26: "!device settings"},
    },
    "opset": {1: "domain t", 2: "version 0"},
    "graph": {
        **{1: "node 2*", 2: "name t", 5: "weight 2*", 10: "doc 2", 11: "input 2*"},
        **{12: "output 2*", 13: "between 2*", 14: "!quantisation notes", 15: "!sparse weights"},
        **{16: "pair 2*"},
    },
    "node": {
        **{1: "input t*", 2: "output t*", 3: "name t", 4: "operator t", 5: "attribute 2*"},
        **{6: "doc 2", 7: "domain t", 8: "!functions", 9: "pair 2*", 10: "!device settings"},
    },
    "attribute": {
        **{1: "name t", 2: "float 5", 3: "int 0", 4: "text 2", 5: "tensor 2"},
        **{6: "!nested graphs", 7: "floats 5*", 8: "ints 0*", 9: "texts 2*", 10: "!tensor lists"},
        **{11: "!nested graphs", 13: "doc 2", 14: "!types", 15: "!types", 20: "type 0"},
        **{21: "!functions", 22: "!sparse weights", 23: "!sparse weights"},
    },
    "tensor": {
        **{1: "dims 0*", 2: "type 0", 3: "!segments", 4: "floats 5*", 5: "int32s 0*"},
        **{6: "!texts", 7: "int64s 0*", 8: "name t", 9: "raw 2", 10: "doubles 1*"},
        **{11: "uint64s 0*", 12: "doc 2", 13: "!external data", 14: "location 0", 16: "pair 2*"},
    },
    "value": {1: "name t", 2: "type 2", 3: "doc 2", 4: "pair 2*"},
    "type": {
        **{1: "tensor 2", 4: "!sequences", 5: "!maps", 6: "denotation 2", 7: "!foreign types"},
        **{8: "!sparse weights", 9: "!optional values"},
    },
    "tensor type": {1: "element 0", 2: "shape 2"},
    "shape": {1: "dim 2*"},
    "dim": {1: "value 0", 2: "symbol t", 3: "denotation 2"},
}


class _Part(NamedTuple):
    """One field of the table above."""

    name: str
    wire: int
    repeated: bool
    text: bool
    refused: bool

    @classmethod
    def parse(cls, said: str) -> "_Part":
        if said.startswith("!"):
            return cls(said[1:], 0, False, False, True)
        name, how = said.split(" ")
        return cls(name, int(how[0].replace("t", "2")), how[-1] == "*", how[0] == "t", False)


_TABLE = {
    message: {number: _Part.parse(said) for number, said in parts.items()}
    for message, parts in _MESSAGES.items()
}
# element type -> bytes of one, and the field that may hold them in place of "raw"
_ELEMENTS = {
    **{1: (4, "floats"), 2: (1, "int32s"), 3: (1, "int32s"), 4: (2, "int32s"), 5: (2, "int32s")},
    **{6: (4, "int32s"), 7: (8, "int64s"), 9: (1, "int32s"), 10: (2, "int32s")},
    **{11: (8, "doubles"), 12: (4, "uint64s"), 13: (8, "uint64s"), 16: (2, "int32s")},
}
_PAYLOADS = {"raw": 1, "floats": 4, "doubles": 8, "int32s": 0, "int64s": 0, "uint64s": 0}
_DIMS_LIMIT = 8
_DEFAULT_DOMAINS = ("", "ai.onnx")


class Value(NamedTuple):
    """An input or output.

    Attributes:
        name: Its name.
        element: Element type, 1 for float32.
        dims: Its sides, None where any is taken.
    """

    name: str
    element: int
    dims: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxGraph:
    """What a file was found to hold.

    Attributes:
        inputs: Of the graph.
        outputs: Of the graph.
        opset: Version of the default operators, the only ones.
        operators: Names of those in use.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opset: int
    operators: frozenset[str]


def scan_onnx(data: bytes) -> OnnxGraph:
    """Walk through an ONNX file and tell what is in it; nothing is copied but names.

    Raises:
        BundleError: Cut short, damaged, or with something that no graph of bmis has; the reason
            alone, to stand behind the name of the file.
    """
    return _Scan().model(memoryview(data))


class _Fields:
    """The fields of one message by name: whole numbers, and parts of the file."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[int]] = {}
        self.parts: dict[str, list[memoryview]] = {}

    def number(self, name: str) -> int:
        return self.numbers.get(name, [0])[0]

    def part(self, name: str) -> memoryview:
        return self.parts.get(name, [memoryview(b"")])[0]

    def text(self, name: str) -> str:
        return str(self.part(name), "utf-8")

    def count(self, name: str, width: int) -> int:
        """How many numbers of ``width`` bytes (0: of any length) a repeated field holds."""
        views = self.parts.get(name, [])
        if any(len(view) % width if width else len(view) and view[-1] > 127 for view in views):
            raise BundleError("has numbers that are cut short")
        there = len(self.numbers.get(name, []))
        if width:
            return there + sum(len(view) // width for view in views)
        # of the bytes of one number only the last is below 128
        return there + sum(
            int(np.count_nonzero(np.frombuffer(view, np.uint8) < 128)) for view in views
        )


class _Scan:
    """One walk through a file, with a limit of steps for all of it."""

    def __init__(self) -> None:
        self._left = _FIELD_LIMIT

    def model(self, view: memoryview) -> OnnxGraph:
        fields = self._fields("model", view)
        imports = [self._fields("opset", item) for item in fields.parts.get("opset", [])]
        domains = [item.text("domain") for item in imports]
        for domain in domains:
            if domain not in _DEFAULT_DOMAINS:
                raise BundleError(f"needs foreign operators, {domain[:80]!r}")
        if len(domains) != 1:
            raise BundleError("must name one version of the operators")
        graph = self._fields("graph", fields.part("graph"))
        operators = frozenset(self._node(item) for item in graph.parts.get("node", []))
        inputs = tuple(self._value(item) for item in graph.parts.get("input", []))
        outputs = tuple(self._value(item) for item in graph.parts.get("output", []))
        for item in graph.parts.get("between", []):
            self._value(item)
        weights = {self._tensor(item) for item in graph.parts.get("weight", [])}
        if weights & {value.name for value in inputs}:
            raise BundleError("has an input that is a weight as well")
        return OnnxGraph(inputs, outputs, imports[0].number("version"), operators)

    def _node(self, view: memoryview) -> str:
        fields = self._fields("node", view)
        name, domain = fields.text("operator"), fields.text("domain")
        if domain not in _DEFAULT_DOMAINS:
            raise BundleError(f"uses the foreign operator {name[:80]!r} of {domain[:80]!r}")
        for item in fields.parts.get("attribute", []):
            for tensor in self._fields("attribute", item).parts.get("tensor", []):
                self._tensor(tensor)
        return name

    def _value(self, view: memoryview) -> Value:
        fields = self._fields("value", view)
        kind = self._fields("type", fields.part("type"))
        tensor = self._fields("tensor type", kind.part("tensor"))
        shape = self._fields("shape", tensor.part("shape"))
        sides: list[int | None] = []
        for item in shape.parts.get("dim", []):
            dim = self._fields("dim", item)
            if "value" in dim.numbers and "symbol" in dim.parts:
                raise BundleError("has a side that is both fixed and free")
            sides.append(dim.number("value") if "value" in dim.numbers else None)
        return Value(fields.text("name"), tensor.number("element"), tuple(sides))

    def _tensor(self, view: memoryview) -> str:
        """Check that a tensor holds just the numbers that its shape promises, give its name."""
        fields = self._fields("tensor", view)
        name, kind = fields.text("name"), fields.number("type")
        if fields.number("location"):
            raise BundleError("holds external data")
        if kind not in _ELEMENTS:
            raise BundleError(f"has the weight {name[:80]!r} of the unused type {kind}")
        dims = fields.numbers.get("dims", [])
        for packed in fields.parts.get("dims", []):
            dims += numbers(packed)
        size, field = _ELEMENTS[kind]
        held = {key: fields.count(key, width) for key, width in _PAYLOADS.items()}
        found = held["raw"] or held[field] * size
        others = any(count for key, count in held.items() if key not in ("raw", field))
        if (
            others
            or (held["raw"] and held[field])
            or len(dims) > _DIMS_LIMIT
            or any(side >= 2**31 for side in dims)
            or found != prod(dims) * size
        ):
            raise BundleError(f"has the weight {name[:80]!r}, whose shape does not fit its bytes")
        return name

    def _fields(self, message: str, view: memoryview) -> _Fields:
        known, fields = _TABLE[message], _Fields()
        seen = set()
        for number, wire, value in walk(view):
            self._left -= 1
            if self._left < 0:
                raise BundleError(f"has more than {_FIELD_LIMIT} parts")
            part = known.get(number)
            if part is None or part.refused:
                what = part.name if part else f"parts that bmis does not know ({message} {number})"
                raise BundleError(f"holds {what}")
            if wire != part.wire and not (part.repeated and wire == 2):  # numbers may be packed
                raise BundleError(f"is damaged ({message} {number})")
            if number in seen and not part.repeated:
                raise BundleError(f"says a thing twice ({message} {number})")
            seen.add(number)
            if isinstance(value, int):
                fields.numbers.setdefault(part.name, []).append(value)
            else:
                if part.text:
                    _check_text(value)
                fields.parts.setdefault(part.name, []).append(value)
        return fields


def _check_text(value: memoryview) -> None:
    """Names come back in the engine's own words, which must be text."""
    try:
        str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise BundleError("has a name that is not UTF-8 text") from error
