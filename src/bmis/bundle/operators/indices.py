"""Rules of operators that reach into a tensor by index: every index must be known and inside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.bundle.operators.shapes import axes_of, evaluated, need
from bmis.bundle.operators.values import MOST_NUMBERS, Inputs, Value, integers, known, made


def sliced(inputs: Inputs) -> list[Value]:
    """Data, starts, ends, axes and steps -> a part of the data, ends cut to what there is.

    Example:
        >>> numbers = [made(np.int64, (1,), np.array([n])) for n in (1, 9, 0, 2)]
        >>> sliced([made(np.float32, (6, 2)), *numbers])[0].shape
        (3, 2)
    """
    (value, *_), rank = need(inputs[0]), len(need(inputs[0])[0].shape)
    starts, ends = integers(inputs[1]), integers(inputs[2])
    axes = integers(inputs[3]) if len(inputs) > 3 and inputs[3] else list(range(len(starts)))
    steps = integers(inputs[4]) if len(inputs) > 4 and inputs[4] else [1] * len(starts)
    place = [slice(None)] * rank
    for axis, start, end, step in zip(axes_of(axes, rank), starts, ends, steps, strict=True):
        if step == 0 or abs(step) > 2**31:
            raise ValueError(f"steps of {step}")
        # an end before the first element, in steps backwards, is before -length
        length = value.shape[axis]
        place[axis] = slice(start, None if step < 0 and end < -length else end, step)
    shape = [len(range(*part.indices(side))) for part, side in zip(place, value.shape, strict=True)]
    numbers = None if value.numbers is None else value.numbers[tuple(place)]
    return [made(value.kind, shape, numbers)]


def gathered(value: Value, indices: Value, axis: int) -> list[Value]:
    """What lies at known places along an axis, all of which must be there.

    Example:
        >>> gathered(made(np.float32, (4, 2)), made(np.int64, (1,), np.array([9])), 0)
        Traceback (most recent call last):
        ValueError: indices 9..9 of 4
    """
    (axis,) = axes_of([axis], len(value.shape))
    check_indices(known(indices), value.shape[axis])
    shape = (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :])
    numbers = evaluated(lambda a, b: np.take(a, b, axis), [value, indices], shape)
    return [made(value.kind, shape, numbers)]


def check_indices(indices: NDArray[Any], length: int) -> None:
    """Raise ``ValueError`` unless whole numbers are places along an axis, or counted from its end.

    Example:
        >>> check_indices(np.array([0, -4]), 4)
    """
    if indices.dtype.kind not in "iu":
        raise ValueError("indices that are no whole numbers")
    if indices.size and not -length <= int(indices.min()) <= int(indices.max()) < length:
        raise ValueError(f"indices {indices.min()}..{indices.max()} of {length}")


def gathered_nd(value: Value, indices: Value) -> list[Value]:
    """What lies at known places along the first axes, a place in each row of ``indices``.

    Example:
        >>> places = made(np.int64, (5, 2), np.zeros((5, 2), np.int64))
        >>> gathered_nd(made(np.float32, (4, 3, 7)), places)[0].shape
        (5, 7)
    """
    numbers = known(indices)
    if not indices.shape or not 0 < indices.shape[-1] <= len(value.shape):
        raise ValueError(f"indices of shape {indices.shape} into {value.shape}")
    for axis in range(indices.shape[-1]):
        check_indices(numbers[..., axis], value.shape[axis])
    return [made(value.kind, (*indices.shape[:-1], *value.shape[indices.shape[-1] :]))]


def scattered_nd(value: Value, indices: Value, updates: Value) -> list[Value]:
    """A value with updates at known places; see ``gathered_nd``.

    Example:
        >>> places = made(np.int64, (5, 1), np.full((5, 1), 4))
        >>> value = made(np.float32, (4, 3))
        >>> scattered_nd(value, places, made(np.float32, (5, 3)))
        Traceback (most recent call last):
        ValueError: indices 4..4 of 4
    """
    (wanted,) = gathered_nd(value, indices)
    if (updates.shape, updates.kind) != (wanted.shape, value.kind):
        raise ValueError(f"updates {updates.shape} where {wanted.shape} are wanted")
    return [made(value.kind, value.shape)]


def counted(inputs: Inputs) -> list[Value]:
    """Start, limit and step of a range -> its numbers.

    Example:
        >>> counted([made(np.int64, (), np.array(n)) for n in (0, 6, 2)])[0].numbers
        array([0, 2, 4])
    """
    start, limit, step = (known(value) for value in need(*inputs))
    if {start.size, limit.size, step.size} != {1} or start.dtype.kind not in "iu" or step <= 0:
        raise ValueError("a range that is not of whole numbers upwards")
    length = max(0, -(-(int(limit.item()) - int(start.item())) // int(step.item())))
    if length > MOST_NUMBERS:
        raise ValueError(f"a range of {length} numbers")
    numbers = start.item() + step.item() * np.arange(length, dtype=start.dtype)
    return [made(start.dtype, (length,), numbers.astype(start.dtype))]
