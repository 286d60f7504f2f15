"""A network as a plan: what the page computes with its own kernels, without onnxruntime-web.

Most networks of bmis consist of five operations, for which ``local/kernels.c`` is several times
faster in WebAssembly than a runtime that knows all of ONNX, and a thousand times smaller. A plan is
made of the int8 graph of a bundle: values between operations become float32, as if nothing had been
quantised, and weights become integers again, of more bits than eight. Their products are summed in
32 bits, and the unit of each filter is so large that no sum can overflow.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.bundle.onnx_numbers import Node, OnnxNumbers, read_numbers

LARGEST = 4095  # of a quantised value, as in kernels.c
_SUM = 2**31 - 1
_INT16 = 2**15 - 1
_LANES = 8  # filters at once
_NO_LIMIT = float(np.finfo(np.float32).max)

Array = NDArray[Any]


class _LackError(Exception):
    """The graph needs what the kernels lack."""


@dataclass(frozen=True)
class Plan:
    """What ``local/plan.js`` does for a network.

    Attributes:
        steps: The operations in their order; each has "op", the values it takes and gives, and its
            numbers. "at" is the place of its weights in bytes.
        weights: Of all steps.

    Example:
        >>> Plan(({"op": "add", "from": ["a", "b"], "to": "c"},), b"").steps[0]["op"]
        'add'
    """

    steps: tuple[dict[str, Any], ...]
    weights: bytes


def make_plan(graph: bytes) -> Plan | None:
    """The plan of a graph that ``read_bundle`` has checked; None where the kernels lack something.

    Example:
        >>> from bmis.bundle import read_bundle
        >>> from bmis.pretrained.lookup import find_model_file
        >>> plan = make_plan(read_bundle(find_model_file("nuclei")).read("model.int8.onnx"))
        >>> sorted({step["op"] for step in plan.steps})
        ['add', 'conv', 'depthwise', 'enlarge', 'planes']
    """
    try:
        return _Planner(read_numbers(graph)).plan()
    except _LackError:
        return None


class _Planner:
    def __init__(self, graph: OnnxNumbers) -> None:
        self._nodes, self._output = graph.nodes, graph.output
        self._constants = dict(graph.constants)
        self._same: dict[str, str] = {}  # value -> what is passed on under its name
        self._users = Counter(name for node in graph.nodes for name in node.inputs)
        self._users[graph.output] += 1
        self._steps: dict[str, dict[str, Any]] = {}  # by the value that they give
        self._taken: dict[str, str] = {}  # by the same, the first value that they take
        self._weights = bytearray()

    def plan(self) -> Plan:
        for node in self._nodes:
            if node.inputs and all(name in self._constants for name in node.inputs if name):
                self._constants[node.outputs[0]] = _computed(node, self._constants)
            elif node.operator == "DequantizeLinear":
                self._same[node.outputs[0]] = node.inputs[0]
            else:
                self._add(node)
        last = self._steps.pop(self._source(self._output), None)
        if last is None:
            raise _LackError
        if last["op"] != "planes":
            self._steps[last["to"]] = last
            last = {"op": "planes", "from": [last["to"]], "to": "", "block": 1}
        steps = (*self._steps.values(), last)
        if any(step["op"] == "planes" for step in steps[:-1]):
            raise _LackError
        return Plan(steps, bytes(self._weights))

    def _source(self, name: str) -> str:
        while name in self._same:
            name = self._same[name]
        return name

    def _add(self, node: Node) -> None:
        makers = {
            "Conv": self._convolution,
            **dict.fromkeys(("Clip", "Relu", "QuantizeLinear"), self._limit),
            "Add": self._sum,
            "Resize": self._enlarge,
            "DepthToSpace": self._planes,
        }
        if node.operator not in makers:
            raise _LackError
        makers[node.operator](node)

    def _step(self, op: str, node: Node, **values: Any) -> None:
        """A step that gives the node's output."""
        inputs = [name for name in node.inputs if name and name not in self._constants]
        to = node.outputs[0]
        self._taken[to] = node.inputs[0]
        self._steps[to] = {"op": op, "from": [self._source(one) for one in inputs], "to": to}
        self._steps[to] |= values

    def _convolution(self, node: Node) -> None:
        weight = self._constants.get(node.inputs[1])
        if weight is None or weight.ndim != 4 or weight.shape[0] % 4:
            raise _LackError
        given = node.attributes
        filters, depth, *kernel = weight.shape
        groups = given.get("group", 1)
        if set(given.get("dilations", (1,))) != {1}:
            raise _LackError
        bias = np.zeros(filters) if len(node.inputs) < 3 else self._constants.get(node.inputs[2])
        if bias is None:
            raise _LackError
        alone = groups > 1
        if alone and not (groups == filters and depth == 1 and kernel[0] == kernel[1]):
            raise _LackError
        values = {
            "kernel": kernel,
            "strides": list(given.get("strides", (1, 1))),
            "pads": list(given.get("pads", (0, 0, 0, 0))),
            "channels": [filters if alone else depth, filters],
            "low": -_NO_LIMIT,
            "high": _NO_LIMIT,
            "at": len(self._weights),
        }
        if alone:
            self._keep(weight[:, 0].transpose(1, 2, 0), bias)
        else:
            self._keep(*pack(weight), _wide(bias))
        self._step("depthwise" if alone else "conv", node, **values)

    def _keep(self, *arrays: Array) -> None:
        for array in arrays:
            kind = "<i2" if array.dtype == np.int16 else "<f4"
            self._weights += np.ascontiguousarray(array, kind).tobytes()
            self._weights += bytes(-len(self._weights) % 16)

    def _limit(self, node: Node) -> None:
        """A Clip, Relu or quantisation becomes part of what it follows.

        What it cuts off counts: the quantiser leaves out a Relu where the range of its integers
        does the same.
        """
        low, high = self._bounds(node)
        if self._source(node.inputs[0]) in self._steps:
            step = self._limited(node.inputs[0])
            step["low"], step["high"] = max(step["low"], low), min(step["high"], high)
        elif node.operator != "QuantizeLinear":
            raise _LackError
        # else it is of the image, whose values the quantiser has seen from end to end
        self._same[node.outputs[0]] = node.inputs[0]

    def _limited(self, name: str) -> dict[str, Any]:
        """The step that computes a value which nobody sees but by this name."""
        while self._users[name] == 1 and name in self._same:
            name = self._same[name]
        if self._users[name] > 1:
            raise _LackError
        step = self._steps[name]
        # a step without limits only moves values
        return step if "high" in step else self._limited(self._taken[name])

    def _bounds(self, node: Node) -> tuple[float, float]:
        if node.operator == "Relu":
            return 0.0, _NO_LIMIT
        values = [self._constants.get(name) for name in node.inputs[1:]]
        if node.operator == "QuantizeLinear":
            scale, zero = (*values, None)[:2]
            if scale is None or zero is None or scale.size > 1:
                raise _LackError
            kind, unit, moved = np.iinfo(zero.dtype), float(scale.item()), int(zero.item())
            return (kind.min - moved) * unit, (kind.max - moved) * unit
        low, high = (*values, None, None)[:2]
        return (
            -_NO_LIMIT if low is None else float(low.item()),
            _NO_LIMIT if high is None else float(high.item()),
        )

    def _sum(self, node: Node) -> None:
        if any(name in self._constants for name in node.inputs):
            raise _LackError
        self._step("add", node, low=-_NO_LIMIT, high=_NO_LIMIT)

    def _enlarge(self, node: Node) -> None:
        given = node.attributes
        scales = self._constants.get(node.inputs[2]) if len(node.inputs) == 3 else None
        usual = (
            given.get("mode", "nearest"),
            given.get("coordinate_transformation_mode"),
            given.get("nearest_mode"),
        )
        if scales is None or usual != ("nearest", "asymmetric", "floor") or scales.shape != (4,):
            raise _LackError
        by = int(scales[2])
        if scales.tolist() != [1, 1, by, by]:
            raise _LackError
        self._step("enlarge", node, by=by)

    def _planes(self, node: Node) -> None:
        self._step("planes", node, block=node.attributes["blocksize"])


def _computed(node: Node, constants: Mapping[str, Array]) -> Array:
    """A constant that the graph makes of constants."""
    values = [constants[name] for name in node.inputs if name]
    if node.operator == "Cast" and node.attributes["to"] == 1:
        return values[0].astype(np.float32)
    if node.operator == "Mul":
        return np.asarray(values[0] * values[1])
    if node.operator == "DequantizeLinear":
        stored, scale, *zero = values
        if scale.ndim:
            sides = [1] * stored.ndim
            sides[node.attributes.get("axis", 1)] = -1
            scale, zero = scale.reshape(sides), [one.reshape(sides) for one in zero]
        moved = stored.astype(np.int64) - (zero[0].astype(np.int64) if zero else 0)
        return (moved * scale.astype(np.float64)).astype(np.float32)
    raise _LackError


def _wide(values: Array) -> Array:
    """Values of the filters, filled up with zeros."""
    return np.pad(values, (0, -len(values) % _LANES))


def pack(weight: Array) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Filters (N, C, h, w) as integers, (N / 8, h * w * C / 2, 8, 2), and the units of each.

    Example:
        >>> integers, units = pack(np.ones((8, 2, 1, 1), np.float32))
        >>> integers.shape, float(units[0] * integers[0, 0, 0, 0])
        ((1, 1, 8, 2), 1.0)
    """
    rows = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1).astype(np.float64)
    rows = np.pad(rows, ((0, -len(rows) % _LANES), (0, rows.shape[1] % 2)))
    inner = rows.shape[1]
    # half a unit of rounding each may come on top of the sum
    room = _SUM / LARGEST - inner / 2
    sizes = np.abs(rows)
    units = np.maximum(sizes.sum(1) / room, sizes.max(1) / _INT16)
    units[units == 0] = 1
    integers = np.rint(rows / units[:, None]).astype(np.int16)
    packed = integers.reshape(-1, _LANES, inner // 2, 2).transpose(0, 2, 1, 3)
    return packed, units.astype(np.float32)
