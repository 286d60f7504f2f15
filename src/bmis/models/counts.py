"""Parameters and multiplications of the networks that come with the package, from a table.

``counts.csv`` is written by ``benchmarks/counts.py``, so that nobody has to build fifty networks
to see how large they are. A test compares it with the networks.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("counts.csv")
SIZE = (224, 224)  # height and width of the image that is counted for


class Counts(NamedTuple):
    """How large a network is, for an image of 3 channels and for 2 classes.

    Attributes:
        parameters: All that are trained, those of auxiliary heads included.
        macs: Multiply-accumulates of one forward pass on one image of ``SIZE``.
    """

    parameters: int
    macs: int


@cache
def read_counts() -> Mapping[str, Counts]:
    """The table, by the networks' names."""
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return {
            row["name"]: Counts(int(row["parameters"]), int(row["macs"]))
            for row in csv.DictReader(stream)
        }
