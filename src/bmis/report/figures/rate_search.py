"""The loss at rising learning rates, with the rate that is suggested."""

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from bmis.report.figures.scatter import set_log_ticks
from bmis.report.figures.style import ACCENT, GRID, MUTED, OTHER, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_rate_search(
    rates: ArrayLike,
    losses: ArrayLike,
    smoothed: ArrayLike,
    suggested: float | None,
) -> "Figure":
    """Each step's loss as a point, the smoothed loss as a line, the suggestion as an upright.

    Args:
        rates: Learning rate of each step, rising.
        losses: Loss of each step.
        smoothed: The same without its noise.
        suggested: The rate to use; None if there is none.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> figure = draw_rate_search([1e-4, 1e-3, 1e-2], [1, 0.5, 2], [1, 0.6, 2], 1e-3)
        >>> figure.axes[0].get_title()
        'suggested: 0.001'
    """
    figure, axes = new_figure(5.6, 3.6)
    ax = axes[0, 0]
    ax.plot(rates, losses, "o", color=GRID, markersize=3, label="each step")
    ax.plot(rates, smoothed, color=ACCENT, linewidth=1.6, label="smoothed")
    if suggested is not None:
        ax.axvline(suggested, color=OTHER, linewidth=1.2, linestyle="--")
        ax.set_title(f"suggested: {suggested:.2g}", fontsize=9.5, color=OTHER)
    ax.set(xscale="log", xlabel="learning rate, log scale", ylabel="loss")
    ax.legend(frameon=False, labelcolor=MUTED)
    set_log_ticks(ax)
    return figure
