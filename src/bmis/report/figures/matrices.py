"""Figures of methods by methods, methods by ranks, and of training curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmis.errors import require
from bmis.report.figures.style import ACCENT, INK, MUTED, OTHER, figure, shorten, to_svg
from bmis.report.statistics import Pair, rank_shares

_SPELT = 8  # methods up to which a trial of the matrix spells its numbers out


def draw_significance(names: Sequence[str], pairs: Sequence[Pair], id_prefix: str) -> str:
    """Who is better than whom: the row than the column with "+", worse with "−".

    Args:
        names: Methods, best first.
        pairs: All pairs of them.
        id_prefix: See ``drawing.to_svg``.
    """
    count = len(names)
    spelt = count <= _SPELT
    side = 0.92 if spelt else 0.27 if count <= 20 else 0.21
    size = (side * count + 1.9, (0.55 * side if spelt else side) * count + 1.1)
    letters = 9.0 if spelt else 8.5 if count <= 20 else 7.0
    largest = max((abs(pair.mean) for pair in pairs), default=0.0) or 1.0
    with figure(*size) as (drawn, axes):
        ax = axes[0, 0]
        for pair in pairs:
            row, column = names.index(pair.first), names.index(pair.second)
            _draw_pair(ax, row, column, pair, pair.mean, largest, spelt, letters)
            _draw_pair(ax, column, row, pair, -pair.mean, largest, spelt, letters)
        _label_axes(ax, names, letters)
        for index in range(count):
            ax.text(index, index, "·", ha="center", va="center", color=MUTED)
        return to_svg(drawn, id_prefix)


def _draw_pair(
    ax: Any, row: int, column: int, pair: Pair, mean: float, largest: float, spelt: bool,
    letters: float,
) -> None:  # fmt: skip
    sign = "+" if mean > 0 else "−"
    if pair.significant:
        strength = 0.18 + 0.42 * abs(mean) / largest
        box = ax.add_patch(_square(row, column))
        box.set(facecolor=ACCENT if mean > 0 else OTHER, alpha=strength, linewidth=0)
    if spelt:
        text = f"{sign if mean else ''}{abs(mean):.3f}\np {_p(pair.adjusted)}"
        weight = "bold" if pair.significant else "normal"
        ax.text(column, row, text, ha="center", va="center", fontsize=letters - 0.5,
                color=INK if pair.significant else MUTED, weight=weight)  # fmt: skip
    elif pair.significant:
        ax.text(column, row, sign, ha="center", va="center", fontsize=letters, color=INK)


def _square(row: int, column: int) -> Any:
    patches = require("matplotlib.patches", extra="train")
    return patches.Rectangle((column - 0.5, row - 0.5), 1, 1)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _label_axes(ax: Any, names: Sequence[str], letters: float) -> None:
    short = [shorten(name) for name in names]
    count = len(names)
    ax.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    ax.xaxis.tick_top()
    turn = {"rotation": 90} if count > _SPELT else {"rotation": 35, "ha": "left"}
    ax.set_xticks(range(count), short, fontsize=letters, **turn)
    ax.set_yticks(range(count), short, fontsize=letters)
    ax.set_xticks([i - 0.5 for i in range(count + 1)], minor=True)
    ax.set_yticks([i - 0.5 for i in range(count + 1)], minor=True)
    ax.grid(visible=True, which="minor", linewidth=0.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)


def draw_ranks(ranks: Mapping[str, NDArray[np.int64]], id_prefix: str) -> str:
    """How often each method has each rank: circles whose area is the share of the samples.

    Args:
        ranks: See ``statistics.bootstrap_ranks``; in the order of the rows.
        id_prefix: See ``drawing.to_svg``.
    """
    count = len(ranks)
    step = 0.36 if count <= 20 else 0.24
    letters = 9.0 if count <= 20 else 7.5
    largest = 190.0 if count <= 20 else 80.0  # square points of a circle for a share of one
    with figure(max(4.2, step * count + 2.0), max(2.0, step * count + 0.8)) as (drawn, axes):
        ax = axes[0, 0]
        for row, mine in enumerate(ranks.values()):
            shares = rank_shares(mine, count)
            low, high = np.percentile(mine, (2.5, 97.5))
            ax.hlines(row, low, high, color=MUTED, linewidth=1.0, zorder=1)
            there = np.nonzero(shares)[0]
            ax.scatter(there + 1, np.full(there.size, row), s=largest * shares[there],
                       color=ACCENT, linewidth=0, zorder=2)  # fmt: skip
            ax.plot(np.median(mine), row, "|", color=OTHER, markersize=9, markeredgewidth=1.6)
        ax.set_yticks(range(count), [shorten(name) for name in ranks], fontsize=letters)
        ax.set(xlim=(0.3, count + 0.7), ylim=(count - 0.4, -0.6), xlabel="rank (1 is best)")
        every = 1 if count <= 20 else 5
        ax.set_xticks([1, *range(every, count + 1, every)] if every > 1 else range(1, count + 1))
        ax.grid(visible=True, linewidth=0.4)
        ax.set_axisbelow(True)
        ax.tick_params(length=0)
        return to_svg(drawn, id_prefix)


def draw_curves(curves: Mapping[str, Sequence[tuple[int, float]]], id_prefix: str) -> str:
    """One small plot for each method: its validation IoU over the epochs, the others in grey.

    Args:
        curves: (epoch, value) for each method.
        id_prefix: See ``drawing.to_svg``.
    """
    count = len(curves)
    columns = min(count, 4 if count <= 16 else 5)
    rows = -(-count // columns)
    values = [value for curve in curves.values() for _, value in curve]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05
    epochs = max(epoch for curve in curves.values() for epoch, _ in curve)
    middle = _middle(list(curves.values()))
    with figure(1.75 * columns + 0.5, 1.25 * rows + 0.4, rows, columns) as (drawn, axes):
        for index, (ax, (name, curve)) in enumerate(zip(axes.flat, curves.items(), strict=False)):
            ax.plot(*zip(*middle, strict=True), color=MUTED, linewidth=0.9, linestyle=":")
            ax.plot(*zip(*curve, strict=True), color=ACCENT, linewidth=1.4,
                    marker="o" if len(curve) == 1 else "", markersize=3)  # fmt: skip
            ax.set_title(shorten(name, 21), fontsize=8.5, loc="left")
            ax.set(xlim=(0, epochs * 1.02), ylim=(low - room, high + room))
            ax.tick_params(labelsize=7.5, length=2)
            ax.grid(visible=True, linewidth=0.4)
            ax.tick_params(labelbottom=index + columns >= count, labelleft=index % columns == 0)
        for ax in axes.flat[count:]:
            ax.remove()
        drawn.supxlabel("epoch", fontsize=8.5, color=INK)
        drawn.supylabel("validation IoU", fontsize=8.5, color=INK)
        return to_svg(drawn, id_prefix)


def _middle(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    """The median of all methods at each epoch."""
    at: dict[int, list[float]] = {}
    for curve in curves:
        for epoch, value in curve:
            at.setdefault(epoch, []).append(value)
    return [(epoch, float(np.median(at[epoch]))) for epoch in sorted(at)]
