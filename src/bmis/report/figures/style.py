"""What all figures share: colours, letters, and how a figure becomes SVG.

Figures are SVG with real text. In the page their colours follow light and dark mode; as files they
have the colours of print. No pyplot: nothing is shared with figures of the caller.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bmis.errors import require

# each colour stands for one role, so that the page can put its own in its place
INK, MUTED, GRID = "#1f2328", "#6b7077", "#d5d8dc"
ACCENT, OTHER = "#0b62a8", "#c4550a"  # blue and orange: told apart by all eyes
_ROLES = {INK: "ink", MUTED: "muted", GRID: "grid", ACCENT: "accent", OTHER: "other"}
_FONTS = "system-ui, Helvetica, Arial, 'Liberation Sans', sans-serif"
_STYLE = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same layout on all machines
    "font.size": 9.5,
    "text.parse_math": False,  # "$" in a name is a dollar
    "text.color": INK,
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


@contextmanager
def figure(
    width: float, height: float, rows: int = 1, columns: int = 1, *, fitted: bool = True
) -> Iterator[Any]:
    """A figure and an array of its axes, in our style.

    Args:
        width: In inches.
        height: In inches.
        rows: Of axes.
        columns: Of axes.
        fitted: Whether the axes make room for what is written round them, which takes time.
    """
    matplotlib = require("matplotlib", extra="train")
    figures = require("matplotlib.figure", extra="train")
    with matplotlib.rc_context(_STYLE):
        drawn = figures.Figure(figsize=(width, height), layout="constrained" if fitted else None)
        if fitted:
            drawn.get_layout_engine().set(w_pad=0.1, h_pad=0.06)  # inches; room for the last tick
        yield drawn, drawn.subplots(rows, columns, squeeze=False)


def to_svg(drawn: Any, id_prefix: str) -> str:
    """A figure as an SVG file; the same figure gives the same bytes.

    Args:
        drawn: The figure.
        id_prefix: Keeps the ids of two figures on one page apart.
    """
    matplotlib = require("matplotlib", extra="train")
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": id_prefix}):
        drawn.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return re.sub(r"'DejaVu Sans'(, [^;\"]*)?", _FONTS, stream.getvalue())


def for_page(svg: str, id_prefix: str) -> str:
    """An SVG file as a part of a page: its colours as variables, ids of its own, no fixed size."""
    start = svg.index("<svg")
    head, body = svg[start:].split(">", 1)
    (view,) = re.findall(r'viewBox="[\d. ]+"', head)
    width = float(view.split()[2])
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' id="([^"]+)"', rf' id="{id_prefix}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{id_prefix}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{id_prefix}-\1)", body)
    for colour, role in _ROLES.items():
        body = body.replace(colour, f"var(--{role})")
    body = body.replace("xlink:href", "href")
    return f'<svg {view} style="--width:{width:.0f}" aria-hidden="true">{body}'


def shorten(name: str, longest: int = 28) -> str:
    """A name for a figure, its middle left out where it has too many letters."""
    if len(name) <= longest:
        return name
    half = (longest - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
