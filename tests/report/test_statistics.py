"""Numbers of a report against hand-made and independent ones."""

import math

import numpy as np
import pytest
from scipy import stats

from bmis.errors import DataError
from bmis.metrics import Summary, summarise
from bmis.report.statistics import (
    bootstrap_ranks,
    compare_pairs,
    holm,
    overall,
    pareto_front,
    quality_cost_scores,
    rank_shares,
)


def table(*columns):
    """Values by id for methods a, b, ..."""
    names = "abcdefgh"
    return {
        names[i]: {f"case{j}": float(v) for j, v in enumerate(column)}
        for i, column in enumerate(columns)
    }


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
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    p = [stats.wilcoxon(columns[i], columns[j]).pvalue for i, j in ((0, 1), (0, 2), (1, 2))]
    assert [pair.p for pair in pairs] == pytest.approx(p)
    assert pairs[0].mean == pytest.approx(float((columns[0] - columns[1]).mean()))
    low, middle, high = np.sort(p)
    expected = {low: 3 * low, middle: max(3 * low, 2 * middle)}
    expected[high] = max(*expected.values(), high)
    assert [pair.adjusted for pair in pairs] == pytest.approx([min(1, expected[v]) for v in p])


def test_equal_methods_do_not_differ():
    (pair,) = compare_pairs(table([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]))
    assert (pair.mean, pair.p, pair.significant) == (0.0, 1.0, False)


def test_a_value_that_one_method_lacks_is_named():
    values = table([0.1, 0.5], [0.2, 0.4])
    values["b"]["case1"] = None
    with pytest.raises(DataError, match=r"^a and b cannot be compared: case 'case1'"):
        compare_pairs(values)


def test_bootstrap_of_a_method_that_is_always_better():
    ranks = bootstrap_ranks(table([0.9, 0.8, 0.7], [0.5, 0.4, 0.3]), samples=200)
    assert set(ranks["a"]) == {1}
    assert set(ranks["b"]) == {2}
    assert rank_shares(ranks["b"], 2).tolist() == [0.0, 1.0]


def test_bootstrap_shares_are_those_of_all_possible_draws():
    # two images: a wins by 0.2 on the first, b by 0.1 on the second. Of the four draws a loses but
    # (second, second): its rank is 1 with probability 3/4
    ranks = bootstrap_ranks(table([0.7, 0.5], [0.5, 0.6]), samples=20000)
    assert rank_shares(ranks["a"], 2)[0] == pytest.approx(0.75, abs=0.015)
    assert np.array_equal(ranks["a"], bootstrap_ranks(table([0.7, 0.5], [0.5, 0.6]),
                                                      samples=20000)["a"])  # fmt: skip


def test_equal_means_share_the_better_rank():
    ranks = bootstrap_ranks(table([0.5, 0.7], [0.5, 0.7], [0.1, 0.2]), samples=50)
    assert (set(ranks["a"]), set(ranks["b"]), set(ranks["c"])) == ({1}, {1}, {3})


def test_images_without_a_value_are_left_out_of_the_draws():
    values = table([0.9, 0.1], [0.5, 0.6])
    values["a"]["case1"] = values["b"]["case1"] = None
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


def test_scores_by_hand():
    # five methods: 10th and 90th percentile lie 0.4 steps inside of both ends
    rows = {name: (0.5 + 0.1 * i, 10.0**i, 10.0 ** (i + 6), 10.0 * (i + 1))
            for i, name in enumerate("abcde")}  # fmt: skip
    scores = quality_cost_scores(rows)
    up = [0.05, 0.6 / 3.2, 0.5, 2.6 / 3.2, 1.0]  # (i - 0.4) / (3.6 - 0.4), cut to 0.05 .. 1
    for i, name in enumerate("abcde"):
        score = scores[name]
        assert score.quality == pytest.approx(up[i])
        assert score.speed == pytest.approx(up[i])
        assert score.parameters == pytest.approx(up[4 - i])
        assert score.macs == pytest.approx(up[4 - i])
        cost = stats.hmean([up[4 - i], up[4 - i], up[i]])
        assert score.cost == pytest.approx(cost)
        assert score.score == pytest.approx(stats.hmean([up[i], cost]))


def test_two_methods_are_no_field_and_equal_ones_are_all_good():
    row = (0.8, 1e6, 1e9, 50.0)
    assert quality_cost_scores({"a": row, "b": row}) == {}
    assert quality_cost_scores({"a": row, "b": row, "c": row})["c"].score == pytest.approx(1.0)


def test_overall_interval_is_welchs():
    # with equal n and std it is known: SE = std / sqrt(n) / sqrt(2), degrees_of_freedom 2 (n - 1)
    values = [0.6, 0.7, 0.8, 0.9]
    one, other = summarise(values), summarise([value - 0.2 for value in values])
    both = overall([one, other])
    assert both.mean == pytest.approx(0.65)
    assert both.std == pytest.approx(0.2 / math.sqrt(2))
    reach = stats.t.ppf(0.975, 6) * np.std(values, ddof=1) / 2 / math.sqrt(2)
    assert both.ci95 == pytest.approx((0.65 - reach, 0.65 + reach))


def test_overall_of_one_data_set_has_its_interval():
    one = summarise([0.6, 0.7, 0.8, 0.9])
    assert overall([one]).ci95 == pytest.approx(one.ci95)
    assert overall([one]).std is None


def test_nothing_is_averaged_over_what_is_lacking():
    both = overall([summarise([0.6, 0.7]), Summary(0, 3, None, None, None)])
    assert (both.mean, both.std, both.ci95) == (None, None, None)
