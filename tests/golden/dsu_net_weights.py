"""Weights for ``dsu_net_reference.npz``: what the authors' DSU-Net gives with values by formula.

``dsu_net_tensors.csv`` lists the names, shapes and types of the authors' checkpoint. The reference
was made with the authors' network, filled by this formula: ``x`` is the image, ``out`` the fine and
``outs`` the coarse output, both after their sigmoid. So no weights are stored or shipped.
"""

import csv
import math
from pathlib import Path

import numpy as np
import torch

NAMES = Path(__file__).with_name("dsu_net_tensors.csv")


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes in the authors' checkpoint, without its counters."""
    with NAMES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row[2] != "int64"]
    return {name: tuple(map(int, shape.split("x"))) for name, shape, _ in rows}


def value(name: str, rank: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor that stands ``rank``-th (from 1) in the sorted list of names."""
    phase = np.arange(math.prod(shape), dtype=np.float64) * 12.9898 + 78.233 * rank
    wave = np.sin(phase) * 43758.5453
    noise = ((wave - np.floor(wave)) * 2 - 1).reshape(shape)  # in [-1, 1)
    if len(shape) > 1:
        made = noise * math.sqrt(3 / math.prod(shape[1:]))
    elif name.endswith("running_mean"):
        made = noise / 10
    elif name.endswith("gamma"):
        made = 0.5 + noise / 4
    elif name.endswith(("weight", "running_var")):
        made = 1 + noise / 4
    else:
        made = noise / 10
    return torch.from_numpy(made.astype(np.float32))


def weights() -> dict[str, torch.Tensor]:
    """A whole checkpoint, 35.7 million values."""
    found = sorted(shapes().items())
    return {name: value(name, rank, shape) for rank, (name, shape) in enumerate(found, start=1)}
