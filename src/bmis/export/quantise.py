"""An ONNX graph in int8: static, weights per channel, ranges from real images.

Products of activations with activations (attention) stay in float, and so do small but delicate
operators (sigmoids, means, softmax). Where the rest as a whole does not meet the target, more of it
stays in float, and measurements decide which parts: each part is quantised alone and ranked by its
sensitivity, which is what that does to the logits. The most sensitive parts go back to float: one,
two, four, and so on. Their weights are still stored in int8 (see ``weight_packing``).
"""

import ast
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmis.errors import require
from bmis.export.external_calls import wrap_library_errors
from bmis.export.weight_packing import pack_weights
from bmis.runtime.engines import OnnxRuntimeEngine, load_onnxruntime
from bmis.system.processor import usable_cores
from bmis.system.progress import track

if TYPE_CHECKING:
    import onnx

Images = NDArray[np.float32]
AllowanceUsed = Callable[["onnx.ModelProto"], float]

TARGET = 0.5  # share of the gate's allowances, on other images than the gate's

_OPERATORS = (
    "Add", "AveragePool", "Concat", "Conv", "ConvTranspose", "DepthToSpace", "Gemm", "MatMul",
    "MaxPool", "Mul", "Relu", "Reshape", "Resize", "Transpose",
)  # fmt: skip
_LAYOUT = ("Reshape", "Transpose")
_BETWEEN = "(between modules)"
_RANKING = 8  # images on which parts are ranked
_MOST_PARTS = 32  # if there are more, parts are the modules above them


@dataclass(frozen=True)
class Quantised:
    """An int8 graph and how it was found.

    Attributes:
        graph: The graph in QDQ form: each quantised operator lies between DequantizeLinear and
            QuantizeLinear.
        sensitivity: For each part of the network, the error of the logits with only that part
            quantised: root mean square error over root mean square. Empty where the whole graph
            met the target at once.
        kept: The parts that went back to float.
        tries: How many parts were in float in each try, and the share of the allowances it used.

    Example:
        >>> import onnx
        >>> tries = ((0, 0.7), (1, 0.4))
        >>> found = Quantised(onnx.ModelProto(), {"stage_1": 0.03}, ("stage_1",), tries)
        >>> found.kept
        ('stage_1',)
    """

    graph: "onnx.ModelProto"
    sensitivity: Mapping[str, float]
    kept: tuple[str, ...]
    tries: tuple[tuple[int, float], ...]


def quantise(graph: "onnx.ModelProto", images: Images, allowance_used: AllowanceUsed) -> Quantised:
    """Make an int8 graph that meets the target with few parts in float.

    If none meets the target, the nearest is returned.

    Args:
        graph: What ``to_onnx`` returns, with the names of its modules.
        images: (n, C, H, W) normalised; see ``read_calibration``.
        allowance_used: Gives the share of what is allowed that a graph uses; ``TARGET`` or less
            is good enough.

    Raises:
        MissingExtraError: onnx is not installed.

    Example:
        >>> from onnx import parser
        >>> text = "tiny (float[N,3,8,8] image) => (float[N,3,8,8] logits) { logits = Relu(image) }"
        >>> graph = parser.parse_model('<ir_version: 10, opset_import: ["": 18]>' + text)
        >>> images = np.ones((8, 3, 8, 8), np.float32)
        >>> quantise(graph, images, lambda int8: 0.2).tries
        ((0, 0.2),)
    """
    best = pack_weights(_int8(graph, images, ()))
    least = allowance_used(best)
    kept: tuple[str, ...] = ()
    tries = [(0, least)]
    if least <= TARGET:
        return Quantised(best, {}, kept, tuple(tries))
    parts = _parts(graph)
    sensitivity = _rank_parts(graph, images[:_RANKING], parts)
    worst_first = sorted(sensitivity, key=lambda part: -sensitivity[part])
    count = 1
    while count < len(parts) and least > TARGET:
        floats = [node for part in worst_first[:count] for node in parts[part]]
        candidate = pack_weights(_int8(graph, images, floats))
        if not _is_quantised(candidate):
            break  # what is left is between parts in float, and so in float itself
        used = allowance_used(candidate)
        tries.append((count, used))
        if used < least:
            best, least, kept = candidate, used, tuple(worst_first[:count])
        count *= 2  # few tries, because each takes as long as a hundred images
    return Quantised(best, sensitivity, kept, tuple(tries))


def _is_quantised(graph: "onnx.ModelProto") -> bool:
    return any(node.op_type == "DequantizeLinear" for node in graph.graph.node)


def _rank_parts(
    graph: "onnx.ModelProto", images: Images, parts: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """The sensitivity of each part."""
    exact = _logits(graph, images)
    scale = float(np.sqrt(np.square(exact).mean())) or 1.0
    every = {node for nodes in parts.values() for node in nodes}
    sensitivity = {}
    for part, nodes in track(parts.items(), "ranking parts for int8", total=len(parts)):
        others = sorted(every - set(nodes))
        off = _logits(_int8(graph, images, others), images) - exact
        sensitivity[part] = float(np.sqrt(np.square(off).mean())) / scale
    return sensitivity


def _parts(graph: "onnx.ModelProto") -> dict[str, list[str]]:
    """Nodes that can be quantised, by their module; two levels deep, unless that gives too many."""
    named = [(node.name, _scope(node)) for node in _candidates(graph)]
    for depth in (2, 1):
        parts: dict[str, list[str]] = {}
        for name, scope in named:
            part = scope[min(depth, len(scope)) - 1] if scope else _BETWEEN
            parts.setdefault(part, []).append(name)
        if len(parts) <= _MOST_PARTS:
            break
    return parts


def _scope(node: "onnx.NodeProto") -> list[str]:
    """Modules around a node, outermost first: ["stage_1", "stage_1.0", ...]."""
    text = next((p.value for p in node.metadata_props if p.key.endswith("name_scopes")), "[]")
    scope = ast.literal_eval(text)
    return [name for name in scope[1:-1] if name]


def _candidates(graph: "onnx.ModelProto") -> Iterator["onnx.NodeProto"]:
    """The nodes that can be quantised."""
    constants = {tensor.name: tensor for tensor in graph.graph.initializer}
    attention = _attention(graph, set(constants))
    features = _features(graph)
    for node in graph.graph.node:
        if node.op_type not in _OPERATORS or node.name in attention:
            continue
        if not features & {*node.output}:
            continue  # shapes and indices, of which not one may be off
        weights = [constants[name] for name in node.input if name in constants]
        if node.op_type == "Conv" and weights and list(weights[0].dims[:2]) == [1, 1]:
            continue  # on the means of the channels: few numbers, and a sigmoid follows
        if node.op_type == "Conv" and weights and _widens_channels(weights[0], node):
            continue  # slower in int8 than in float
        if node.op_type in ("Add", "Mul") and weights:
            continue  # factors of a norm, for which one range of all channels is too coarse
        yield node


def _features(graph: "onnx.ModelProto") -> set[str]:
    """The values that depend on what is in the image, not on its size alone."""
    found = {value.name for value in graph.graph.input}
    for node in graph.graph.node:
        if node.op_type != "Shape" and found & {*node.input}:
            found |= {*node.output}
    return found


def _widens_channels(weight: "onnx.TensorProto", node: "onnx.NodeProto") -> bool:
    """Whether a convolution has several filters for each single channel."""
    groups = next((one.i for one in node.attribute if one.name == "group"), 1)
    return bool(weight.dims[1] == 1 and 1 < groups < weight.dims[0])


def _attention(graph: "onnx.ModelProto", constants: set[str]) -> set[str]:
    """Products of activations with activations, and what only changes their factors' layout."""
    makers = {name: node for node in graph.graph.node for name in node.output}
    found: set[str] = set()
    waiting = [
        node
        for node in graph.graph.node
        if node.op_type in ("MatMul", "Gemm") and not constants & {*node.input}
    ]
    while waiting:
        node = waiting.pop()
        found.add(node.name)
        behind = (makers[name] for name in node.input if name in makers)
        waiting += [n for n in behind if n.op_type in _LAYOUT and n.name not in found]
    return found


def _int8(graph: "onnx.ModelProto", images: Images, floats: Sequence[str]) -> "onnx.ModelProto":
    """The graph in QDQ form, except for the nodes in ``floats``."""
    import onnx

    load_onnxruntime()
    quantization: Any = require("onnxruntime.quantization", extra="export")
    chosen = {node.name for node in _candidates(graph)} - set(floats)
    with tempfile.TemporaryDirectory() as folder, wrap_library_errors("an int8 graph"):
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, source)  # from a file, because a graph in memory would be changed
        quantization.quantize_static(
            source,
            target,
            _Reader(images),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=list(_OPERATORS),
            nodes_to_quantize=sorted(chosen),
        )
        return onnx.load(target)


class _Reader:
    """The images one by one, in the way that ONNX Runtime's calibration reads them."""

    def __init__(self, images: Images) -> None:
        self._waiting = iter(images)

    def get_next(self) -> dict[str, Images] | None:
        """The next image as the inputs of the graph, None after the last."""
        image = next(self._waiting, None)
        return None if image is None else {"image": image[None]}


def _logits(graph: "onnx.ModelProto", images: Images) -> Images:
    run = OnnxRuntimeEngine(graph.SerializeToString(), threads=usable_cores())
    return np.concatenate([run(image[None]) for image in images])
