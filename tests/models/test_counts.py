"""The table of sizes is that of the networks as they are."""

import runpy
from pathlib import Path

from bmis.models.counts import TABLE, read_counts

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "counts.py"))
CURE = "run python benchmarks/counts.py, which writes counts.csv and docs/reference/models.md"


def test_the_table_and_the_page_are_as_the_script_writes_them():
    counts = read_counts()
    assert TABLE.read_text(encoding="utf-8") == SCRIPT["to_csv"](counts), CURE
    text = SCRIPT["PAGE"].read_text(encoding="utf-8")
    assert text == SCRIPT["page"](text, counts), CURE


def test_a_source_is_linked_to_where_it_can_be_read():
    link = SCRIPT["link"]
    assert link("arXiv:1505.04597") == "[arXiv:1505.04597](https://arxiv.org/abs/1505.04597)"
    assert link("doi:10.1/x") == "[doi:10.1/x](https://doi.org/10.1/x)"
    assert link("by hand") == "by hand"
