"""Optimisers, learning-rate schedules and weight averaging, as a recipe names them."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from bmis.recipes import Recipe

_WARM_UP = 0.15  # of the whole training, "one_cycle"
_FIRST_PERIOD = 10  # epochs, "warm_restarts"
_FLOOR = 1e-5  # lowest rate, "warm_restarts"


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, fused; biases and norms are not decayed under "adamw"."""
    if recipe.optimizer == "adam":
        return torch.optim.Adam(
            model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, recipe.learning_rate, fused=True)


def _one_cycle(top: float, epoch: float, epochs: int) -> float:
    done = epoch / epochs
    if done < _WARM_UP:
        return top * (0.04 + 0.96 * done / _WARM_UP)
    rest = (done - _WARM_UP) / (1 - _WARM_UP)
    return top * (1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * rest)))


def _warm_restarts(top: float, epoch: float, epochs: int) -> float:
    """Arrives at the floor at the end of periods of 10, 20, 40, ... epochs, stepped by epoch."""
    past, period = math.floor(epoch), _FIRST_PERIOD
    while past >= period:
        past, period = past - period, period * 2
    return _FLOOR + (top - _FLOOR) * 0.5 * (1 + math.cos(math.pi * past / period))


_SCHEDULES: Mapping[str, Callable[[float, float, int], float]] = {
    "one_cycle": _one_cycle,
    "warm_restarts": _warm_restarts,
}


def learning_rate(recipe: Recipe, epoch: float, epochs: int) -> float:
    """The rate after ``epoch`` (with its fraction) of ``epochs``.

    A function of what is done, not of a count of steps, so that a resumed run or a halved batch
    goes on where it was.
    """
    return _SCHEDULES[recipe.schedule](recipe.learning_rate, epoch, epochs)


class WeightAverage:
    """Exponential running average of a model's weights and norm statistics, as a model.

    The decay grows from 0 in the first steps, so that the random start is soon forgotten.

    Attributes:
        model: A copy of the given model that holds the average.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay, self._steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after one step."""
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 10))
        mine, theirs = self.model.state_dict(), model.state_dict()
        floats = [key for key, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[k] for k in floats], [theirs[k] for k in floats], 1 - decay)
        for key in mine.keys() - set(floats):
            mine[key].copy_(theirs[key])

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"model": self.model.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From the checkpoint."""
        self.model.load_state_dict(state["model"])
        self._steps = state["steps"]
