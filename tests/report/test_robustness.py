"""The page of what a network loses on changed images."""

import json

import pytest

from bmis.errors import DataError
from bmis.report.robustness import draw_bars, write_robustness_page


def changed(name, kind, change, ci95, lost=0.1):
    return {"name": name, "kind": kind, "change": change, "ci95": ci95, "lost": lost}


FOUND = {
    "model": "bmis_edge",
    "data": "/data/<b>busi</b>",
    "split": "val",
    "images": 65,
    "clean_dice": 0.7001,
    "perturbations": [
        changed("black border, 5 %", "black border", -0.01, [-0.03, 0.01]),
        changed("black border, 10 %", "black border", -0.08, [-0.12, -0.04], 0.25),
        changed("grey", "grey", 0.02, [0.01, 0.03]),
        changed("gamma 0.7", "gamma", 0.0, None),
    ],
    "failed": [{"file": "c.png", "why": "not an image"}],
}


def test_bars_and_intervals_lie_to_scale_on_one_axis():
    bars = draw_bars(FOUND["perturbations"])
    small, large, better, alone = bars
    zero = small.left + small.width
    assert large.left + large.width == pytest.approx(zero)
    assert better.left == pytest.approx(zero)
    assert large.width == pytest.approx(8 * small.width)
    assert better.width == pytest.approx(2 * small.width)
    assert large.high - large.low == pytest.approx(8 * small.width)
    assert all(0 <= bar.low < bar.high <= 100 for bar in bars[:3])
    assert (alone.low, alone.high, alone.text) == (None, None, "+0.000")
    assert [bar.harms for bar in bars] == [False, True, False, False]


def test_the_page_shows_the_worst_of_each_kind_and_all_in_a_table(tmp_path):
    (tmp_path / "robustness.json").write_text(json.dumps(FOUND))
    page = write_robustness_page(tmp_path).read_text(encoding="utf-8")
    assert "The worst of 4 changes: black border, 10 %, -0.080." in page
    bars, table = page.split('id="all"')
    assert bars.count("<li><span") == 3
    assert [table.count(f'scope="row">{one["name"]}<') for one in FOUND["perturbations"]] == [1] * 4
    assert "c.png: not an image" in page
    assert "<b>busi" not in page  # names are escaped


@pytest.mark.parametrize(
    "content", ["", "[]", '{"model": 1}', json.dumps({**FOUND, "perturbations": 3})]
)
def test_what_is_no_such_file_is_answered_in_one_line(tmp_path, content):
    (tmp_path / "robustness.json").write_text(content)
    with pytest.raises(DataError, match=r"robustness\.json: .* measure it again") as caught:
        write_robustness_page(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "robustness.html").exists()
