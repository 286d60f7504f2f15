"""The values of the tables of a report: as text, with what they are sorted by and marked as."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bmis.report.quantities import Quantity

MISSING = "missing"


@dataclass(frozen=True)
class Value:
    """One value of a table.

    Attributes:
        text: The value as it is shown.
        number: What it is sorted by; None sorts last.
        spread: Standard deviation and interval as text, shown smaller.
        mark: "best", "second", "absent" (no value), "text" (a word) or "".

    Example:
        >>> Value("0.812", 0.8123, ("±0.100", "[0.790, 0.834]"), "best").mark
        'best'
    """

    text: str
    number: float | None = None
    spread: tuple[str, ...] = ()
    mark: str = ""


def mark_best(values: Sequence[Value], quantity: Quantity, counts: Iterable[bool]) -> list[Value]:
    """Mark the best value and the second best; equal ones share their place.

    Args:
        values: One column.
        quantity: What the values are; it knows which way is better.
        counts: Whether each value takes part.

    Example:
        >>> values = [Value("2", 2.0), Value("1", 1.0), Value("3", 3.0)]
        >>> [value.mark for value in mark_best(values, Quantity("mb", "Memory"), [True] * 3)]
        ['second', 'best', '']
    """
    takes_part = list(counts)
    pairs = list(zip(values, takes_part, strict=True))
    numbers = {value.number for value, counted in pairs if counted and value.number is not None}
    order = sorted(numbers, reverse=quantity.rising)
    if len(order) < 2:  # all are equal, or there is but one
        return list(values)
    marks = {order[0]: "best", order[1]: "second"}
    return [
        replace(value, mark=marks[value.number])
        if counted and value.number is not None and value.number in marks
        else value
        for value, counted in pairs
    ]


def absent_value(state: str = "") -> Value:
    """What stands where there is no value: "failed" if all that was run did, else "missing".

    Example:
        >>> absent_value("failed: out of memory").text, absent_value().text
        ('failed', 'missing')
    """
    return Value("failed" if state.startswith("failed") else MISSING, mark="absent")


def number_value(number: float, text: str) -> Value:
    """A number as it is shown; absent if it is not a number.

    Example:
        >>> number_value(0.8123, "0.812").text, number_value(float("nan"), "nan").text
        ('0.812', 'missing')
    """
    return absent_value() if math.isnan(number) else Value(text, float(number))


def cost_column(costs: Iterable[float], quantity: Quantity, counts: Iterable[bool]) -> list[Value]:
    """One cost of all methods; NaN is shown as "missing".

    Args:
        costs: The values, undivided.
        quantity: Which cost it is.
        counts: Whether each value takes part in best and second best.

    Example:
        >>> macs = Quantity("macs", "MACs", "G", scale=1e9)
        >>> [value.text for value in cost_column([2e9, math.nan], macs, [True, True])]
        ['2.00', 'missing']
    """
    return mark_best([number_value(cost, quantity.show(cost)) for cost in costs], quantity, counts)
