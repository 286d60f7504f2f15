"""Figures: whole SVG files, labels that keep apart, and nothing that names could break."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from bmis.report.figures.matrices import draw_curves, draw_ranks, draw_significance
from bmis.report.figures.scatter import Point, draw_scatter, log_ticks, place_labels
from bmis.report.figures.style import figure, for_page, shorten, to_svg
from bmis.report.statistics import bootstrap_ranks, compare_pairs

NASTY = "a<b>&$x^2$\"'"


def texts(svg):
    root = ElementTree.fromstring(svg)
    return [node.text for node in root.iter("{http://www.w3.org/2000/svg}text") if node.text]


def values(count, images=20):
    rng = np.random.default_rng(0)
    hard = rng.normal(0.6, 0.1, images)
    return {
        f"m{i}": {str(j): float(v) for j, v in enumerate(hard + 0.02 * (count - i)
                                                         + rng.normal(0, 0.01, images))}
        for i in range(count)
    }  # fmt: skip


def test_a_scatter_names_each_point():
    points = [Point(NASTY, 1.0, 0.8, (0.7, 0.9)), Point("unet", 30.0, 0.7), Point("b", 40.0, 0.9)]
    svg = draw_scatter(points, cost="MACs (G)", quality="IoU", id_prefix="x")
    found = texts(svg)
    assert {NASTY, "unet", "b", "IoU", "MACs (G), log scale"} <= set(found)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|<metadata>.*?</metadata>|<!DOCTYPE.*?>', "",
                                svg, flags=re.DOTALL)  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_scatter_of_any_number_of_points(count):
    rng = np.random.default_rng(count)
    points = [Point(f"method_{i}", float(10 ** rng.uniform(-2, 3)), float(rng.uniform(0.5, 0.9)))
              for i in range(count)]  # fmt: skip
    found = texts(draw_scatter(points, cost="x", quality="IoU", id_prefix="x"))
    assert {point.name for point in points} <= set(found)


def test_the_same_figure_is_the_same_file():
    points = [Point("a", 1.0, 0.8), Point("b", 2.0, 0.9)]
    one, other = (draw_scatter(points, cost="x", quality="y", id_prefix="s") for _ in range(2))
    assert one == other


def test_labels_keep_apart_and_inside():
    rng = np.random.default_rng(0)
    spots = [(float(x), float(y)) for x, y in rng.uniform((0, 0), (500, 350), (40, 2))]
    names = [f"some_method_{i}" for i in range(40)]
    boxes = place_labels(spots, names, (0, 0, 600, 360), 7.5)

    def covered(one, other):
        across = min(one[2], other[2]) - max(one[0], other[0])
        down = min(one[3], other[3]) - max(one[1], other[1])
        return max(0, across) * max(0, down)

    area = (boxes[0][2] - boxes[0][0]) * (boxes[0][3] - boxes[0][1])
    overlaps = [covered(a, b) / area for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert max(overlaps) < 0.25
    assert sum(overlap > 0 for overlap in overlaps) <= 3
    assert all(left >= -1 and right <= 601 for left, _, right, _ in boxes)


@pytest.mark.parametrize(("low", "high"), [(0.05, 80), (11.2, 15), (3.0, 3.1), (1e-3, 1e6)])
def test_axes_have_a_few_round_ticks(low, high):
    ticks = log_ticks(low, high)
    assert all(low <= tick <= high for tick in ticks)
    assert 1 <= len(ticks) <= 10
    gaps = [math.log(b / a) / math.log(high / low) for a, b in pairwise(ticks)]
    assert all(gap >= 0.109 for gap in gaps)
    if high / low > 1.3:
        assert len(ticks) >= 3


def test_a_small_matrix_spells_its_numbers():
    tables = values(3)
    found = texts(draw_significance(list(tables), compare_pairs(tables), "x"))
    assert "+0.020" in " ".join(found) or any(re.match(r"\+0\.0[12]", text) for text in found)
    assert any("p < 0.001" in text for text in found)
    assert sum(text.startswith("+") for text in found) == 3
    assert sum(text.startswith("−") for text in found) == 3


def test_a_large_matrix_has_a_sign_for_each_sure_difference():
    tables = values(12)
    pairs = compare_pairs(tables)
    found = texts(draw_significance(list(tables), pairs, "x"))
    sure = sum(pair.significant for pair in pairs)
    assert sure > 10
    assert found.count("+") == found.count("−") == sure


def test_ranks_and_curves_name_all_methods():
    ranks = bootstrap_ranks(values(5), samples=50)
    assert set(ranks) <= set(texts(draw_ranks(ranks, "x")))
    curves = {NASTY: [(1, 0.1), (2, 0.5)], "short": [(1, 0.3)]}
    assert set(curves) <= set(texts(draw_curves(curves, "x")))


def test_on_the_page_colours_are_variables_and_ids_are_unique():
    points = [Point("a", 1.0, 0.8), Point("b", 2.0, 0.9)]
    svg = draw_scatter(points, cost="x", quality="y", id_prefix="one")
    one, other = for_page(svg, "one"), for_page(svg, "two")
    assert "var(--accent)" in one
    assert not re.search(r"#(0b62a8|1f2328|d5d8dc)", one)
    assert not set(re.findall(r' id="([^"]+)"', one)) & set(re.findall(r' id="([^"]+)"', other))
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', one))
    assert {a or b for a, b in used} <= set(re.findall(r' id="([^"]+)"', one))
    assert "xlink" not in one.replace("xmlns:xlink", "")


def test_figures_share_nothing_with_the_caller():
    import matplotlib

    before = dict(matplotlib.rcParams)
    with figure(2, 2) as (drawn, axes):
        axes[0, 0].plot([1, 2])
        to_svg(drawn, "x")
    assert dict(matplotlib.rcParams) == before


def test_long_names_lose_their_middle():
    name = "a_very_long_name_of_a_method:with=options"
    assert shorten("unet") == "unet"
    assert len(shorten(name)) <= 28
    assert shorten(name).startswith("a_very")
    assert shorten(name).endswith("options")
