"""Optimisers, learning-rate schedules and weight averaging, as a recipe names them."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from bmis.models import SegmentationModel
from bmis.train.outer_layers import LAYERS, outer_weights
from bmis.train.recipes import Recipe

_WARM_UP = 0.15  # share of the training, "one_cycle"
_FIRST_PERIOD = 10  # epochs, "warm_restarts"
_FLOOR = 1e-5  # lowest rate, "warm_restarts"


class Muon(torch.optim.Optimizer):
    """Momentum whose update of every kernel is made orthogonal (Jordan et al. 2024, "Muon").

    Kernels are taken as matrices (out, in * k * k). The updates are as large as AdamW's
    (arXiv:2502.16982, section 2.2), so that rates and decay mean the same for both.

    Example:
        >>> weight = nn.Parameter(torch.zeros(4, 4))
        >>> weight.grad = torch.eye(4)
        >>> Muon([weight], lr=0.1, weight_decay=0.0).step()
        >>> bool((weight.diag() < 0).all())
        True
    """

    def __init__(
        self, params: Iterable[Tensor] | list[dict[str, Any]], lr: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": 0.95})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[Tensor]] = {}  # as matrices
            for parameter in group["params"]:
                if parameter.grad is not None:
                    rows = len(parameter)
                    key = (rows, parameter.numel() // rows)
                    by_shape.setdefault(key, []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Update kernels that are matrices of one shape, orthogonalised together."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        pushes = torch._foreach_lerp(gradients, momenta, group["momentum"])
        updates = _orthogonal(torch.stack([push.flatten(1) for push in pushes]))
        size = 0.2 * max(updates.shape[1:]) ** 0.5
        shaped = [u.view_as(p) for u, p in zip(updates, parameters, strict=True)]
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, shaped, alpha=-group["lr"] * size)


def _orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices (M, r, c) whose rows or columns are nearly orthonormal.

    Five Newton-Schulz steps X <- P(X X') X of a quintic bring every singular value near 1. All P
    commute, so they are multiplied with one another while they are small (r x r, where r is the
    shorter side), and with X only once.
    """
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    gram = x @ x.transpose(1, 2)
    factor = _polynomial(gram)
    product = factor
    for _ in range(4):
        gram = factor @ gram @ factor
        factor = _polynomial(gram)
        product = factor @ product
    x = product @ x
    return x.transpose(1, 2) if tall else x


def _polynomial(gram: Tensor) -> Tensor:
    """3.4445 - 4.775 A + 2.0315 A A for each matrix (M, r, r)."""
    value = torch.baddbmm(gram, gram, gram, beta=-4.775, alpha=2.0315)
    value.diagonal(dim1=1, dim2=2).add_(3.4445)
    return value


def make_optimizers(model: SegmentationModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The fused optimisers of a recipe.

    "muon" trains the matrices of convolutions and linear layers inside the network. AdamW trains
    the rest: norms, position tables, depthwise kernels, and the first and the last layers, which
    see pixels and classes (``outer_weights``). Norms, biases and scalars are decayed by "adam"
    only.

    Args:
        model: Every parameter goes to exactly one optimiser.
        recipe: Optimiser, learning rate and weight decay.

    Returns:
        One optimiser, or AdamW and Muon.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("unet", widths=[4, 8])
        >>> [type(optimizer).__name__ for optimizer in make_optimizers(model, Recipe())]
        ['AdamW', 'Muon']
    """
    rate, decay = recipe.learning_rate, recipe.weight_decay
    groups = partial(_groups, model=model, recipe=recipe)
    if recipe.optimizer == "adam":
        return [torch.optim.Adam(groups(model.parameters(), decay), rate, fused=True)]
    inner = _inner_matrices(model) if recipe.optimizer == "muon" else []
    chosen = set(map(id, inner))
    rest = [p for p in model.parameters() if p.ndim > 1 and id(p) not in chosen]
    plain = groups([p for p in model.parameters() if p.ndim <= 1], 0.0) + groups(rest, decay)
    adamw = torch.optim.AdamW(plain, rate, fused=True)
    return [adamw, Muon(groups(inner, decay), rate, decay)] if inner else [adamw]


def _groups(
    parameters: Iterable[Tensor], decay: float, *, model: SegmentationModel, recipe: Recipe
) -> list[dict[str, Any]]:
    """Groups of one decay; ``factor`` is what the schedule's rate is multiplied by in each.

    The trunk has a group of its own only where its rate differs.
    """
    trunk = set(map(id, model.trunk_parameters())) if recipe.trunk_rate != 1 else set()
    every = list(parameters)
    slow = [p for p in every if id(p) in trunk]
    rest = [p for p in every if id(p) not in trunk]
    groups = [{"params": rest, "weight_decay": decay, "factor": 1.0}]
    if slow:
        groups.append({"params": slow, "weight_decay": decay, "factor": recipe.trunk_rate})
    return groups


def _inner_matrices(model: SegmentationModel) -> list[Tensor]:
    """The weights of all layers but the first and the last; a depthwise kernel is no matrix."""
    outer = set(map(id, outer_weights(model)))
    layers = [m for m in model.modules() if isinstance(m, LAYERS)]
    return [m.weight for m in layers if id(m.weight) not in outer and min(m.weight.shape[:2]) > 1]


def _one_cycle(top: float, epoch: float, epochs: int) -> float:
    """A linear rise to ``top``, then a cosine down to a thousandth of it."""
    done = epoch / epochs
    if done < _WARM_UP:
        return top * (0.04 + 0.96 * done / _WARM_UP)
    rest = (done - _WARM_UP) / (1 - _WARM_UP)
    return top * (1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * rest)))


def _warm_restarts(top: float, epoch: float, epochs: int) -> float:
    """Cosines over 10, 20, 40, ... epochs, each from ``top`` to the floor, in steps of an epoch."""
    past, period = math.floor(epoch), _FIRST_PERIOD
    while past >= period:
        past, period = past - period, period * 2
    return _FLOOR + (top - _FLOOR) * 0.5 * (1 + math.cos(math.pi * past / period))


_SCHEDULES: Mapping[str, Callable[[float, float, int], float]] = {
    "one_cycle": _one_cycle,
    "warm_restarts": _warm_restarts,
}


def learning_rate(recipe: Recipe, epoch: float, epochs: int) -> float:
    """The learning rate at a moment of the training.

    It depends on the share that is done and not on a count of steps, so that a resumed run or a
    halved batch goes on where it was.

    Args:
        recipe: Schedule and highest rate.
        epoch: Epochs done, with their fraction.
        epochs: Epochs of the whole training.

    Example:
        >>> recipe = Recipe(learning_rate=1e-3, schedule="one_cycle")
        >>> [round(learning_rate(recipe, epoch, 20), 6) for epoch in (0, 3, 20)]
        [4e-05, 0.001, 1e-06]
    """
    return _SCHEDULES[recipe.schedule](recipe.learning_rate, epoch, epochs)


def _tensors(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers: those of floating point, and the others."""
    values = [*model.parameters(), *model.buffers()]
    return (
        [v for v in values if v.is_floating_point()],
        [v for v in values if not v.is_floating_point()],
    )


class WeightAverage:
    """Exponential running average of a model's weights and norm statistics, as a model.

    The decay grows from 0 in the first steps, so that the random start is soon forgotten.

    Attributes:
        model: A copy of the model that holds the average.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> average = WeightAverage(model, decay=0.99)
        >>> _ = model.weight.data.fill_(2.0)
        >>> average.update(model)
        >>> bool(average.model.weight < model.weight)
        True
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay, self._steps = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of the model, once after each step."""
        self._steps += 1
        decay = min(self._decay, self._steps / (self._steps + 10))
        mine, theirs = _tensors(self.model), _tensors(model)
        torch._foreach_lerp_(mine[0], theirs[0], 1 - decay)
        for one, other in zip(mine[1], theirs[1], strict=True):
            one.copy_(other)

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs, for the checkpoint."""
        return {"model": self.model.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        self.model.load_state_dict(state["model"])
        self._steps = state["steps"]
