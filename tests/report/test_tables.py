"""Tables and their formats: marks, missing values, and names that must not break anything."""

import csv
import io

import pandas as pd
import pytest

from bmis.report.costs import costs_frame, costs_table
from bmis.report.formats import to_latex, to_markdown
from bmis.report.quantities import Quantity, metrics
from bmis.report.results import read_results
from bmis.report.sections import overall_section
from bmis.report.statistics import bootstrap_ranks, compare_pairs
from bmis.report.tables import (
    Table,
    main_table,
    missing_table,
    ranking_table,
)
from bmis.report.values import Value, mark_best
from bmis.wording import short
from helpers.records import write_comparison

NASTY = "a|b_<i>&\\ %$[x]"


@pytest.fixture
def polyps(tmp_path):
    lesions, polyps = read_results(write_comparison(tmp_path)).datasets
    assert lesions.name == "lesions"
    return polyps


@pytest.fixture
def polyps_table(polyps):
    return main_table(polyps.methods, "px", "polyps")


def rows(table):
    return {name: dict(zip(table.headings[1:], values, strict=True)) for name, values in table.rows}


def test_best_and_second_best_of_those_that_are_complete(polyps_table):
    found = rows(polyps_table)
    # unet is the best of all, but lacks a seed
    assert found["unet †"]["IoU"].mark == ""
    assert found["bmis"]["IoU"].mark == "best"
    assert found["mk_unet"]["IoU"].mark == "second"
    assert found["bmis"]["HD95 (px)"].mark == "best"  # the smallest
    assert found["mk_unet"]["Parameters (M)"].mark == "best"
    assert found["bmis"]["Parameters (M)"].mark == "second"
    assert polyps_table.notes == ["† unet: 1 of 2 trials failed (out of memory)"]


def test_equal_values_share_their_place_and_one_value_has_none():
    falling = Quantity("x", "x")
    values = [Value("", v) for v in (1.0, 1.0, 2.0, 3.0)] + [Value("missing")]
    assert [v.mark for v in mark_best(values, falling, [True] * 5)] == [
        "best", "best", "second", "", "",
    ]  # fmt: skip
    assert [v.mark for v in mark_best(values[:2], falling, [True] * 2)] == ["", ""]
    assert [v.mark for v in mark_best(values, falling, [False, False, True, True, True])] == [
        "", "", "best", "second", "",
    ]  # fmt: skip


def test_what_is_unknown_is_called_missing(tmp_path):
    table = overall_section(read_results(write_comparison(tmp_path))).table
    found = rows(table)["unet †"]
    assert (found["IoU"].text, found["IoU"].number) == ("missing", None)
    assert found["Parameters (M)"].text == "34.5"
    assert found["Quality-cost score"].text == "missing"


def test_csv_holds_all_numbers_in_full(polyps):
    read = list(csv.DictReader(io.StringIO(polyps.methods.to_csv(index=False))))
    assert [row["method"] for row in read] == ["unet", "bmis", "mk_unet", "lv_unet"]
    bmis = read[1]
    assert bmis["state"] == "complete"
    assert float(bmis["parameters"]) == 874_951
    assert float(bmis["iou_ci95_low"]) < float(bmis["iou"]) < float(bmis["iou_ci95_high"])
    assert float(bmis["iou_seed_std"]) > 0
    assert bmis["iou_n"] == "12"
    assert read[0]["iou_seed_std"] == ""


def test_markdown_has_one_line_a_row(polyps_table):
    text = to_markdown(polyps_table)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 4
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "**0." in text
    assert "<u>0." in text
    assert "mk\\_unet" in text


def test_latex_is_a_booktabs_table(polyps_table):
    text = to_latex(polyps_table)
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in lines} == {len(polyps_table.headings) - 1}
    assert r"mk\_unet" in text
    assert r"\textbf{0." in text
    assert r"unet $^\dagger$" in text
    assert r"{\scriptsize $\pm$" in text


def test_nasty_names_stay_inside_their_column():
    table = Table(NASTY, [NASTY], {NASTY: [Value(NASTY)]})
    line = to_markdown(table).splitlines()[-1]
    assert line.replace("\\|", "").count("|") == 3
    assert "<i>" not in line
    (body,) = [line for line in to_latex(table).splitlines() if line.startswith("a|b")][-1:]
    assert body.count(r"\textbackslash{}") == 2
    assert body.count(r"\%\$") == 2
    assert "{[}x{]}" in body


def test_costs_table_has_training_time_for_each_data_set(tmp_path):
    table = costs_table(costs_frame(read_results(write_comparison(tmp_path))))
    found = rows(table)["bmis"]
    assert found["Source"].text == "arXiv:0000.00000"
    assert found["MACs (G)"].text == "1.56"
    assert found["Training on lesions (s/epoch)"].text == "4.75"
    assert found["Throughput (images/s)"].number == pytest.approx(1000 / 19)
    assert rows(table)["lv_unet"]["Throughput (images/s)"].mark == "best"


def test_missing_trials_are_listed_with_their_reasons(tmp_path):
    table = missing_table(read_results(write_comparison(tmp_path)).trials)
    texts = {(name, *(value.text for value in values)) for name, values in table.rows}
    assert texts == {
        ("unet", "polyps", "", "1", "failed: out of memory"),
        ("lv_unet", "lesions", "", "1", "was not run"),
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123456, "0.0123"), (0.874951, "0.875"), (34.527, "34.5"), (1234.5, "1,234"), (0, "0")],
)
def test_three_digits(value, text):
    assert short(value) == text


def test_distances_are_better_small():
    assert {q.key for q in metrics("mm") if not q.rising} == {"hd95", "assd"}
    assert [q.heading for q in metrics("mm") if q.key == "hd95"] == ["HD95 (mm)"]


def test_a_pair_whose_ranks_disagree_with_its_mean_is_named_and_counts_for_neither(polyps):
    better = pd.DataFrame({"bmis": [0.51] * 90 + [0.3] * 10, "unet": [0.5] * 100})
    pairs, ranks = compare_pairs(better), bootstrap_ranks(better)
    table = ranking_table(polyps.methods, pairs, ranks)
    assert [row["Better than"].text for row in rows(table).values()] == ["0", "0"]
    (note,) = table.notes
    assert note.startswith("bmis and unet: p ")
    assert "the ranks point the other way than the mean difference (-0.011)" in note


def test_ranks_count_wins_and_losses(polyps):
    pairs, ranks = compare_pairs(polyps.quality), bootstrap_ranks(polyps.quality)
    table = ranking_table(polyps.methods, pairs, ranks)
    assert table.names == ["unet †", "bmis", "mk_unet", "lv_unet"]
    found = rows(table)
    assert int(found["lv_unet"]["Worse than"].text) == 3
    assert found["lv_unet"]["Better than"].text == "0"
    won, lost = (sum(int(row[f"{way} than"].text) for row in found.values())
                 for way in ("Better", "Worse"))  # fmt: skip
    assert won == lost == (pairs["better"] != "").sum()
    assert found["unet †"]["Score"].text == "missing"  # it lacks a trial
    assert float(found["bmis"]["Score"].text) > 0
