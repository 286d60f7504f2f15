"""What all figures share: colours, letters, and how a figure becomes SVG.

Each figure comes in the colours of the page in light and in dark mode, and its text stays text. No
figure goes through pyplot, so that nothing is shared with figures of the caller.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bmis.errors import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Blue and orange, which colour-blind readers can tell apart. The same colours as in page.css.
INK, MUTED, GRID, ACCENT, OTHER = "#1f2328", "#6b7077", "#d5d8dc", "#0b62a8", "#c4550a"
_DARK = {INK: "#e4e7ea", MUTED: "#a0a7af", GRID: "#3a4047", ACCENT: "#68b3f2", OTHER: "#f09a55"}
_STYLE = {
    "font.family": ["sans-serif"],
    # DejaVu Sans comes with matplotlib, so the layout is the same on all machines. The others are
    # for readers of the SVG who lack it; their letters are narrower, so that they fit too.
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "Liberation Sans"],
    "font.size": 9.5,
    "text.parse_math": False,  # "$" in a name is a dollar
    "text.color": INK,
    "figure.dpi": 72,  # as in SVG files, so that a pixel is a point
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "path.simplify": False,
}
_COLOURS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: Name of its file, without the suffix.
        title: Title above it.
        text: What it shows, for those who cannot see it.
        light: The SVG file in the colours of print.
        dark: The same on a dark ground.
        width: Width in points.
        wide: Whether it needs the whole width of the page.

    Example:
        >>> Drawing("pareto-macs", "MACs", "MACs against IoU", "<svg/>", "<svg/>", 300).wide
        False
    """

    name: str
    title: str
    text: str
    light: str
    dark: str
    width: float
    wide: bool = False


def render(
    draw: Callable[[], "Figure"], name: str, title: str, text: str, *, wide: bool = False
) -> Drawing:
    """Draw a figure as SVG, once in the colours of light and once in those of dark mode.

    Args:
        draw: Makes the figure, in the colours of this module.
        name: Name of the figure's file, without the suffix.
        title: Title above the figure.
        text: What the figure shows, for those who cannot see it.
        wide: Whether it needs the whole width of the page.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> drawing = render(lambda: new_figure(2, 1)[0], "empty", "Nothing", "An empty figure.")
        >>> drawing.width, "</svg>" in drawing.light
        (144.0, True)
    """
    matplotlib = require("matplotlib", extra="train")
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = draw()
        light = _to_svg(figure)
        figure.set_layout_engine("none")  # nothing moves any more, and placing takes time
        _darken(figure)
        dark = _to_svg(figure)
    return Drawing(name, title, text, light, dark, float(figure.bbox.width), wide)


def render_png(draw: Callable[[], "Figure"]) -> bytes:
    r"""Draw a figure as a PNG file on white, for those who look at one file alone.

    Args:
        draw: Makes the figure, in the colours of this module.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> render_png(lambda: new_figure(2, 1)[0])[:4]
        b'\x89PNG'
    """
    matplotlib = require("matplotlib", extra="train")
    agg = require("matplotlib.backends.backend_agg", extra="train")
    stream = io.BytesIO()
    with matplotlib.rc_context({**_STYLE, "figure.facecolor": "white", "figure.dpi": 144}):
        agg.FigureCanvasAgg(draw()).print_png(stream)
    return stream.getvalue()


def _to_svg(figure: "Figure") -> str:
    """A figure as an SVG file; the same figure gives the same bytes."""
    svg = require("matplotlib.backends.backend_svg", extra="train")
    stream = io.StringIO()
    svg.FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})  # savefig draws twice
    return stream.getvalue()


def _darken(figure: "Figure") -> None:
    """Give everything in a figure the colour of dark mode that stands for its own."""
    colors = require("matplotlib.colors", extra="train")
    for artist in figure.findobj():
        for name in _COLOURS:
            get, put = (getattr(artist, f"{verb}_{name}", None) for verb in ("get", "set"))
            if get is None or put is None:
                continue
            rgba = colors.to_rgba_array(get())
            dark = _DARK.get(colors.to_hex(rgba[0])) if len(rgba) else None
            if dark is not None:
                put(dark)


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1
) -> "tuple[Figure, Any]":
    """A figure and an array (rows, columns) of its axes, which make room for what is round them.

    Args:
        width: Width in inches.
        height: Height in inches.
        rows: Number of rows of axes.
        columns: Number of columns of axes.

    Example:
        >>> figure, axes = new_figure(4, 3, rows=2)
        >>> axes.shape
        (2, 1)
    """
    figures = require("matplotlib.figure", extra="train")
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.06)  # inches; room for the last tick
    return figure, figure.subplots(rows, columns, squeeze=False)


def shorten(name: str, longest: int = 28) -> str:
    """A name for a figure, its middle left out where it has too many letters.

    Example:
        >>> shorten("bmis:attention=false", 11)
        'bmis:…false'
    """
    if len(name) <= longest:
        return name
    half = (longest - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
