"""The steps of an epoch: losses, learning rate, clipping, average, and weights that are ruined."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from PIL import Image

from bmis.config import Augmentation
from bmis.errors import TrainingError
from bmis.models import build_model
from bmis.train.batches import normalise_batch
from bmis.train.losses import LOSSES, counted_pixels, distillation_loss
from bmis.train.objective import Objective
from bmis.train.recipes import find_recipe
from bmis.train.trainer import Trainer
from helpers.tiny import NETWORK, write_dataset
from helpers.training import FAST, Threshold, cache_split, make_trainer


def test_the_average_follows_the_weights_step_by_step(dataset):
    trainer = make_trainer(recipe=replace(FAST, average=0.99, weight_decay=0.0))
    bias, seen = trainer.model.head.bias, []
    start = bias.detach().clone()
    trainer.train_epoch(cache_split(dataset), lambda count: seen.append(bias.detach().clone()))
    expected = start
    for step, value in enumerate(seen, 1):
        expected = expected.lerp(value, 1 - step / (step + 10))
    assert len(seen) == 2
    assert not torch.equal(expected, start)
    torch.testing.assert_close(trainer.averaged.head.bias, expected)


@pytest.mark.parametrize("recipe", ["default", "fast", "paper"])
def test_every_recipe_learns(dataset, recipe):
    torch.manual_seed(0)
    trainer = make_trainer(recipe=find_recipe(recipe, batch_size=2, learning_rate=3e-2), epochs=8)
    cached = cache_split(dataset)
    losses = []
    for _ in range(8):
        losses.append(trainer.train_epoch(cached, lambda count: None)["loss"])
        trainer.progress.epoch += 1
    assert losses[-1] < losses[0] - 0.05


def test_a_teacher_draws_the_logits_towards_its_own(dataset):
    """The teacher is sure that everything is class 1, while the masks are mostly class 0."""

    def teacher(pixels):
        assert 0 <= pixels.min() <= pixels.max() <= 1
        asked.append(len(pixels))
        return torch.tensor([-8.0, 8.0]).view(1, 2, 1, 1).expand(len(pixels), 2, 32, 32), []

    asked, found, cached = [], [], cache_split(dataset)
    for given in (None, teacher):
        torch.manual_seed(0)
        recipe = replace(FAST, learning_rate=3e-2)
        trainer = make_trainer(recipe=recipe, objective=Objective(recipe, teacher=given))
        for _ in range(4):
            trainer.train_epoch(cached, lambda count: None)
            trainer.progress.epoch += 1
        pixels = normalise_batch(
            cached.crops(torch.arange(4), torch.Generator())[0] / 255, cached.spec
        )
        with torch.inference_mode():
            found.append(float(trainer.averaged.eval()(pixels).softmax(1)[:, 1].mean()))
    assert asked == [2] * 8
    assert found[1] > found[0] + 0.1


def test_the_rate_follows_the_schedule_step_by_step(dataset):
    trainer = make_trainer(recipe=replace(FAST, schedule="one_cycle"), epochs=1)
    row = trainer.train_epoch(cache_split(dataset), lambda count: None)
    top, rest = FAST.learning_rate, (0.5 - 0.15) / 0.85  # the second of two steps
    cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * rest)).item())
    assert row["learning_rate"] == pytest.approx(top * (1e-3 + (1 - 1e-3) * cosine), rel=1e-5)
    rates = {g["lr"] for optimizer in trainer.optimizers for g in optimizer.param_groups}
    assert rates == {row["learning_rate"]}


def test_a_trunk_from_imagenet_has_its_share_of_the_rate(dataset):
    model = build_model("bmis_edge", width=8)
    trainer = make_trainer(model, recipe=replace(FAST, trunk_rate=0.25), epochs=1)
    row = trainer.train_epoch(cache_split(dataset), lambda count: None)
    groups = [g for optimizer in trainer.optimizers for g in optimizer.param_groups]
    assert {g["lr"] for g in groups} == {row["learning_rate"], 0.25 * row["learning_rate"]}


def test_the_gradient_is_clipped_to_its_norm(dataset, monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters, limit):
        parameters = list(parameters)
        clip(parameters, limit)
        norms.append(torch.stack([p.grad.norm() for p in parameters]).norm().item())

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spy)
    trainer = make_trainer(recipe=replace(FAST, clip=1e-3))
    trainer.train_epoch(cache_split(dataset), lambda count: None)
    assert len(norms) == 2
    assert max(norms) <= 1e-3 * 1.001


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_loss_that_is_not_a_number_stops_with_a_hint(dataset, weight):
    trainer = make_trainer()
    next(trainer.model.parameters()).data.fill_(weight)
    with pytest.raises(TrainingError, match=r"not a number in epoch 1;.*--learning-rate"):
        trainer.train_epoch(cache_split(dataset), lambda count: None)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_a_value_that_is_not_a_number_in_bf16_is_noticed_in_the_same_epoch(tmp_path, recipe):
    """ReLUs in bf16 may turn it into 0 on the way to the loss, but the weights show it."""
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    recipe = find_recipe(recipe, batch_size=2)
    trainer = Trainer(fabric, build_model("bmis", **NETWORK), recipe, epochs=4, seed=0)
    cached = cache_split(write_dataset(tmp_path / "d", splits=("train",) * 2))
    ruined = -torch.tensor(torch.nan)
    trainer.model.stage_1[0].norm_1.register_forward_hook(lambda module, x, y: y * ruined)
    with pytest.raises(TrainingError, match="not a number"):
        trainer.train_epoch(cached, lambda count: None)


def test_weights_ruined_by_the_last_step_are_noticed_in_the_same_epoch(tmp_path, monkeypatch):
    trainer = make_trainer(Threshold())
    cached = cache_split(write_dataset(tmp_path / "d", splits=("train",) * 2))
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda p, _: [w.grad.fill_(torch.nan) for w in p]
    )
    with pytest.raises(TrainingError, match="not a number"):
        trainer.train_epoch(cached, lambda count: None)


def ignore_columns(root, start):
    """All masks ignore the columns from ``start``."""
    (root / "dataset.yaml").write_text("ignore: 7")
    for path in (root / "masks").iterdir():
        labels = np.array(Image.open(path))
        labels[:, start:] = 7
        Image.fromarray(labels).save(path)


def still(loss):
    """A recipe that leaves images as they are, so that losses can be computed by hand."""
    return replace(FAST, loss=loss, augmentation=Augmentation(flip=0.0, rotate=0.0, smooth=False))


@pytest.mark.parametrize("loss", ["ce_dice", "published"])
def test_ignored_pixels_do_not_count_in_the_loss_of_labels_and_teacher(dataset, loss):
    ignore_columns(dataset, 16)
    cached = cache_split(dataset)
    assert cached.ignores
    objective = Objective(still(loss), teacher=lambda pixels: (pixels[:, :2] * 9, []))
    trainer = make_trainer(recipe=still(loss), objective=objective)
    trainer._network = lambda inputs: (logits,)
    pixels, labels = cached.crops(torch.tensor([0, 1]), torch.Generator())
    logits = torch.randn(2, 2, 32, 32)
    found, _ = trainer._total_loss(pixels.float(), labels, counted_pixels(labels), cached.spec)
    seen = LOSSES[loss](logits[..., :16], labels[..., :16])
    taught = distillation_loss(logits[..., :16], pixels[:, :2, :, :16].float() * 9)
    torch.testing.assert_close(found, seen + taught)


def test_ignored_pixels_teach_nothing(dataset):
    """A network of one weight, which sees each pixel by itself, ends with the same weight."""
    ignore_columns(dataset, 16)
    levels = []
    for value in (0, 255):
        for path in (dataset / "images").iterdir():
            pixels = np.array(Image.open(path))
            pixels[:, 16:] = value
            Image.fromarray(pixels).save(path)
        trainer = make_trainer(Threshold(), recipe=still("ce_dice"))
        row = trainer.train_epoch(cache_split(dataset), lambda count: None)
        scores = trainer.validate(cache_split(dataset, "val"))
        levels.append((trainer.model.level.item(), row["loss"], scores["val_dice"]))
    assert levels[0] == levels[1]
    assert levels[0][0] != 0


def test_no_pixel_is_looked_for_where_none_is_ignored(dataset, monkeypatch):
    (dataset / "dataset.yaml").write_text("ignore: 7")
    monkeypatch.setattr("bmis.train.trainer.counted_pixels", None)
    assert make_trainer().train_epoch(cache_split(dataset), lambda count: None)["loss"]
