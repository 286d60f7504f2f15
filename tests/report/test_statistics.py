"""Numbers of a report against hand-made and independent ones."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bmis.errors import DataError
from bmis.metrics import Summary, summarise
from bmis.report.statistics import (
    bootstrap_ranks,
    compare_pairs,
    holm,
    overall_summary,
    pareto_front,
    quality_cost_scores,
    rank_shares,
)


def table(*columns):
    """Values of images for methods a, b, ..."""
    frame = pd.DataFrame(dict(zip("abcdefgh", columns, strict=False)), dtype=float)
    return frame.set_axis([f"case{index}" for index in frame.index])


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04 -> never falling
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_pairs_are_wilcoxon_tests_of_the_same_images():
    rng = np.random.default_rng(0)
    hard = rng.normal(0.7, 0.1, 25)
    columns = [hard + rng.normal(shift, 0.03, 25) for shift in (0.0, 0.02, 0.021)]
    pairs = compare_pairs(table(*columns))
    assert pairs[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    p = [stats.wilcoxon(columns[i], columns[j]).pvalue for i, j in ((0, 1), (0, 2), (1, 2))]
    assert list(pairs["p"]) == pytest.approx(p)
    assert pairs["mean_difference"][0] == pytest.approx(float((columns[0] - columns[1]).mean()))
    low, middle, high = np.sort(p)
    expected = {low: 3 * low, middle: max(3 * low, 2 * middle)}
    expected[high] = max(*expected.values(), high)
    assert list(pairs["p_holm"]) == pytest.approx([min(1, expected[v]) for v in p])
    assert list(pairs["better"]) == [
        "" if pair.p_holm >= 0.05 else pair.second for pair in pairs.itertuples()
    ]


def test_equal_methods_do_not_differ():
    pairs = compare_pairs(table([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]))
    assert pairs[["mean_difference", "p", "better"]].to_numpy().tolist() == [[0.0, 1.0, ""]]


def test_nothing_is_said_where_mean_and_ranks_point_in_different_directions():
    better = 0.5 + np.array([0.01] * 90 + [-0.2] * 10)
    pairs = compare_pairs(table(better, np.full(100, 0.5)))
    assert pairs["p_holm"][0] < 1e-6
    assert pairs[["agrees", "better"]].to_numpy().tolist() == [[False, ""]]


def test_the_overall_interval_stays_inside_the_range():
    good = summarise([1.0, 1.0, 0.9])
    low, high = overall_summary([good, good]).ci95
    assert 0 < low < good.mean < high < 1


def test_a_value_that_one_method_lacks_is_named():
    values = table([0.1, 0.5], [0.2, 0.4])
    values.loc["case1", "b"] = None
    with pytest.raises(DataError, match=r"^a and b cannot be compared: case 'case1'"):
        compare_pairs(values)


def test_bootstrap_of_a_method_that_is_always_better():
    ranks = bootstrap_ranks(table([0.9, 0.8, 0.7], [0.5, 0.4, 0.3]), samples=200)
    assert set(ranks["a"]) == {1}
    assert set(ranks["b"]) == {2}
    assert rank_shares(ranks).loc["b"].tolist() == [0.0, 1.0]


def test_bootstrap_shares_are_those_of_all_possible_draws():
    # Two images: a wins by 0.2 on the first, b by 0.1 on the second. Of the four draws a loses only
    # (second, second): its rank is 1 with probability 3/4.
    ranks = bootstrap_ranks(table([0.7, 0.5], [0.5, 0.6]), samples=20000)
    assert rank_shares(ranks).loc["a", "rank_1"] == pytest.approx(0.75, abs=0.015)
    assert ranks.equals(bootstrap_ranks(table([0.7, 0.5], [0.5, 0.6]), samples=20000))


def test_equal_means_share_the_better_rank():
    ranks = bootstrap_ranks(table([0.5, 0.7], [0.5, 0.7], [0.1, 0.2]), samples=50)
    assert (set(ranks["a"]), set(ranks["b"]), set(ranks["c"])) == ({1}, {1}, {3})


def test_images_without_a_value_are_left_out_of_the_draws():
    values = table([0.9, 0.1], [0.5, 0.6])
    values.loc["case1"] = None
    assert set(bootstrap_ranks(values, samples=50)["a"]) == {1}


def dominated(point, points):
    return any(
        c <= point[0] and q >= point[1] and (c < point[0] or q > point[1]) for c, q in points
    )


@pytest.mark.parametrize("seed", range(20))
def test_pareto_front_is_what_brute_force_finds(seed):
    rng = np.random.default_rng(seed)
    points = [(float(c), float(q)) for c, q in rng.integers(0, 6, (12, 2))]  # with many ties
    expected = {i for i, point in enumerate(points) if not dominated(point, points)}
    assert set(pareto_front(points)) == expected


def methods(rows):
    """IoU, parameters, MACs and images per second of methods."""
    columns = ["iou", "parameters", "macs", "images_per_second"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def test_scores_by_hand():
    # five methods: 10th and 90th percentile lie 0.4 steps inside of both ends
    rows = {name: (0.5 + 0.1 * i, 10.0**i, 10.0 ** (i + 6), 10.0 * (i + 1))
            for i, name in enumerate("abcde")}  # fmt: skip
    scores = quality_cost_scores(methods(rows))
    up = [0.05, 0.6 / 3.2, 0.5, 2.6 / 3.2, 1.0]  # (i - 0.4) / (3.6 - 0.4), cut to 0.05 .. 1
    for i, name in enumerate("abcde"):
        score = scores.loc[name]
        assert score.quality == pytest.approx(up[i])
        assert score.speed == pytest.approx(up[i])
        assert score.parameters == pytest.approx(up[4 - i])
        assert score.macs == pytest.approx(up[4 - i])
        cost = stats.hmean([up[4 - i], up[4 - i], up[i]])
        assert score.cost == pytest.approx(cost)
        assert score.score == pytest.approx(stats.hmean([up[i], cost]))


def test_two_methods_have_no_scores_and_equal_ones_are_all_good():
    row = (0.8, 1e6, 1e9, 50.0)
    assert quality_cost_scores(methods({"a": row, "b": row})).empty
    scores = quality_cost_scores(methods({"a": row, "b": row, "c": row}))
    assert scores.loc["c", "score"] == pytest.approx(1.0)


def test_a_method_without_a_cost_has_no_score():
    row = (0.8, 1e6, 1e9, 50.0)
    rows = {"a": row, "b": row, "c": row, "d": (0.9, 1e6, None, 50.0)}
    assert list(quality_cost_scores(methods(rows)).index) == ["a", "b", "c"]


def test_the_overall_interval_is_that_of_welch():
    # with equal n and std it is known: SE = std / sqrt(n) / sqrt(2), degrees_of_freedom 2 (n - 1)
    values = [0.6, 0.7, 0.8, 0.9]
    one, other = summarise(values), summarise([value - 0.2 for value in values])
    both = overall_summary([one, other])
    assert both.mean == pytest.approx(0.65)
    assert both.std == pytest.approx(0.2 / math.sqrt(2))
    reach = stats.t.ppf(0.975, 6) * np.std(values, ddof=1) / 2 / math.sqrt(2)
    assert both.ci95 == pytest.approx((0.65 - reach, 0.65 + reach))


def test_overall_of_one_data_set_has_its_interval():
    one = summarise([0.6, 0.7, 0.8, 0.9])
    assert overall_summary([one]).ci95 == pytest.approx(one.ci95)
    assert overall_summary([one]).std is None


def test_a_missing_mean_leaves_no_overall_mean():
    both = overall_summary([summarise([0.6, 0.7]), Summary(0, 3, None, None, None)])
    assert (both.mean, both.std, both.ci95) == (None, None, None)
