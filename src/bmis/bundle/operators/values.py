"""What a graph of a bundle is made of: values, nodes, and the operators that a format may use.

An operator is allowed with the attributes that ``bmis export`` writes and no others. Its rule
gives the shapes that come out of it and raises ``ValueError`` where its inputs do not fit, so that
an engine never meets an index outside a tensor or a division that brings the process down.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

MOST_NUMBERS = 2**16  # of a tensor whose numbers are followed through the graph
_MOST_FACTORS = 256  # of a weight that is no list of shapes or indices


class Value(NamedTuple):
    """A tensor of a graph: its type and shape, and its numbers where they are known.

    Attributes:
        kind: Type of its elements.
        shape: Its sides.
        numbers: The numbers, where they are few and follow from constants and shapes alone.
        fixed: Whether it follows from constants alone; engines compute those when they load.

    Example:
        >>> Value(np.dtype("float32"), (1, 3, 224, 224)).bytes
        602112
    """

    kind: np.dtype[Any]
    shape: tuple[int, ...]
    numbers: NDArray[Any] | None = None
    fixed: bool = False

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return self.size * self.kind.itemsize


class Node(NamedTuple):
    """One operation of a graph.

    Attributes:
        operator: Name of the operator.
        inputs: Names of the values that go in; empty where an optional one is left out.
        outputs: Names of the values that come out.
        attributes: Its attributes, checked and parsed.

    Example:
        >>> Node("Relu", ("image",), ("logits",), {}).operator
        'Relu'
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


Inputs = Sequence[Value | None]
Rule = Callable[[Node, Inputs], Sequence[Value]]
Check = Callable[[Any], Any]  # gives the value of an attribute, or raises ValueError


def _elements(_: Node, inputs: Inputs, outputs: Sequence[Value]) -> int:
    """Work of an operator that looks at each element once."""
    return sum(value.size for value in (*inputs, *outputs) if value is not None)


@dataclass(frozen=True)
class Operator:
    """An operator that a graph may use.

    Attributes:
        rule: Gives the values that come out.
        inputs: Least and most number of inputs.
        attributes: A check for each attribute that it may have.
        version: Version of the operator, where the format has one for each.
        work: About how many multiplications it takes.
        scratch: Bytes that an engine takes besides, while it computes.

    Example:
        >>> Operator(lambda node, inputs: list(inputs), (1, 1)).inputs
        (1, 1)
    """

    rule: Rule
    inputs: tuple[int, int]
    attributes: Mapping[str, Check] = field(default_factory=dict)
    version: str = ""
    work: Callable[[Node, Inputs, Sequence[Value]], int] = _elements
    scratch: Callable[[Node, Inputs, Sequence[Value]], int] = lambda *_: 0


@dataclass(frozen=True, eq=False)
class Computation:
    """A graph with all that decides what it costs; large weights are known by shape alone.

    Attributes:
        nodes: The operations in the order in which they are run.
        constants: The weights, by name.
        image: Name of the input.
        logits: Name of the output.
        operators: The operators that its format may use.

    Example:
        >>> Computation((), {}, "image", "image", {}).nodes
        ()
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Value]
    image: str
    logits: str
    operators: Mapping[str, Operator]


def one_of(*allowed: Any) -> Check:
    """Check that an attribute is one of some values.

    Example:
        >>> one_of("floor", "ceil")("round")
        Traceback (most recent call last):
        ValueError: 'round'
    """

    def check(given: Any) -> Any:
        if not any(type(given) is type(value) and given == value for value in allowed):
            raise ValueError(repr(given)[:80])
        return given

    return check


def whole(least: int, most: int) -> Check:
    """Check for a whole number in a range, also written as text.

    Example:
        >>> whole(1, 8)("4")
        4
    """

    def check(given: Any) -> int:
        number = int(given) if isinstance(given, str) and len(given) < 20 else given
        if type(number) is not int or not least <= number <= most:
            raise ValueError(repr(given)[:80])
        return number

    return check


def wholes(least: int, most: int, *, count: int = 8) -> Check:
    """Check for at most ``count`` whole numbers in a range, also written as "1, 2".

    Example:
        >>> wholes(0, 9)("1, 2")
        (1, 2)
    """
    one = whole(least, most)

    def check(given: Any) -> tuple[int, ...]:
        numbers = given.split(",") if isinstance(given, str) else given
        if not isinstance(numbers, list | tuple) or len(numbers) > count:
            raise ValueError(repr(given)[:80])
        return tuple(one(n.strip() if isinstance(n, str) else n) for n in numbers)

    return check


def real(least: float, most: float) -> Check:
    """Check for a finite number in a range, also written as text.

    Example:
        >>> real(0, 1)("1e-5")
        1e-05
    """

    def check(given: Any) -> float:
        number = float(given) if isinstance(given, str) and len(given) < 40 else given
        if type(number) is not float or not isfinite(number) or not least <= number <= most:
            raise ValueError(repr(given)[:80])
        return number

    return check


def known(value: Value | None) -> NDArray[Any]:
    """The numbers of a value on which a shape or an index depends.

    Example:
        >>> known(Value(np.dtype("int64"), (1,)))
        Traceback (most recent call last):
        ValueError: depends on what is in the image
    """
    if value is None or value.numbers is None:
        raise ValueError("depends on what is in the image")
    return value.numbers


def integers(value: Value | None) -> list[int]:
    """The whole numbers of a value as a list.

    Example:
        >>> integers(constant(np.array([2, 3])))
        [2, 3]
    """
    numbers = known(value)
    if numbers.dtype.kind not in "iu" or numbers.ndim > 1:
        raise ValueError("shapes that are no whole numbers")
    return [int(number) for number in numbers.reshape(-1)]


def constant(numbers: NDArray[Any]) -> Value:
    """A value whose numbers are all known.

    Example:
        >>> constant(np.zeros((2, 3), np.int64)).shape
        (2, 3)
    """
    return Value(numbers.dtype, numbers.shape, numbers, fixed=True)


def made(kind: DTypeLike, shape: Sequence[int], numbers: NDArray[Any] | None = None) -> Value:
    """A value that comes out of an operator.

    Example:
        >>> made(np.float32, [1, 2]).shape
        (1, 2)
    """
    return Value(np.dtype(kind), tuple(int(side) for side in shape), numbers)


def known_if_small(
    kind: np.dtype[Any], shape: tuple[int, ...], read: Callable[[], NDArray[Any]]
) -> Value:
    """A weight; its numbers are read only where shapes or indices may depend on them.

    Example:
        >>> weight = np.zeros(3 * 3 * 64 * 64, np.float32)
        >>> known_if_small(weight.dtype, (64, 64, 3, 3), lambda: weight).numbers is None
        True
    """
    most = MOST_NUMBERS if kind.kind in "iub" and kind.itemsize != 1 else _MOST_FACTORS
    numbers = read().reshape(shape) if prod(shape) <= most else None
    return Value(kind, shape, numbers, fixed=True)
