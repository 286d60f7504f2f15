"""What is in a graph of ncnn, read without ncnn: a ``.param`` of text and a ``.bin`` of weights.

ncnn trusts both: it follows counts, sizes and names without asking. So the text must be written in
the one way that ``export.ncnn`` writes it, which leaves two readers nothing to differ about; every
value is made once and used once; and the weights take the very bytes that the layers ask for.
"""

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from bmis.bundle.operators.ncnn import ENDS, OPERATORS
from bmis.bundle.operators.ncnn_weights import Weight, weights_of
from bmis.bundle.operators.values import Computation, Node, Value
from bmis.bundle.work import allowed
from bmis.errors import BundleError

MAGIC = "7767517"
PARAM_LIMIT = 4 << 20  # bytes; the largest network of bmis has a hundredth
IMAGE, LOGITS = "in0", "out0"
_MANY = ("Slice", "Split")  # layers of several outputs
_FLAG = bytes(4)  # before weights that may be packed in other ways: these are plain float32
_FLOAT = np.dtype("float32")
_LAYER = re.compile(r"\w{1,32} \w{1,64} [0-9]{1,4} [0-9]{1,4}(?: \S+)*", re.ASCII)
_NAME = re.compile(r"\w{1,64}", re.ASCII)
_PARAM = re.compile(r"(0|[1-9][0-9]?)=(\S+)|-233([0-9]{2})=([1-9][0-9]?),(\S+)")
# ncnn keeps 15 characters of a number, counts the decimals in 32 bits, and takes a whole number
# for a broken one where it expects a float
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,9})")
_REAL = re.compile(r"-?[0-9]{1,9}\.[0-9]{1,9}(?:e[-+][0-9]{2})?")
_DIGITS = 15


def scan_ncnn(data: bytes, weights: bytes) -> Computation:
    r"""Find out what is in a ``.param`` of ncnn, which does not say for what size of image it is.

    Args:
        data: The content of the ``.param``.
        weights: The content of the ``.bin``.

    Raises:
        BundleError: Not a text as bmis writes it, or with something that no graph of bmis has; the
            reason alone, to stand behind the name of the file.

    Example:
        >>> text = b"7767517\n2 2\nInput 0 0 1 in0\nReLU 1 1 1 in0 out0\n"
        >>> [node.operator for node in scan_ncnn(text, b"").nodes]
        ['Input', 'ReLU', 'Output']
        >>> scan_ncnn(b"7767517\n", b"")
        Traceback (most recent call last):
        bmis.errors.BundleError: is not a graph as bmis writes it for ncnn
    """
    if len(data) > PARAM_LIMIT:
        raise BundleError(f"has {len(data)} bytes, the limit is {PARAM_LIMIT}")
    lines = data.decode("ascii", "replace").split("\n")
    if len(lines) < 4 or lines[0] != MAGIC or lines[-1]:
        raise BundleError("is not a graph as bmis writes it for ncnn")
    scan = _Scan(weights)
    for line in lines[2:-1]:
        scan.layer(line)
    return scan.finish(lines[1])


class _Scan:
    """Reads one layer after the other, and its weights."""

    def __init__(self, weights: bytes) -> None:
        self._nodes, self._constants = list[Node](), dict[str, Value]()
        self._weights, self._offset = weights, 0
        self._open, self._made = set[str](), set[str]()  # values that wait for a use; all values
        self._layers = 0

    def layer(self, line: str) -> None:
        kind, ins, outs, attributes = _fields(line)
        self._layers += 1
        if not outs or (len(outs) > 1 and kind not in _MANY):
            raise BundleError(f"has a {kind} of {len(outs)} outputs, which bmis does not write")
        self._connect(ins, outs)
        if kind == "Input":
            if self._layers > 1 or attributes or outs != (IMAGE,) or ins:
                raise BundleError("has an Input as bmis does not write it")
            self._nodes.append(Node(kind, ("image",), outs, {}))
            return
        if kind in ENDS:
            raise BundleError(f"uses the operator {kind!r}, which bmis does not write")
        checked = allowed(OPERATORS, kind, attributes, len(ins))
        names = tuple(
            self._weight(f"{self._layers}:{number}", weight)
            for number, weight in enumerate(self._wanted(kind, checked))
        )
        if kind == "MemoryData":
            self._constants.update(dict.fromkeys(outs, self._constants.pop(names[0])))
        else:
            self._nodes.append(Node(kind, ins + names, outs, checked))

    def _connect(self, ins: tuple[str, ...], outs: tuple[str, ...]) -> None:
        for name in ins:
            if name not in self._open:
                raise BundleError(f"uses {name!r} twice, or before it is made")
            self._open.remove(name)
        for name in outs:
            if name in self._made:
                raise BundleError(f"makes {name!r} twice")
            self._made.add(name)
            self._open.add(name)

    def _wanted(self, kind: str, attributes: Mapping[str, Any]) -> list[Weight]:
        try:
            return weights_of(kind, attributes)
        except KeyError as error:
            raise BundleError(f"has a {kind} without its parameter {error.args[0]}") from None

    def _weight(self, name: str, weight: Weight) -> str:
        """Take the bytes of a weight off the ``.bin``."""
        if weight.flagged:
            if self._weights[self._offset : self._offset + len(_FLAG)] != _FLAG:
                raise BundleError("has weights in its .bin that are not plain float32")
            self._offset += len(_FLAG)
        self._offset += prod(weight.shape) * _FLOAT.itemsize
        if self._offset > len(self._weights):
            raise BundleError("has weights that are not in its .bin")
        self._constants[name] = Value(_FLOAT, weight.shape, fixed=True)
        return name

    def finish(self, counts: str) -> Computation:
        if self._offset != len(self._weights):
            raise BundleError("has a .bin that is longer than its weights")
        if counts != f"{self._layers} {len(self._made)}":
            raise BundleError("counts its layers or values wrongly")
        if self._open != {LOGITS}:
            raise BundleError(f"must have one output, {LOGITS!r}")
        self._nodes.append(Node("Output", (LOGITS,), ("logits",), {}))
        operators = {**OPERATORS, **ENDS}
        return Computation(tuple(self._nodes), self._constants, "image", "logits", operators)


def _fields(line: str) -> tuple[str, tuple[str, ...], tuple[str, ...], dict[str, Any]]:
    """Type, inputs, outputs and parameters of a layer; a list of values is a tuple."""
    if not _LAYER.fullmatch(line):
        raise BundleError(f"has a layer as bmis does not write it ({line[:60]!a})")
    kind, _, ins, outs, *rest = line.split(" ")
    first, last = int(ins), int(ins) + int(outs)
    names = rest[:last]
    if len(names) < last or not all(map(_NAME.fullmatch, names)):
        raise BundleError(f"has a {kind} whose inputs and outputs are not named")
    attributes: dict[str, Any] = {}
    for name, value in map(_parameter, rest[last:]):
        if name in attributes:
            raise BundleError(f"has a {kind} with the parameter {name} twice")
        attributes[name] = value
    return kind, tuple(names[:first]), tuple(names[first:]), attributes


def _parameter(text: str) -> tuple[str, Any]:
    found = _PARAM.fullmatch(text)
    if found is None:
        raise BundleError(f"has a parameter as bmis does not write it ({text[:40]!a})")
    name, value, long_name, count, values = found.groups()
    if name is not None:
        return name, _number(value)
    parts = values.split(",")
    if len(parts) != int(count):
        raise BundleError(f"has a list that is not as long as it says ({text[:40]!a})")
    return str(int(long_name)), tuple(_numbers(parts))


def _numbers(parts: list[str]) -> Iterator[int | float]:
    found = [_number(part) for part in parts]
    if len({type(number) for number in found}) > 1:
        raise BundleError("has a list of whole numbers and others")
    yield from found


def _number(text: str) -> int | float:
    if len(text) <= _DIGITS and _WHOLE.fullmatch(text):
        return int(text)
    if len(text) <= _DIGITS and _REAL.fullmatch(text):
        return float(text)
    raise BundleError(f"has a number as bmis does not write it ({text[:40]!a})")
