"""Cost against quality with the Pareto front, each point named."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bmis.report.figures.style import ACCENT, GRID, INK, MUTED, figure, shorten, to_svg
from bmis.report.statistics import pareto_front

Box = tuple[float, float, float, float]  # left, bottom, right, top in points of print
_LETTER, _LINE, _RADIUS = 0.56, 1.15, 4.0  # width and height of a letter in sizes; of a point
_MARGINS = (0.66, 0.52, 0.18, 0.1)  # inches: fixed, since labels are placed before the drawing
_MANY = 12  # methods from which on a figure is larger and its letters smaller


@dataclass(frozen=True)
class Point:
    """One method: what it costs, how good it is, and the interval of that."""

    name: str
    cost: float
    quality: float
    interval: tuple[float, float] | None = None


def draw_scatter(points: Sequence[Point], *, cost: str, quality: str, id_prefix: str) -> str:
    """An SVG of all points, the costs on a logarithmic axis, the Pareto front as a line.

    Args:
        points: At least one; costs above zero.
        cost: Name of the horizontal axis.
        quality: Name of the vertical axis.
        id_prefix: See ``drawing.to_svg``.
    """
    many = len(points) > _MANY
    size = (8.4, 5.6) if many else (4.3, 3.2)
    with figure(*size, fitted=False) as (drawn, axes):
        left, bottom, right, top = _MARGINS
        drawn.subplots_adjust(
            left / size[0], bottom / size[1], 1 - right / size[0], 1 - top / size[1]
        )
        ax = axes[0, 0]
        front = pareto_front([(p.cost, p.quality) for p in points])
        _draw_front(ax, [points[index] for index in front])
        for index, point in enumerate(points):
            on_front = index in front
            if point.interval and not many:
                ax.vlines(point.cost, *point.interval, color=GRID, linewidth=1.2, zorder=1)
            face = ACCENT if on_front else "none"
            edge = ACCENT if on_front else MUTED
            ax.plot(point.cost, point.quality, "o", markersize=6, zorder=3,
                    markerfacecolor=face, markeredgecolor=edge)  # fmt: skip
        ax.set_xscale("log")
        ax.set_xlabel(f"{cost}, log scale")
        ax.set_ylabel(quality)
        ax.grid(visible=True, axis="y")
        _limits(ax, points, show_intervals=not many)
        name_points(ax, points, front, 7.5 if many else 8.5)
        return to_svg(drawn, id_prefix)


def _draw_front(ax: Any, front: Sequence[Point]) -> None:
    """Steps: between two points of the front nothing better is known for the money."""
    xs = [point.cost for point in front]
    ys = [point.quality for point in front]
    ax.step(xs, ys, where="post", color=ACCENT, linewidth=1.3, zorder=2)


def _limits(ax: Any, points: Sequence[Point], *, show_intervals: bool) -> None:
    low, high = min(p.cost for p in points), max(p.cost for p in points)
    spread = (high / low) ** 0.08 if high > low else 1.5
    ax.set_xlim(low / spread / 1.1, high * spread * 1.25)
    sides = [p.quality for p in points]
    if show_intervals:
        sides += [side for p in points if p.interval for side in p.interval]
    room = 0.08 * (max(sides) - min(sides)) or 0.02
    ax.set_ylim(min(sides) - room, max(sides) + room)
    ticks = log_ticks(*ax.get_xlim())
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)


def log_ticks(low: float, high: float) -> list[float]:
    """A few round numbers from ``low`` to ``high``, for a logarithmic axis, none too close."""
    start, end = math.floor(math.log10(low)) - 1, math.ceil(math.log10(high))
    tenths = [n / 10 for n in range(10, 100)]
    for step in (
        (1.0,),
        (1.0, 3.0),
        (1.0, 2.0, 5.0),
        (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
        tenths[::5],
        tenths[::2],
        tenths,
    ):
        ticks = [n * 10.0**power for power in range(start, end + 1) for n in step]
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) > 3:
            break
    apart = (high / low) ** 0.11
    ticks = found[:1]
    for tick in found[1:]:
        ticks += [tick] if tick >= apart * ticks[-1] else []
    return ticks


def name_points(ax: Any, points: Sequence[Point], front: Sequence[int], size: float) -> None:
    """Write each name where it covers the least; a thin line leads back from far away.

    Args:
        ax: Axes of matplotlib whose limits and place in the figure will not change any more.
        points: What is drawn there.
        front: Indices of those to stand out.
        size: Of the letters, in points.
    """
    scale = 72.0 / ax.figure.dpi
    spots = [tuple(scale * ax.transData.transform((p.cost, p.quality))) for p in points]
    frame = ax.get_window_extent()
    room = (scale * frame.x0, scale * frame.y0, scale * frame.x1, scale * frame.y1)
    names = [shorten(point.name) for point in points]
    lines = _steps([spots[index] for index in front])
    boxes = place_labels(spots, names, room, size, lines)
    for index, (spot, box) in enumerate(zip(spots, boxes, strict=True)):
        across, up = box[0] - spot[0], box[1] - spot[1]
        middle = (box[0] + box[2]) / 2 - spot[0], (box[1] + box[3]) / 2 - spot[1]
        far = abs(middle[1]) > 2.2 * size or abs(middle[0]) > (box[2] - box[0]) / 2 + 3 * _RADIUS
        arrow = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.4, "shrinkB": 3} if far else None
        ax.annotate(
            names[index], (points[index].cost, points[index].quality), (across, up + 0.2 * size),
            textcoords="offset points", fontsize=size, arrowprops=arrow, annotation_clip=False,
            color=INK if index in front else MUTED, ha="left", va="baseline", zorder=4,
        )  # fmt: skip


def _steps(corners: Sequence[tuple[float, float]]) -> list[Box]:
    """Boxes round the line of the front."""
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        boxes += [(x0, y0 - 1, x1, y0 + 1), (x1 - 1, y0, x1 + 1, y1)]
    return boxes


def place_labels(
    spots: Sequence[tuple[float, float]],
    names: Sequence[str],
    room: Box,
    size: float,
    lines: Sequence[Box] = (),
) -> list[Box]:
    """Boxes for names beside their spots, one after another where the least is covered.

    Args:
        spots: Points (x, y), y upwards.
        names: One for each.
        room: What the boxes should stay inside of.
        size: Of the letters.
        lines: What else should not be written on.
    """
    taken = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in spots]
    boxes: list[Box] = []
    for (x, y), name in zip(spots, names, strict=True):
        width, height = _LETTER * size * len(name), _LINE * size
        best, least = taken[0], float("inf")
        for box, price in _candidates(x, y, width, height):
            covered = sum(_overlap(box, other) for other in (*taken, *boxes))
            covered += sum(_overlap(box, line) for line in lines)
            outside = width * height - _overlap(box, room)
            cost = price + covered + 3 * outside
            if cost < least:
                best, least = box, cost
        boxes.append(best)
    return boxes


def _candidates(x: float, y: float, width: float, height: float) -> list[tuple[Box, float]]:
    """Places round a spot, each with what it costs to be there: near and to the right is best."""
    found = []
    for ring in range(7):
        gap = _RADIUS + 1.5 + ring * 0.8 * height
        lifts = (0.0,) if ring == 0 else (0.0, gap, -gap)
        sides = [(x + min(gap, 3 * _RADIUS), 0.0), (x - width / 2, 2.0)]
        sides.append((x - width - min(gap, 3 * _RADIUS), 1.0))
        for lift in (*lifts, gap, -gap):
            for left, price in sides:
                if lift == 0 and left == x - width / 2:
                    continue  # on the point itself
                bottom = y + lift - (height / 2 if lift == 0 else 0 if lift > 0 else height)
                box = (left, bottom, left + width, bottom + height)
                found.append((box, price + 4.0 * ring))
    return found


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across * down if across > 0 and down > 0 else 0.0
