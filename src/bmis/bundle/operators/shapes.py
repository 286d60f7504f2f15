"""Rules of operators that both formats have: the shapes that come out, and numbers where known."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.bundle.operators.values import (
    MOST_NUMBERS,
    Inputs,
    Node,
    Rule,
    Value,
    integers,
    known,
    made,
)
from bmis.wording import counted


def need(*inputs: Value | None) -> list[Value]:
    """Inputs that must be there.

    Example:
        >>> need(None)
        Traceback (most recent call last):
        ValueError: an input is missing
    """
    found = [value for value in inputs if value is not None]
    if len(found) < len(inputs):
        raise ValueError("an input is missing")
    return found


def elementwise(function: Callable[..., Any], kind: str = "") -> Rule:
    """The rule of an operator that takes elements one by one, with NumPy's broadcasting.

    Args:
        function: What computes it where the numbers are known.
        kind: Type of the elements that come out, if other than that of the last input.

    Example:
        >>> rule = elementwise(np.add)
        >>> one = made(np.float32, (4, 1))
        >>> rule(Node("Add", (), (), {}), [one, made(np.float32, (3,))])[0].shape
        (4, 3)
    """

    def rule(_: Node, inputs: Inputs) -> list[Value]:
        values = need(*inputs)
        if len({value.kind for value in values[-2:]}) != 1:
            raise ValueError("inputs of different types")
        shape = np.broadcast_shapes(*(value.shape for value in values))
        return [made(kind or values[-1].kind, shape, evaluated(function, values, shape))]

    return rule


def evaluated(
    function: Callable[..., Any], values: Sequence[Value], shape: Sequence[int]
) -> NDArray[Any] | None:
    """What a function makes of known numbers; None where they are unknown or too many.

    Example:
        >>> evaluated(np.negative, [made(np.int64, (), np.array(3))], ())
        array(-3)
    """
    numbers = [value.numbers for value in values if value.numbers is not None]
    if len(numbers) < len(values) or prod(shape) > MOST_NUMBERS:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(function(*numbers))


def divided(function: Callable[..., Any]) -> Rule:
    """The rule of a division: what whole numbers are divided by must be known and above 0.

    Division by zero, and of the lowest number by -1, brings the process down.

    Example:
        >>> number = made(np.int64, ())
        >>> divided(np.mod)(Node("Mod", (), (), {}), [number, number])
        Traceback (most recent call last):
        ValueError: depends on what is in the image
    """
    rule = elementwise(function)

    def checked(node: Node, inputs: Inputs) -> Sequence[Value]:
        (divisor,) = need(inputs[1])
        if divisor.kind.kind in "iub" and not (known(divisor) > 0).all():
            raise ValueError("divides by a whole number that is not above 0")
        return rule(node, inputs)

    return checked


def quotient(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """A quotient, towards zero for whole numbers as ONNX defines it.

    Example:
        >>> quotient(np.array(-7), np.array(2)), quotient(np.array(1.0), np.array(2.0))
        (array(-3), array(0.5))
    """
    result = np.trunc(one / other) if one.dtype.kind in "iu" else one / other
    return np.asarray(result, one.dtype)


def floor_quotient(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """A quotient, downwards for whole numbers as OpenVINO is told to compute it.

    Example:
        >>> floor_quotient(np.array(-7), np.array(2))
        array(-4)
    """
    return np.asarray(one // other if one.dtype.kind in "iu" else one / other)


def with_axes(function: Callable[[Value, list[int]], list[Value]]) -> Rule:
    """The rule of an operator whose second input is a list of axes or sides.

    Example:
        >>> rule = with_axes(transposed)
        >>> order = made(np.int64, (2,), np.array([1, 0]))
        >>> rule(Node("Transpose", (), (), {}), [made(np.float32, (2, 3)), order])[0].shape
        (3, 2)
    """
    return lambda _, inputs: function(need(inputs[0])[0], integers(inputs[1]))


def axes_of(given: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, each of them once.

    Example:
        >>> axes_of([-1, 0], 4)
        (3, 0)
    """
    found = tuple(int(axis) + rank * (axis < 0) for axis in given)
    if len(set(found)) < len(found) or any(not 0 <= axis < rank for axis in found):
        raise ValueError(f"axes {list(given)[:8]} of {rank} dimensions")
    return found


def reduced(value: Value, axes: Sequence[int], *, keep: bool) -> list[Value]:
    """What is left of a value whose axes were reduced to one number each.

    Example:
        >>> reduced(made(np.float32, (2, 3, 4)), [1], keep=False)[0].shape
        (2, 4)
    """
    gone = axes_of(axes, len(value.shape))
    shape = [1 if axis in gone else side for axis, side in enumerate(value.shape)]
    if not keep:
        shape = [side for axis, side in enumerate(shape) if axis not in gone]
    return [made(value.kind, shape)]


def reshaped(value: Value, wanted: Sequence[int], *, zero_copies: bool) -> list[Value]:
    """A value in another shape, where -1 is whatever is left.

    Args:
        value: The value.
        wanted: The sides.
        zero_copies: Whether 0 stands for the side that was at its place.

    Example:
        >>> reshaped(made(np.float32, (2, 3, 4)), [0, -1], zero_copies=True)[0].shape
        (2, 12)
    """
    shape = [
        value.shape[axis] if side == 0 and zero_copies else side for axis, side in enumerate(wanted)
    ]
    rest = prod(side for side in shape if side != -1)
    if -1 in shape and rest > 0:
        shape[shape.index(-1)] = value.size // rest
    if any(side < 0 for side in shape) or prod(shape) != value.size:
        raise ValueError(f"{value.shape} does not go into {tuple(wanted)[:8]}")
    return [
        made(value.kind, shape, None if value.numbers is None else value.numbers.reshape(shape))
    ]


def squeezed(value: Value, axes: Sequence[int] | None) -> list[Value]:
    """A value without some axes of length 1; None for all of them.

    Example:
        >>> squeezed(made(np.float32, (1, 3, 1)), [0])[0].shape
        (3, 1)
    """
    if axes is None:
        axes = [axis for axis, side in enumerate(value.shape) if side == 1]
    gone = axes_of(axes, len(value.shape))
    if any(value.shape[axis] != 1 for axis in gone):
        raise ValueError(f"axes {list(gone)} of {value.shape} are not all of length 1")
    kept = [side for axis, side in enumerate(value.shape) if axis not in gone]
    return reshaped(value, kept, zero_copies=False)


def unsqueezed(value: Value, axes: Sequence[int]) -> list[Value]:
    """A value with more axes of length 1.

    Example:
        >>> unsqueezed(made(np.float32, (3,)), [0, -1])[0].shape
        (1, 3, 1)
    """
    rank = len(value.shape) + len(axes)
    new, old = axes_of(axes, rank), iter(value.shape)
    return reshaped(
        value, [1 if axis in new else next(old) for axis in range(rank)], zero_copies=False
    )


def transposed(value: Value, order: Sequence[int]) -> list[Value]:
    """A value with its axes in another order.

    Example:
        >>> transposed(made(np.float32, (2, 3, 4)), [2, 0, 1])[0].shape
        (4, 2, 3)
    """
    if sorted(order) != list(range(len(value.shape))):
        raise ValueError(f"order {list(order)[:8]} of {counted(len(value.shape), 'dimension')}")
    numbers = None if value.numbers is None else value.numbers.transpose(order)
    return [made(value.kind, [value.shape[axis] for axis in order], numbers)]


def joined(inputs: Inputs, axis: int) -> list[Value]:
    """Values one after the other along an axis.

    Example:
        >>> joined([made(np.float32, (1, 3)), made(np.float32, (1, 2))], 1)[0].shape
        (1, 5)
    """
    values = need(*inputs)
    first = values[0]
    (axis,) = axes_of([axis], len(first.shape))
    for value in values:
        others = [len(value.shape), *value.shape[:axis], *value.shape[axis + 1 :], value.kind]
        if others != [len(first.shape), *first.shape[:axis], *first.shape[axis + 1 :], first.kind]:
            raise ValueError(f"{value.shape} beside {first.shape}")
    shape = list(first.shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    numbers = evaluated(lambda *parts: np.concatenate(parts, axis), values, shape)
    return [made(first.kind, shape, numbers)]


def split(value: Value, axis: int, lengths: Sequence[int]) -> list[Value]:
    """Parts of a value along an axis.

    Example:
        >>> [part.shape for part in split(made(np.float32, (1, 5)), 1, [2, 3])]
        [(1, 2), (1, 3)]
    """
    (axis,) = axes_of([axis], len(value.shape))
    if sum(lengths) != value.shape[axis] or min(lengths) < 0:
        raise ValueError(f"{list(lengths)[:8]} out of {value.shape[axis]}")
    found, start = [], 0
    for length in lengths:
        shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
        place = (*[slice(None)] * axis, slice(start, start + length))
        found.append(
            made(value.kind, shape, None if value.numbers is None else value.numbers[place])
        )
        start += length
    return found


def expanded(value: Value, wanted: Sequence[int]) -> list[Value]:
    """A value repeated along axes of length 1, and along new ones at the front.

    Example:
        >>> expanded(made(np.float32, (1, 3)), [2, 4, 1])[0].shape
        (2, 4, 3)
    """
    if any(side < 0 for side in wanted):
        raise ValueError(f"sides {list(wanted)[:8]}")
    shape = np.broadcast_shapes(value.shape, tuple(wanted))
    return [made(value.kind, shape, evaluated(lambda a: np.broadcast_to(a, shape), [value], shape))]
