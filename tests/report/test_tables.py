"""Tables and their formats: marks, gaps, and names that must not break anything."""

import csv
import io

import pytest

from bmis.report.formats import to_latex, to_markdown
from bmis.report.quantities import Quantity, metrics, short
from bmis.report.results import read_field
from bmis.report.rows import overall_lines, panel_lines
from bmis.report.tables import Table, Value, costs_table, lacks_table, main_table, mark_best
from bmis.system.files import to_csv
from helpers.records import write_comparison

NASTY = "a|b_<i>&\\ %$[x]"


@pytest.fixture
def panel_table(tmp_path):
    lesions, polyps = read_field(write_comparison(tmp_path)).panels
    assert lesions.name == "lesions"
    return main_table(panel_lines(polyps), "px", "polyps")


def rows(table):
    return {name: dict(zip(table.headings[1:], values, strict=True)) for name, values in table.rows}


def test_best_and_second_best_of_those_that_are_complete(panel_table):
    found = rows(panel_table)
    # unet is the best of all, but lacks a seed
    assert found["unet †"]["IoU"].mark == ""
    assert found["bmis"]["IoU"].mark == "best"
    assert found["mk_unet"]["IoU"].mark == "second"
    assert found["bmis"]["HD95 (px)"].mark == "best"  # the smallest
    assert found["mk_unet"]["Parameters (M)"].mark == "best"
    assert found["bmis"]["Parameters (M)"].mark == "second"
    assert panel_table.notes == ("† unet: 1 of 2 trials failed (out of memory)",)


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


def test_what_is_not_known_is_called_missing(tmp_path):
    table = main_table(overall_lines(read_field(write_comparison(tmp_path))), "px", "all")
    found = rows(table)["unet †"]
    assert (found["IoU"].text, found["IoU"].number) == ("missing", None)
    assert found["Parameters (M)"].text == "34.5"
    assert found["Quality-cost score"].text == "missing"


def test_csv_holds_all_numbers_in_full(panel_table):
    read = list(csv.DictReader(io.StringIO(to_csv(panel_table.raw))))
    assert [row["method"] for row in read] == ["unet", "bmis", "mk_unet", "lv_unet"]
    bmis = read[1]
    assert bmis["state"] == "complete"
    assert float(bmis["parameters"]) == 874_951
    assert float(bmis["iou_ci95_low"]) < float(bmis["iou"]) < float(bmis["iou_ci95_high"])
    assert float(bmis["iou_seed_std"]) > 0
    assert bmis["iou_n"] == "12"
    assert read[0]["iou_seed_std"] == ""


def test_markdown_has_one_line_a_row(panel_table):
    text = to_markdown(panel_table)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 4
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "**0." in text
    assert "<u>0." in text
    assert "mk\\_unet" in text


def test_latex_is_a_booktabs_table(panel_table):
    text = to_latex(panel_table)
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in lines} == {len(panel_table.headings) - 1}
    assert r"mk\_unet" in text
    assert r"\textbf{0." in text
    assert r"unet $^\dagger$" in text
    assert r"{\scriptsize $\pm$" in text


def test_nasty_names_stay_inside_their_field():
    table = Table(NASTY, ("Method", NASTY), ((NASTY, (Value(NASTY),)),))
    line = to_markdown(table).splitlines()[-1]
    assert line.replace("\\|", "").count("|") == 3
    assert "<i>" not in line
    (body,) = [line for line in to_latex(table).splitlines() if line.startswith("a|b")][-1:]
    assert body.count(r"\textbackslash{}") == 2
    assert body.count(r"\%\$") == 2
    assert "{[}x{]}" in body


def test_costs_table_has_training_time_for_each_data_set(tmp_path):
    table = costs_table(read_field(write_comparison(tmp_path)))
    found = rows(table)["bmis"]
    assert found["Source"].text == "arXiv:0000.00000"
    assert found["MACs (G)"].text == "1.56"
    assert found["Training on lesions (s/epoch)"].text == "4.75"
    assert found["Throughput (images/s)"].number == pytest.approx(1000 / 19)
    assert rows(table)["lv_unet"]["Throughput (images/s)"].mark == "best"


def test_lacks_are_listed_with_their_reasons(tmp_path):
    table = lacks_table(read_field(write_comparison(tmp_path)))
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
