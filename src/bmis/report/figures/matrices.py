"""Figures of methods by methods, methods by ranks, and of training curves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bmis.errors import require
from bmis.report.figures.style import ACCENT, INK, MUTED, OTHER, new_figure, shorten
from bmis.report.statistics import ALPHA, rank_shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_SPELT = 8  # methods up to which the matrix spells its numbers out
MANY = 20  # methods from which on letters are smaller


def draw_significance(pairs: "DataFrame") -> "Figure":
    r"""Who is better than whom: "+" where the row is better than the column, "−" where worse.

    No p-value below 0.05 stands where its ranks do not point the way of the mean difference.

    Args:
        pairs: What ``statistics.compare_pairs`` gives, of at least one pair.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> from pandas import DataFrame
        >>> from bmis.report.statistics import compare_pairs
        >>> pairs = compare_pairs(DataFrame({"bmis": [0.8, 0.9], "unet": [0.7, 0.7]}))
        >>> [text.get_text() for text in draw_significance(pairs).axes[0].texts][0]
        '+0.150\np = 0.500'
    """
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    count = len(names)
    spelt = count <= _SPELT
    side = 0.92 if spelt else 0.27 if count <= MANY else 0.21
    letters = 9.0 if spelt else 8.5 if count <= MANY else 7.0
    height = (0.55 * side if spelt else side) * count + 1.1
    figure, axes = new_figure(side * count + 1.9, height)
    ax = axes[0, 0]
    largest = pairs["mean_difference"].abs().max() or 1.0
    for pair in pairs.to_dict("records"):
        row, column = names.index(pair["first"]), names.index(pair["second"])
        mean = pair["mean_difference"]
        strength = (0.18 + 0.42 * abs(mean) / largest) if pair["better"] else 0.0
        for at, signed in (((row, column), mean), ((column, row), -mean)):
            _shade(ax, at, signed, strength)
            if spelt:
                _spell(ax, at, _words(signed, pair), bool(strength), letters - 0.5)
            elif strength:
                ax.text(*at[::-1], _sign(signed), ha="center", va="center", fontsize=letters)
    _label_axes(ax, names, letters)
    for index in range(count):
        ax.text(index, index, "·", ha="center", va="center", color=MUTED)
    return figure


def _sign(mean: float) -> str:
    return "+" if mean > 0 else "−" if mean < 0 else ""


def _shade(ax: Any, at: tuple[int, int], mean: float, strength: float) -> None:
    """Colour a square (row, column): the stronger, the larger the difference."""
    if strength:
        patches = require("matplotlib.patches", extra="train")
        box = patches.Rectangle((at[1] - 0.5, at[0] - 0.5), 1, 1)
        ax.add_patch(box).set(facecolor=ACCENT if mean > 0 else OTHER, alpha=strength, linewidth=0)


def _spell(ax: Any, at: tuple[int, int], words: str, differ: bool, letters: float) -> None:
    ax.text(at[1], at[0], words, ha="center", va="center",
            fontsize=letters, color=INK if differ else MUTED,
            weight="bold" if differ else "normal")  # fmt: skip


def _words(mean: float, pair: Mapping[Any, Any]) -> str:
    unsaid = pair["p_holm"] < ALPHA and not pair["agrees"]
    p = "ranks disagree" if unsaid else f"p {_p(pair['p_holm'])}"
    return f"{_sign(mean)}{abs(mean):.3f}\n{p}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _label_axes(ax: Any, names: list[str], letters: float) -> None:
    short = [shorten(name) for name in names]
    count = len(names)
    ax.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    ax.xaxis.tick_top()
    slope = {"rotation": 90} if count > _SPELT else {"rotation": 35, "ha": "left"}
    ax.set_xticks(range(count), short, fontsize=letters, **slope)
    ax.set_yticks(range(count), short, fontsize=letters)
    ax.set_xticks([i - 0.5 for i in range(count + 1)], minor=True)
    ax.set_yticks([i - 0.5 for i in range(count + 1)], minor=True)
    ax.grid(visible=True, which="minor", linewidth=0.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)


def draw_ranks(ranks: "DataFrame") -> "Figure":
    """How often each method has each rank: circles whose area is the share of the samples.

    Args:
        ranks: What ``statistics.bootstrap_ranks`` gives, in the order of the rows.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> from pandas import DataFrame
        >>> figure = draw_ranks(DataFrame({"bmis": [1, 1, 2], "unet": [2, 2, 1]}))
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['bmis', 'unet']
    """
    count = ranks.shape[1]
    step = 0.36 if count <= MANY else 0.24
    letters = 9.0 if count <= MANY else 7.5
    largest = 190.0 if count <= MANY else 80.0  # square points of a circle for a share of one
    figure, axes = new_figure(max(4.2, step * count + 2.0), max(2.0, step * count + 0.8))
    ax = axes[0, 0]
    shares = rank_shares(ranks).to_numpy()
    low, middle, high = np.percentile(ranks.to_numpy(), (2.5, 50, 97.5), axis=0)
    rows, there = np.nonzero(shares)
    ax.hlines(range(count), low, high, color=MUTED, linewidth=1.0, zorder=1)
    ax.scatter(
        there + 1, rows, s=largest * shares[rows, there], color=ACCENT, linewidth=0, zorder=2
    )
    ax.plot(middle, range(count), "|", color=OTHER, markersize=9, markeredgewidth=1.6)
    ax.set_yticks(range(count), [shorten(str(name)) for name in ranks], fontsize=letters)
    ax.set(xlim=(0.3, count + 0.7), ylim=(count - 0.4, -0.6), xlabel="rank (1 is best)")
    every = require("matplotlib.ticker", extra="train").MaxNLocator
    ax.xaxis.set_major_locator(every(nbins=MANY, steps=[1, 2, 5, 10], integer=True))
    ax.grid(visible=True, linewidth=0.4)
    ax.set_axisbelow(True)
    ax.tick_params(length=0)
    return figure


def draw_curves(curves: "DataFrame") -> "Figure":
    """One small plot for each method: its validation IoU over the epochs, the median dotted.

    Args:
        curves: One row per epoch, one column per method; NaN where a method has no value.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> from pandas import DataFrame
        >>> curves = DataFrame({"bmis": [0.3, 0.5], "unet": [0.4, 0.5]}, index=[1, 2])
        >>> [ax.get_title(loc="left") for ax in draw_curves(curves).axes]
        ['bmis', 'unet']
    """
    count = curves.shape[1]
    columns = min(count, 4 if count <= 16 else 5)
    rows = -(-count // columns)
    low, high = float(np.nanmin(curves)), float(np.nanmax(curves))
    room = 0.05 * (high - low) or 0.05
    middle = curves.median(axis=1)
    figure, axes = new_figure(1.75 * columns + 0.5, 1.25 * rows + 0.4, rows, columns)
    for index, (ax, name) in enumerate(zip(axes.flat, curves, strict=False)):
        curve = curves[name].dropna()
        ax.plot(middle.index, middle, color=MUTED, linewidth=0.9, linestyle=":")
        ax.plot(curve.index, curve, color=ACCENT, linewidth=1.4,
                marker="o" if len(curve) == 1 else "", markersize=3)  # fmt: skip
        ax.set_title(shorten(str(name), 21), fontsize=8.5, loc="left")
        ax.set(xlim=(0, 1.02 * int(max(curves.index))), ylim=(low - room, high + room))
        ax.tick_params(labelsize=7.5, length=2)
        ax.grid(visible=True, linewidth=0.4)
        ax.tick_params(labelbottom=index + columns >= count, labelleft=index % columns == 0)
    for ax in axes.flat[count:]:
        ax.remove()
    figure.supxlabel("epoch", fontsize=8.5)
    figure.supylabel("validation IoU", fontsize=8.5)
    return figure
