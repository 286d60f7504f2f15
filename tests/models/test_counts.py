"""The table of sizes is that of the networks as they are."""

import runpy
from pathlib import Path

import pytest
import torch

from bmis.models import build_model, find_method, list_models
from bmis.models.catalogue import TABLE, count, read_counts

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "counts.py"))
FIX = "run python benchmarks/counts.py, which writes counts.csv and docs/reference/models.md"
SHIPPED = [n for n in list_models() if find_method(n).cls.__module__.startswith("bmis.")]


def test_every_network_has_its_row_and_no_other():
    assert sorted(read_counts()) == SHIPPED, FIX


@pytest.mark.parametrize("name", SHIPPED)
def test_parameters_are_as_in_the_table(name):
    with torch.device("meta"):
        model = build_model(name)
    assert sum(p.numel() for p in model.parameters()) == read_counts()[name].parameters, FIX


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_multiplications_are_as_in_the_table(name):
    assert count(name) == read_counts()[name], FIX


def test_the_table_and_the_page_are_as_the_script_writes_them():
    counts = read_counts()
    assert TABLE.read_text(encoding="utf-8") == SCRIPT["to_csv"](counts), FIX
    text = SCRIPT["PAGE"].read_text(encoding="utf-8")
    assert text == SCRIPT["page"](text, counts), FIX


def test_a_source_is_linked_to_where_it_can_be_read():
    link = SCRIPT["link"]
    assert link("arXiv:1505.04597") == "[arXiv:1505.04597](https://arxiv.org/abs/1505.04597)"
    assert link("doi:10.1/x") == "[doi:10.1/x](https://doi.org/10.1/x)"
    assert link("by hand") == "by hand"
