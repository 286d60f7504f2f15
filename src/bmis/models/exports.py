"""Networks that come with the package and cannot be exported, with the reason, from a table.

``exports.csv`` is written by ``benchmarks/runtimes.py``, which tries them all.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("exports.csv")


@cache
def read_refusals() -> Mapping[str, str]:
    """For the networks that cannot be written as a graph: one line that says why."""
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return {row["name"]: row["why"] for row in csv.DictReader(stream)}
