"""What it takes to run a graph on an image, found from shapes alone before anything is loaded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bmis.bundle.operators.values import Check, Computation, Node, Operator, Value
from bmis.errors import BundleError
from bmis.wording import counted

# For each pixel of the image, several times what the hungriest network of bmis needs; and at least
# so much for any image
_BYTES_A_PIXEL, _LEAST_BYTES = 1 << 14, 1 << 28
_WORK_A_PIXEL, _LEAST_WORK = 2 * 10**7, 10**10
_UNPACKED = 4  # times the bytes of weights in int8, when they are float32
_MOST_NODES = 50_000  # a large transformer has a tenth of them


@dataclass(frozen=True)
class Work:
    """What a graph takes for one image.

    Attributes:
        bytes: The most memory that its tensors take at a time, weights left out.
        multiplications: About how many multiplications it computes.
        logits: Shape of what it gives.

    Example:
        >>> Work(602112, 3 * 224 * 224, (1, 3, 224, 224)).bytes
        602112
    """

    bytes: int
    multiplications: int
    logits: tuple[int, ...]


def count_work(graph: Computation, image: tuple[int, int, int]) -> Work:
    """Follow an image through a graph by its shape.

    Args:
        graph: The graph.
        image: Channels, height and width.

    Raises:
        BundleError: An operator does not fit its inputs, uses what is not there yet, or reaches
            outside a tensor; or the graph takes more memory or time than networks do. The reason
            alone, to stand behind the name of the file.

    Example:
        >>> count_work(Computation((), {}, "image", "image", {}), (3, 32, 48)).bytes
        18432
    """
    if len(graph.nodes) > _MOST_NODES:
        raise BundleError(f"has {len(graph.nodes)} operators, the limit is {_MOST_NODES}")
    return _Count(graph, image).run()


class _Count:
    """The values so far, and what they take."""

    def __init__(self, graph: Computation, image: tuple[int, int, int]) -> None:
        self._graph = graph
        self._values = {**graph.constants}
        self._uses = Counter(name for node in graph.nodes for name in set(node.inputs))
        self._uses[graph.logits] += 1
        self._size = f"{image[1]}x{image[2]} pixels"
        pixels = image[1] * image[2]
        weights = sum(value.bytes for value in graph.constants.values())
        self._most_bytes = _LEAST_BYTES + _BYTES_A_PIXEL * pixels + _UNPACKED * weights
        self._most_work = _LEAST_WORK + _WORK_A_PIXEL * pixels
        self._loaded = set[str]()
        self._live = self._peak = self._work = 0
        self._add([(graph.image, Value(np.dtype("float32"), (1, *image)))])

    def run(self) -> Work:
        for node in self._graph.nodes:
            self._step(node)
        if self._graph.logits not in self._values:
            raise BundleError(f"never makes its output {self._graph.logits[:40]!r}")
        return Work(self._peak, self._work, self._values[self._graph.logits].shape)

    def _step(self, node: Node) -> None:
        operator = self._graph.operators[node.operator]
        try:
            inputs = [self._values[name] if name else None for name in node.inputs]
        except KeyError as error:
            raise BundleError(f"uses {error.args[0][:40]!r} before it is made") from None
        try:
            outputs = operator.rule(node, inputs)
            self._work += operator.work(node, inputs, outputs)
            scratch = operator.scratch(node, inputs, outputs)
        except (ValueError, LookupError, TypeError, ArithmeticError) as error:
            raise BundleError(_misfit(node, error)) from None
        if len(outputs) < len(node.outputs):
            raise BundleError(_misfit(node, ValueError(counted(len(node.outputs), "output"))))
        fixed = all(value is None or value.fixed for value in inputs)
        if not fixed:
            self._loaded |= {*node.inputs}
        named = zip(node.outputs, outputs, strict=False)
        self._add([(name, value._replace(fixed=fixed)) for name, value in named], scratch)
        self._free(node)

    def _add(self, values: Sequence[tuple[str, Value]], scratch: int = 0) -> None:
        for name, value in values:
            if name in self._values:
                raise BundleError(f"makes {name[:40]!r} twice")
            self._values[name] = value
            self._live += value.bytes
        self._peak = max(self._peak, self._live + scratch)
        for what, found, most in (
            ("bytes of memory", self._peak, self._most_bytes),
            ("multiplications", self._work, self._most_work),
        ):
            if found > most:
                raise BundleError(f"takes {found} {what} for {self._size}, the limit is {most}")

    def _free(self, node: Node) -> None:
        """Give back what no later node needs; what is made of weights once, on loading, stays."""
        for name in {*node.inputs, *node.outputs} - {""}:
            self._uses[name] -= name in node.inputs
            kept = name in self._graph.constants or (
                self._values[name].fixed and name in self._loaded
            )
            if self._uses[name] <= 0 and not kept:
                self._live -= self._values[name].bytes


def _misfit(node: Node, error: Exception) -> str:
    reason = " ".join(str(error).split())[:120]
    return f"has a {node.operator} that does not fit its inputs ({reason})"


def allowed(
    operators: Mapping[str, Operator], name: str, attributes: Mapping[str, Any], inputs: int
) -> Mapping[str, Any]:
    """The attributes of a node, checked and parsed.

    Args:
        operators: The operators of the format.
        name: Operator of the node.
        attributes: Its attributes as the file holds them.
        inputs: Number of its inputs.

    Raises:
        BundleError: bmis does not write this operator, or not with these attributes.

    Example:
        >>> relu = {"Relu": Operator(lambda node, inputs: [], (1, 1), {})}
        >>> allowed(relu, "Loop", {}, inputs=1)
        Traceback (most recent call last):
        bmis.errors.BundleError: uses the operator 'Loop', which bmis does not write
    """
    if name not in operators:
        raise BundleError(f"uses the operator {name[:40]!r}, which bmis does not write")
    operator = operators[name]
    if not operator.inputs[0] <= inputs <= operator.inputs[1]:
        raise BundleError(f"has a {name} of {inputs} inputs, which bmis does not write")
    return {key: _checked(name, operator, key, given) for key, given in attributes.items()}


def _checked(name: str, operator: Operator, key: str, given: Any) -> Any:
    check: Check | None = operator.attributes.get(key)
    try:
        if check is not None:
            return check(given)
    except (ValueError, OverflowError):
        pass
    shown = f"{key[:40]} {str(given)[:40]!r}"
    raise BundleError(f"has a {name} with {shown}, which bmis does not write")
