"""Curves over the epochs as numbers for the page, which draws them as SVG of its own.

matplotlib draws the other figures. It takes half a second for one, twice for light and dark; these
are drawn again and again while a network is trained, and must not cost it anything.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 400, 220  # of a chart, in the units of its SVG
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 12, 38  # room for what is written round the axes
COLOURS = 8  # of lines that can be told apart; the page has a class for each
_POINTS = 400  # of one line; of longer ones every n-th is drawn
_DOTS = 40  # epochs up to which each has a dot
_TICKS = 5
_NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: What it is.
        colour: Its number, from 0, among the colours of the page.
        path: Its points as an SVG path; pieces where values are missing.
        dots: Each epoch as x, y and what it says; empty where there are many.
        best: The place of the best epoch, if one is marked.

    Example:
        >>> Line("loss", 0, "M46,10L380,180", ()).colour
        0
    """

    name: str
    colour: int
    path: str
    dots: tuple[tuple[float, float, str], ...]
    best: tuple[float, float] | None = None


@dataclass(frozen=True)
class LineChart:
    """Curves on common axes.

    Attributes:
        title: Title and unit.
        lines: The curves.
        across: Places and texts of the ticks of the horizontal axis, which counts epochs.
        up: The same of the vertical axis.
        mark: Place of the vertical line at the best epoch, if all curves have the same one.
        text: What it shows, for those who cannot see it.

    Example:
        >>> chart = draw_lines("Loss", {"loss": {1: 0.9, 2: 0.5}})
        >>> [text for _, text in chart.across], [text for _, text in chart.up][:2]
        (['1', '2'], ['0.5', '0.6'])
    """

    title: str
    lines: tuple[Line, ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    mark: float | None
    text: str


def draw_lines(
    title: str,
    curves: Mapping[str, Mapping[int, float]],
    *,
    best: Mapping[str, int] = _NOTHING,
    from_zero: bool = False,
) -> LineChart:
    """Lay out curves over the epochs; those without a point are left out.

    Args:
        title: Title and unit.
        curves: The values by epoch, from 1, by name; one curve at least has a point.
        best: The best epoch of a curve by its name, which is marked.
        from_zero: Whether the vertical axis begins at 0.

    Example:
        >>> curves = {"unet": {1: 0.2, 2: 0.4}, "bmis": {1: 0.3}}
        >>> chart = draw_lines("IoU", curves, best={"unet": 2})
        >>> [line.path.count("L") for line in chart.lines], chart.mark
        ([1, 0], 388.0)
    """
    curves = {name: curve for name, curve in curves.items() if curve}
    values = [value for curve in curves.values() for value in curve.values()]
    last = max(epoch for curve in curves.values() for epoch in curve)
    first = min(epoch for curve in curves.values() for epoch in curve)
    ticks = nice_ticks(0.0 if from_zero else min(values), max(values))
    low, high = ticks[0], ticks[-1]

    def x(epoch: float) -> float:
        share = (epoch - first) / (last - first) if last > first else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    lines = []
    for number, (name, curve) in enumerate(curves.items()):
        path = "M" + "L".join(f"{x(epoch):g},{y(value):g}" for epoch, value in thinned(curve))
        dots = [
            (x(epoch), y(value), f"{name}, epoch {epoch}: {value:.4g}")
            for epoch, value in (curve.items() if len(curve) <= _DOTS else ())
        ]
        at = best.get(name, 0)
        ring = (x(at), y(curve[at])) if at in curve else None
        lines.append(Line(name, number % COLOURS, path, tuple(dots), ring))
    marked = {line.best[0] for line in lines if line.best}
    return LineChart(
        title,
        tuple(lines),
        tuple((x(epoch), f"{epoch}") for epoch in epoch_ticks(first, last)),
        tuple((y(tick), text) for tick, text in zip(ticks, _alike(ticks), strict=True)),
        marked.pop() if len(marked) == 1 else None,
        "; ".join(_said(name, curve) for name, curve in curves.items()),
    )


def _said(name: str, curve: Mapping[int, float]) -> str:
    epochs = list(curve)
    start, end = (f"{curve[epoch]:.3g} in epoch {epoch}" for epoch in (epochs[0], epochs[-1]))
    return f"{name} from {start} to {end}"


def _alike(ticks: Sequence[float]) -> list[str]:
    """Ticks as text, all with as many decimals as the one that needs most."""
    decimals = max(len(f"{tick:.10g}".partition(".")[2]) for tick in ticks)
    return [f"{tick:.{decimals}f}" for tick in ticks]


def thinned(curve: Mapping[int, float]) -> list[tuple[int, float]]:
    """Epochs and values of a curve, every n-th of very many and always the last.

    Example:
        >>> len(thinned({epoch: 0.5 for epoch in range(1, 1001)}))
        334
    """
    points = list(curve.items())
    step = -(-len(points) // _POINTS)
    return points if step == 1 else [*points[:-1:step], points[-1]]


def nice_ticks(low: float, high: float) -> list[float]:
    """A few round numbers that span a range, from at most ``low`` to at least ``high``.

    Example:
        >>> nice_ticks(0.31, 0.86)
        [0.2, 0.4, 0.6, 0.8, 1.0]
        >>> nice_ticks(0.5, 0.5)
        [0.45, 0.475, 0.5, 0.525, 0.55]
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        reach = abs(low) / 10 or 1.0
        low, high = low - reach, high + reach
    raw = (high - low) / (_TICKS - 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in range(start, end + 1)]


def epoch_ticks(first: int, last: int) -> list[int]:
    """A few whole epochs: the first one, round ones and the last one.

    Example:
        >>> epoch_ticks(1, 60), epoch_ticks(1, 3), epoch_ticks(1, 1)
        ([1, 20, 40, 60], [1, 2, 3], [1])
        >>> epoch_ticks(1, 102)  # 100 would stand too near to 102
        [1, 50, 102]
    """
    length = last - first
    if length <= _TICKS:
        return list(range(first, last + 1))
    power = 10 ** math.floor(math.log10(length))
    steps = (power // 5, power // 2, power, 2 * power, 5 * power)
    step = next(step for step in steps if step and length / step <= _TICKS)
    apart = step / 2
    inside = [e for e in range(step, last, step) if first + apart < e < last - apart]
    return [first, *inside, last]
