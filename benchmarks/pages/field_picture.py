"""The picture of the whole field: mean IoU against the time of one image on one core."""

from math import nan
from typing import TYPE_CHECKING

from pandas import DataFrame

from bmis.report.figures.scatter import draw_scatter
from bmis.report.figures.style import render
from bmis.system.files import write_text
from pages.field_rows import complete, mean_iou, milliseconds
from pages.records import ROOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = ROOT / "docs" / "images" / "field.svg"
_INTERVAL = ("iou_ci95_low", "iou_ci95_high")
TITLE = "Mean IoU against milliseconds on one core"


def points() -> DataFrame:
    """Mean IoU and milliseconds of every method that has both; no interval is known for a mean."""
    return DataFrame(
        {"method": method, "iou": mean_iou(rows), "ms": ms, **dict.fromkeys(_INTERVAL, nan)}
        for method, rows in complete().items()
        if (ms := milliseconds(method)) is not None
    )


def draw() -> "Figure":
    """All methods, and the Pareto front as a line, on white, for README and documentation."""
    figure = draw_scatter(points(), "ms", "milliseconds on one core")
    figure.patch.set_facecolor("white")
    return figure


def write() -> None:
    """Write it as SVG."""
    write_text(PICTURE, render(draw, PICTURE.stem, TITLE, "").light)
