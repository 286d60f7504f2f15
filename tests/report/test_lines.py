"""Curves of trainings: inside their axes, ticks that can be read, nothing for what is missing."""

import re
from itertools import pairwise

import pytest

from bmis.report.figures.lines import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    draw_lines,
    epoch_ticks,
    nice_ticks,
)


def points(line):
    return [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+),([\d.]+)", line.path)]


@pytest.mark.parametrize(
    "values", [[0.5], [0.5, 0.5], [0.0, 0.0], [1e-6, 3e-6], [-2.0, 900.0], [0.31, 0.86, 0.2]]
)
def test_all_points_lie_inside_the_axes_with_the_best_marked(values):
    curve = dict(enumerate(values, start=1))
    chart = draw_lines("Loss", {"loss": curve}, best={"loss": 1})
    (line,) = chart.lines
    assert len(points(line)) == len(values)
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in points(line))
    assert line.best == points(line)[0]
    assert chart.mark == line.best[0]
    assert len(line.dots) == len(values)


def test_a_higher_value_stands_higher_and_a_later_epoch_further_right():
    (line,) = draw_lines("IoU", {"iou": {1: 0.2, 2: 0.7, 3: 0.4}}).lines
    (x1, y1), (x2, y2), (x3, y3) = points(line)
    assert x1 < x2 < x3
    assert y2 < y3 < y1


def test_curves_without_values_are_left_out_and_two_best_epochs_have_no_common_line():
    curves = {"a": {1: 0.2, 2: 0.3}, "none": {}, "b": {1: 0.1, 2: 0.4}}
    chart = draw_lines("IoU", curves, best={"a": 1, "b": 2})
    assert [line.name for line in chart.lines] == ["a", "b"]
    assert chart.mark is None


def test_thousands_of_epochs_stay_a_small_path_without_dots():
    (line,) = draw_lines("Loss", {"loss": {n: 1 / n for n in range(1, 5001)}}).lines
    assert len(points(line)) < 500
    assert points(line)[-1][0] == WIDTH - RIGHT
    assert line.dots == ()


@pytest.mark.parametrize("low", [0.0, 1e-9, 0.013, 0.5, 3.0, 999.0])
@pytest.mark.parametrize("reach", [0.0, 1e-7, 0.02, 1.0, 40.0])
def test_ticks_span_the_values_and_are_few(low, reach):
    ticks = nice_ticks(low, low + reach)
    assert ticks[0] <= low + 1e-12
    assert ticks[-1] >= (low + reach) * (1 - 1e-9)
    assert 2 <= len(ticks) <= 7
    assert sorted(set(ticks)) == ticks


@pytest.mark.parametrize("last", [1, 2, 5, 6, 7, 10, 23, 60, 101, 250, 1000, 4321])
def test_epochs_on_the_axis_are_few_and_apart(last):
    ticks = epoch_ticks(1, last)
    assert ticks[0] == 1
    assert ticks[-1] == last
    assert len(ticks) <= 7
    gaps = [b - a for a, b in pairwise(ticks)]
    assert min(gaps, default=1) >= max(gaps, default=1) / 2.5
