"""Schedules against torch's own and closed forms; Muon; the running average of the weights."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bmis.models import SegmentationModel, build_model
from bmis.train.optim import Muon, WeightAverage, learning_rate, make_optimizers
from bmis.train.recipes import find_recipe

PAPER, DEFAULT = find_recipe("paper"), find_recipe("default")
TINY = {"widths": (4, 8, 12), "depths": (1, 1), "dilations": (2,)}


def test_warm_restarts_are_torchs_own_all_250_epochs():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=1e-4)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 10, 2, 1e-5)
    for epoch in range(250):
        assert learning_rate(PAPER, epoch, 250) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("epoch", [0, 10, 30, 70, 150])
def test_warm_restarts_begin_again_at_the_top(epoch):
    assert learning_rate(PAPER, epoch, 250) == pytest.approx(1e-4)
    assert learning_rate(PAPER, epoch + 0.99, 250) == pytest.approx(1e-4)  # one rate an epoch


@pytest.mark.parametrize(("epoch", "period"), [(9, 10), (29, 20), (69, 40), (149, 80)])
def test_warm_restarts_are_near_the_floor_before_each_restart(epoch, period):
    expected = 1e-5 + 9e-5 * 0.5 * (1 + math.cos(math.pi * (period - 1) / period))
    assert learning_rate(PAPER, epoch, 250) == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [1, 60])
def test_one_cycle_rises_then_falls_to_nearly_nothing(epochs):
    top = DEFAULT.learning_rate
    rates = [learning_rate(DEFAULT, done * epochs, epochs) for done in np.linspace(0, 1, 401)]
    peak = 60  # 15 % of 400
    assert rates[0] == pytest.approx(0.04 * top)
    assert rates[peak] == pytest.approx(top)
    assert rates[-1] == pytest.approx(1e-3 * top)
    assert rates[(peak + 400) // 2] == pytest.approx(top / 2, rel=0.01)
    assert np.all(np.diff(rates[: peak + 1]) > 0)
    assert np.all(np.diff(rates[peak:]) < 0)


def muon(shape, **values):
    weight = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(1)))
    return weight, Muon([weight], **{"lr": 0.1, "weight_decay": 0.0, **values})


def update(shape, gradient, **values):
    """What one step adds to the weight, over the rate."""
    weight, optimizer = muon(shape, **values)
    before = weight.detach().clone()
    weight.grad = gradient
    optimizer.step()
    return (weight.detach() - before) / 0.1


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (12, 2, 1, 3), (40, 2, 3, 1)])
def test_muon_steps_by_a_nearly_orthogonal_matrix_of_adams_size(shape):
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    step = update(shape, gradient).flatten(1)
    values = torch.linalg.svdvals(step) / (0.2 * max(step.shape) ** 0.5)
    assert values.min() > 0.6  # the quintic's five steps end within about 0.7..1.2
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(gradient.flatten(1), full_matrices=False)
    assert nn.functional.cosine_similarity((u @ v).flatten(), -step.flatten(), 0) > 0.97
    assert 0.1 < step.square().mean().sqrt() < 0.3  # AdamW's updates have about 0.2


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_muon_does_not_depend_on_the_size_of_the_gradient(size):
    gradient = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        update(gradient.shape, gradient * size), update(gradient.shape, gradient), rtol=0, atol=0.2
    )


def test_muon_without_a_gradient_does_nothing():
    weight, optimizer = muon((4, 4, 3, 3), weight_decay=0.5)
    before = weight.detach().clone()
    optimizer.step()
    assert torch.equal(weight, before)
    assert not update(weight.shape, torch.zeros_like(weight)).any()


def test_muon_decays_by_rate_times_decay():
    weight, optimizer = muon((4, 4, 3, 3), weight_decay=0.5)
    before, weight.grad = weight.detach().clone(), torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), before * (1 - 0.1 * 0.5))


def test_muon_updates_kernels_of_one_shape_together_as_one_by_one():
    generator = torch.Generator().manual_seed(3)
    grads = torch.randn(3, 6, 4, 3, 3, generator=generator)
    together = [nn.Parameter(torch.zeros(6, 4, 3, 3)) for _ in range(3)]
    optimizer = Muon(together, 0.1, 0.0)
    for weight, gradient in zip(together, grads, strict=True):
        weight.grad = gradient
    optimizer.step()
    for weight, gradient in zip(together, grads, strict=True):
        alone = nn.Parameter(torch.zeros(6, 4, 3, 3))
        alone.grad = gradient
        Muon([alone], 0.1, 0.0).step()
        torch.testing.assert_close(weight, alone, rtol=1e-4, atol=1e-5)


def owners(recipe):
    model = build_model("bmis", **TINY)
    names = {id(p): name for name, p in model.named_parameters()}
    found = {}
    for optimizer in make_optimizers(model, recipe):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                name = names[id(parameter)]
                assert name not in found
                found[name] = (type(optimizer).__name__, group["weight_decay"])
    assert len(found) == len(names)  # each parameter once
    return dict(model.named_parameters()), found


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam"])
def test_a_trunk_from_imagenet_may_learn_more_slowly(optimizer):
    recipe = find_recipe("default", optimizer=optimizer, trunk_rate=0.1)
    model = build_model("bmis_edge", width=8)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    factors = {
        names[id(parameter)]: group["factor"]
        for one in make_optimizers(model, recipe)
        for group in one.param_groups
        for parameter in group["params"]
    }
    assert set(factors) == set(names.values())
    for name, factor in factors.items():
        assert factor == (0.1 if name.startswith("trunk.") else 1.0)
    untrained = make_optimizers(build_model("bmis_edge", width=8, weights="none"), recipe)
    assert {group["factor"] for one in untrained for group in one.param_groups} == {1.0}


class Mixed(SegmentationModel):
    """One of each kind of weight between a first and a last convolution."""

    def __init__(self) -> None:
        super().__init__(3, 2, stride=8)
        self.first = nn.Conv2d(3, 8, 3)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.table = nn.Parameter(torch.zeros(9, 2))
        self.linear = nn.Linear(8, 8)
        self.up = nn.ConvTranspose2d(8, 8, 2)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        y = self.linear(self.depthwise(self.first(x)).movedim(1, -1)) + self.table[0, 0]
        return self.last(self.up(y.movedim(-1, 1)))


class InARow(SegmentationModel):
    """Layers one after another."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(3, 2, stride=8)
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


def test_muon_has_the_matrices_of_layers_only():
    model = Mixed()
    (group,) = make_optimizers(model, DEFAULT)[1].param_groups
    assert {id(p) for p in group["params"]} == {id(model.linear.weight), id(model.up.weight)}


def test_muon_has_the_inner_kernels_and_adamw_the_rest():
    parameters, found = owners(DEFAULT)
    eca = [name for name in parameters if "eca" in name]  # one small kernel for all channels
    kernels = [name for name, p in parameters.items() if p.ndim == 4 and name not in eca]
    assert [found[kernels[0]], found[kernels[-1]]] == [("AdamW", 1e-2)] * 2
    assert {found[name] for name in kernels[1:-1]} == {("Muon", 1e-2)}
    assert {found[n] for n, p in parameters.items() if p.ndim < 2} == {("AdamW", 0.0)}
    assert {found[name] for name in eca} == {("AdamW", 1e-2)}


def test_adamw_decays_kernels_only():
    parameters, found = owners(replace(DEFAULT, optimizer="adamw"))
    for name, parameter in parameters.items():
        assert found[name] == ("AdamW", 1e-2 if parameter.ndim > 1 else 0.0)


def test_adam_is_the_papers_and_decays_everything():
    _, found = owners(PAPER)
    assert set(found.values()) == {("Adam", 1e-8)}


def test_depthwise_kernels_are_left_to_adamw():
    model = InARow(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)
    )
    (group,) = make_optimizers(model, DEFAULT)[1].param_groups
    assert [p.shape for p in group["params"]] == [(8, 8, 1, 1)]


def test_a_network_without_inner_kernels_has_no_muon():
    model = InARow(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1))
    assert [type(o).__name__ for o in make_optimizers(model, DEFAULT)] == ["AdamW"]


@pytest.mark.parametrize("name", ["muon", "adamw", "adam"])
def test_a_saved_optimiser_goes_on_with_the_same_bits(name, tmp_path):
    recipe = replace(DEFAULT, optimizer=name)

    def steps(model, optimizers, count, seed):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(count):
            model(torch.randn(1, 3, 8, 8, generator=generator)).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()

    def build():
        model = build_model("bmis", **TINY).eval().to(memory_format=torch.channels_last)
        return model, make_optimizers(model, recipe)

    model, optimizers = build()
    steps(model, optimizers, 3, seed=0)
    torch.save([model.state_dict(), *(o.state_dict() for o in optimizers)], tmp_path / "x")
    other, others = build()
    weights, *states = torch.load(tmp_path / "x", weights_only=True)
    other.load_state_dict(weights)
    for optimizer, state in zip(others, states, strict=True):
        optimizer.load_state_dict(state)
    steps(model, optimizers, 2, seed=1)
    steps(other, others, 2, seed=1)
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_average_of_weights_in_closed_form():
    model = nn.BatchNorm1d(1)
    average = WeightAverage(model, decay=0.25)
    weight, mean = 1.0, 0.0  # how a norm begins
    for step, value in enumerate([2.0, 5.0, -1.0, 3.0], 1):
        decay = min(0.25, step / (step + 10))
        weight = decay * weight + (1 - decay) * value
        mean = decay * mean - (1 - decay) * value
        model.weight.data.fill_(value)
        model.running_mean.fill_(-value)
        model.num_batches_tracked += 1
        average.update(model)
    assert average.model.weight.item() == pytest.approx(weight)
    assert average.model.running_mean.item() == pytest.approx(mean)
    assert average.model.num_batches_tracked.item() == 4
    assert not average.model.training
    assert not average.model.weight.requires_grad
    assert model.weight.item() == 3.0  # the model itself is left alone


def test_a_saved_average_goes_on():
    model = nn.Linear(2, 2)
    first = WeightAverage(model, 0.9)
    for _ in range(3):
        model.weight.data.add_(1)
        first.update(model)
    second = WeightAverage(nn.Linear(2, 2), 0.9)
    second.load_state_dict(first.state_dict())
    model.weight.data.add_(1)
    first.update(model)
    second.update(model)
    assert torch.equal(first.model.weight, second.model.weight)
