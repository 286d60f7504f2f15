"""Cost against quality with the Pareto front, each point named."""

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmis.errors import require
from bmis.report.figures.style import ACCENT, GRID, INK, MUTED, new_figure, shorten
from bmis.report.quantities import QUALITY
from bmis.report.statistics import pareto_front

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Point = tuple[float, float]

MANY = 8  # methods from which on a figure is larger and its letters smaller
_ROUNDS = 60  # of moving the names apart; most figures need fewer than 20
_RIGHT = 0.75  # part of the axes from which on names stand to the left of their points
_RADIUS = 4.0  # pixels from the centre of a point that names keep clear


def draw_scatter(methods: "DataFrame", cost: str, label: str) -> "Figure":
    """All methods, their costs on a logarithmic axis, the Pareto front as a line.

    Args:
        methods: One row per method, at least one, with the columns ``method``, ``iou``,
            ``iou_ci95_low``, ``iou_ci95_high`` (NaN where there is no interval) and ``cost``.
        cost: The column of the horizontal axis; all values above zero.
        label: Name of the horizontal axis.

    Raises:
        MissingExtraError: matplotlib or adjustText is not installed.

    Example:
        >>> from pandas import DataFrame
        >>> row = {"iou": 0.8, "iou_ci95_low": 0.7, "iou_ci95_high": 0.9, "macs": 1.5}
        >>> figure = draw_scatter(DataFrame([{"method": "bmis", **row}]), "macs", "MACs (G)")
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['bmis']
    """
    many = len(methods) > MANY
    figure, axes = new_figure(*((8.4, 5.6) if many else (4.3, 3.2)))
    ax = axes[0, 0]
    points = list(zip(methods[cost], methods[QUALITY], strict=True))
    front = pareto_front(points)
    if not many:
        low, high = (methods[f"{QUALITY}_ci95_{side}"] for side in ("low", "high"))
        ax.vlines(methods[cost], low, high, color=GRID, linewidth=1.2, zorder=1)
    # between two points of the front nothing better is known for the cost: a staircase
    steps = require("matplotlib.cbook", extra="train").pts_to_poststep
    line = steps(*zip(*(points[index] for index in front), strict=True))
    ax.plot(*line, color=ACCENT, linewidth=1.3, zorder=2)
    for index, point in enumerate(points):
        face, edge = (ACCENT, ACCENT) if index in front else ("none", MUTED)
        ax.plot(*point, "o", markersize=6, zorder=3, markerfacecolor=face, markeredgecolor=edge)
    ax.set(xscale="log", xlabel=f"{label}, log scale", ylabel="IoU")
    ax.margins(x=0.15, y=0.1)
    ax.grid(visible=True, axis="y")
    set_log_ticks(ax)
    names = methods["method"].to_list()
    label_points(ax, names, points, front, 7.5 if many else 8.5, line=line.T)
    return figure


def set_log_ticks(ax: Any) -> None:
    """A few round numbers on the logarithmic horizontal axis, written without exponents.

    Example:
        >>> from bmis.report.figures.style import new_figure
        >>> ax = new_figure(4, 3)[1][0, 0]
        >>> _ = ax.set(xscale="log", xlim=(0.4, 10))
        >>> set_log_ticks(ax)
        >>> [f"{tick:g}" for tick in ax.get_xticks() if 0.4 <= tick <= 10]
        ['0.5', '1', '2', '5', '10']
    """
    ticker = require("matplotlib.ticker", extra="train")
    low, high = ax.get_xlim()
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades < 2 else (1, 3) if decades < 4 else (1,)
    ax.xaxis.set_major_locator(
        ticker.LogLocator(subs=steps) if decades > 1 else ticker.MaxNLocator(5)
    )
    ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_locator(ticker.NullLocator())


def label_points(
    ax: Any,
    names: Sequence[str],
    points: Sequence[Point],
    highlighted: Collection[int],
    size: float,
    *,
    line: Iterable[Point] = (),
) -> None:
    """Write each name beside its point where it covers nothing; a thin line leads back from afar.

    Args:
        ax: Axes of matplotlib whose limits will not change any more.
        names: One name per point; long ones are shortened.
        points: Where the points are, in the units of the axes.
        highlighted: Indices of the names that stand out.
        size: Size of the letters in points.
        line: Corners of a line that no name should cover.

    Raises:
        MissingExtraError: adjustText is not installed.

    Example:
        >>> from bmis.report.figures.style import new_figure
        >>> figure, axes = new_figure(4, 3)
        >>> label_points(axes[0, 0], ["bmis", "unet"], [(0.5, 0.5)] * 2, [0], 8)
        >>> len({text.get_position() for text in axes[0, 0].texts})
        2
    """
    figure = ax.get_figure()
    figure.draw_without_rendering()  # the axes get their final place before names are placed
    figure.set_layout_engine("none")
    across = (ax.transScale + ax.transLimits).transform(points)[:, 0]  # 0 to 1, left to right
    texts = []
    for index, (name, point) in enumerate(zip(names, points, strict=True)):
        # a staircase leaves room above and to the left of its points, the others sit below it
        style = {"color": INK, "ha": "right", "va": "bottom"}
        if index not in highlighted:
            side = "left" if across[index] < _RIGHT else "right"
            style = {"color": MUTED, "ha": side, "va": "top"}
        texts.append(ax.text(*point, shorten(name), fontsize=size, zorder=4, **style))
    x, y = _obstacles(ax, points, line).T
    require("adjustText", extra="train").adjust_text(
        texts, x=x, y=y, ax=ax, iter_lim=_ROUNDS, expand=(1.05, 1.2), force_text=(0.2, 0.4),
        force_static=(0.2, 0.4), min_arrow_len=10,
        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.4},
    )  # fmt: skip


def _obstacles(ax: Any, points: Iterable[Point], line: Iterable[Point]) -> NDArray[np.float64]:
    """(N, 2) spots that no name should cover: round each point and along the line."""
    spots, corners = (
        ax.transData.transform(np.reshape([*given], (-1, 2))) for given in (points, line)
    )
    found = [spots + np.multiply(_RADIUS, side) for side in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    for start, end in pairwise(corners):
        found.append(np.linspace(start, end, 1 + int(np.hypot(*(end - start)) // _RADIUS)))
    return ax.transData.inverted().transform(np.vstack(found))  # type: ignore[no-any-return]
