"""Figures: whole SVG files in light and dark, names that keep apart and that break nothing."""

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bmis.report.figures.matrices import draw_curves, draw_ranks, draw_significance
from bmis.report.figures.scatter import draw_scatter, set_log_ticks
from bmis.report.figures.style import _DARK, ACCENT, GRID, MUTED, new_figure, render, shorten
from bmis.report.statistics import bootstrap_ranks, compare_pairs

NASTY = "a<b>&$x^2$\"'"


def texts(draw):
    """All texts of a figure as they stand in its SVG file."""
    root = ElementTree.fromstring(drawing(draw).light)
    return [node.text for node in root.iter("{http://www.w3.org/2000/svg}text") if node.text]


def drawing(draw):
    return render(draw, "name", "title", "text")


def methods(names, costs, ious, interval=(float("nan"), float("nan"))):
    low, high = interval
    return pd.DataFrame({"method": names, "macs": costs, "iou": ious,
                         "iou_ci95_low": low, "iou_ci95_high": high})  # fmt: skip


def random_methods(count):
    rng = np.random.default_rng(count)
    names = [f"some_method_{index}" for index in range(count)]
    return methods(names, 10 ** rng.uniform(-2, 2, count), rng.uniform(0.5, 0.9, count))


def quality(count, images=20):
    """IoU of methods m0, m1, ... on images, each method 0.02 worse than the one before."""
    rng = np.random.default_rng(0)
    hard = rng.normal(0.6, 0.1, images)
    return pd.DataFrame({f"m{index}": hard + 0.02 * (count - index) + rng.normal(0, 0.01, images)
                         for index in range(count)})  # fmt: skip


def test_a_scatter_names_each_point():
    table = methods([NASTY, "unet", "b"], [1.0, 30.0, 40.0], [0.8, 0.7, 0.9], (0.6, 0.95))
    found = texts(lambda: draw_scatter(table, "macs", "MACs (G)"))
    assert {NASTY, "unet", "b", "IoU", "MACs (G), log scale"} <= set(found)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_scatter_of_any_number_of_points(count):
    table = random_methods(count)
    assert set(table["method"]) <= set(texts(lambda: draw_scatter(table, "macs", "MACs")))


def test_the_same_figure_is_the_same_file():
    one, other = (drawing(lambda: draw_scatter(random_methods(13), "macs", "MACs"))
                  for _ in range(2))  # fmt: skip
    assert one == other


def test_a_figure_asks_for_nothing_else():
    svg = drawing(lambda: draw_scatter(random_methods(2), "macs", "MACs")).light
    addresses = r'xmlns(:\w+)?="[^"]*"|<metadata>.*?</metadata>|<!DOCTYPE.*?>'
    assert "http" not in re.sub(addresses, "", svg, flags=re.DOTALL)


def boxes(count):
    """Boxes of the names and of the axes."""
    figure = draw_scatter(random_methods(count), "macs", "MACs")
    figure.draw_without_rendering()
    (ax,) = figure.axes
    return [text.get_window_extent() for text in ax.texts], ax.get_window_extent()


def covered(one, other):
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    up = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0, across) * max(0, up) / (one.width * one.height)


@pytest.mark.parametrize("count", [8, 13, 25])
def test_names_keep_apart_and_inside(count):
    names, axes = boxes(count)
    assert max(covered(one, other) for one, other in combinations(names, 2)) < 0.05
    assert min(covered(name, axes) for name in names) > 0.99


@pytest.mark.parametrize(("low", "high"), [(0.05, 80), (11.2, 15), (3.0, 3.1), (1e-3, 1e6)])
def test_axes_have_a_few_ticks_without_exponents(low, high):
    ax = new_figure(4, 3)[1][0, 0]
    ax.set(xscale="log", xlim=(low, high))
    set_log_ticks(ax)
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert 3 <= len(ticks) <= 10
    assert ax.xaxis.get_major_formatter()(ticks[0]) == f"{ticks[0]:g}"


def test_a_small_matrix_spells_its_numbers():
    found = texts(lambda: draw_significance(compare_pairs(quality(3))))
    assert any(re.match(r"\+0\.0[12]", text) for text in found)
    assert any("p < 0.001" in text for text in found)
    assert sum(text.startswith("+") for text in found) == 3
    assert sum(text.startswith("−") for text in found) == 3


def test_a_matrix_shows_no_p_value_where_the_ranks_disagree_with_the_mean():
    first = [0.51] * 90 + [0.3] * 10
    pairs = compare_pairs(pd.DataFrame({"a": first, "b": [0.5] * 100}))
    found = texts(lambda: draw_significance(pairs))
    assert {"−0.011", "ranks disagree"} <= set(found)
    assert not any("p <" in text or "p =" in text for text in found)


def test_a_large_matrix_has_a_sign_for_each_significant_difference():
    pairs = compare_pairs(quality(12))
    found = texts(lambda: draw_significance(pairs))
    count = (pairs["better"] != "").sum()
    assert count > 10
    assert found.count("+") == found.count("−") == count


def test_ranks_and_curves_name_all_methods():
    ranks = bootstrap_ranks(quality(5), samples=50)
    assert set(ranks) <= set(texts(lambda: draw_ranks(ranks)))
    curves = pd.DataFrame({NASTY: [0.1, 0.5], "short": [0.3, None]}, index=[1, 2])
    assert set(curves) <= set(texts(lambda: draw_curves(curves)))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: draw_scatter(methods(["a", "b"], [1.0, 2.0], [0.8, 0.7], (0.6, 0.9)), "macs", "x"),
        lambda: draw_significance(compare_pairs(quality(3))),
        lambda: draw_significance(compare_pairs(quality(12))),
        lambda: draw_ranks(bootstrap_ranks(quality(5), samples=50)),
        lambda: draw_curves(pd.DataFrame({"a": [0.1, 0.5], "b": [0.3, 0.4]}, index=[1, 2])),
    ],
)
def test_in_dark_mode_every_colour_is_another_and_nothing_moves(draw):
    found = drawing(draw)
    light, dark = (set(re.findall(r"#[0-9a-f]{6}", svg)) for svg in (found.light, found.dark))
    assert {GRID, MUTED, ACCENT} & light
    assert light <= {*_DARK, "#000000", "#ffffff"}
    assert not dark & set(_DARK)
    shapes = [re.sub(r"#[0-9a-f]{6}", "", svg) for svg in (found.light, found.dark)]
    assert [len(shape) for shape in shapes] == [len(shapes[0])] * 2


def test_figures_share_nothing_with_the_caller():
    import matplotlib

    before = dict(matplotlib.rcParams)
    drawing(lambda: draw_scatter(random_methods(2), "macs", "MACs"))
    assert dict(matplotlib.rcParams) == before


def test_long_names_lose_their_middle():
    name = "a_very_long_name_of_a_method:with=options"
    assert shorten("unet") == "unet"
    assert len(shorten(name)) <= 28
    assert shorten(name).startswith("a_very")
    assert shorten(name).endswith("options")
