"""Images without masks: which are used, what they are labelled with, and how they are learnt."""

import logging
import shutil
from dataclasses import replace

import pytest
import torch

from bmis.config import Augmentation
from bmis.data.folder import open_dataset
from bmis.errors import ConfigError, DataError, TrainingInterrupted
from bmis.models.checkpoint import read_checkpoint
from bmis.train.losses import pseudo_label_loss
from bmis.train.objective import Objective
from bmis.train.recipes import Recipe, Unlabelled
from bmis.train.run import train_model
from bmis.train.unlabelled import (
    draw_unlabelled,
    find_unlabelled,
    leave_out_held_out,
    ramped_weight,
    two_views,
)
from helpers.tiny import config, write_dataset
from helpers.training import FAST, cache_split, interrupt_before, make_trainer


@pytest.fixture
def folder(dataset, tmp_path):
    """Five images of another size without masks, and copies of all of the data set."""
    other = write_dataset(tmp_path / "other", splits=("train",) * 5, size=(40, 50), seed=9)
    images = other / "images"
    for path in (dataset / "images").iterdir():
        shutil.copy(path, images / f"copy-{path.name}")
    return images


def test_validation_and_test_images_are_left_out_whatever_they_are_called(folder, dataset, caplog):
    caplog.set_level(logging.INFO, "bmis")
    opened = open_dataset(dataset)
    held_out = {case.id for case in opened.cases if case.split in ("val", "test")}
    files = find_unlabelled(config(dataset, unlabelled=folder), Recipe())
    found = leave_out_held_out(files, opened)
    names = {case.id for case in found}
    assert len(found) == 5 + 4
    assert names.isdisjoint(f"copy-{name}" for name in held_out)
    assert "2 images left out, of the validation or test split" in caplog.text
    assert "learning from 9 images without masks too" in caplog.text
    assert find_unlabelled(config(dataset), Recipe()) == []


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("missing", "no such file or folder"),
        ("empty", "holds no images"),
        ("held out", "all images are validation or test images"),
    ],
)
def test_folders_without_images_to_use_are_refused(dataset, tmp_path, case, problem):
    folder = tmp_path / "more"
    if case != "missing":
        folder.mkdir()
    if case == "held out":
        shutil.copy(dataset / "images" / "case5.png", folder)
    with pytest.raises(DataError, match=problem):
        train_model(config(dataset, unlabelled=folder), out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()


def test_a_recipe_without_an_average_is_refused(dataset, folder, tmp_path):
    given = config(dataset, unlabelled=folder, recipe="paper")
    with pytest.raises(ConfigError, match="--unlabelled needs the average of the weights"):
        train_model(given, out=tmp_path / "run", page=False)


def test_a_damaged_image_is_named_and_leaves_no_run_folder(dataset, folder, tmp_path):
    (folder / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bad\.png"):
        train_model(config(dataset, unlabelled=folder), out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()


def test_all_images_are_taken_once_before_one_is_taken_again():
    steps = draw_unlabelled(10, 5, 3, seed=1)
    taken = torch.cat(steps)
    assert len(taken) == 15
    assert sorted(taken[:10].tolist()) == list(range(10))
    assert not torch.equal(taken, torch.cat(draw_unlabelled(10, 5, 3, seed=2)))
    both = [draw_unlabelled(10, 5, 1, seed=1, rank=rank, processes=2) for rank in (0, 1)]
    together = torch.stack([torch.cat(one) for one in both], 1).flatten()
    assert torch.equal(together, torch.cat(draw_unlabelled(10, 5, 2, seed=1)))


def test_the_two_views_lie_on_each_other_and_differ_in_colour_alone(dataset):
    cached = cache_split(dataset)
    rich = {"brightness": 0.4, "noise": 0.1, "grey": 1.0, "border": 1.0, "paste": 1.0}
    settings = Augmentation(rotate=40.0, zoom_out=1.0, **rich)
    generator = torch.Generator().manual_seed(0)
    changed, own = two_views(cached, torch.arange(4), settings, generator)
    still = replace(settings, brightness=0.0, noise=0.0, grey=0.0)
    generator = torch.Generator().manual_seed(0)
    same, expected = two_views(cached, torch.arange(4), still, generator)
    assert torch.equal(own, expected)
    assert torch.equal(same, expected)
    assert (changed - own).abs().mean() > 0.03
    assert torch.equal(changed[:, 0], changed[:, 2])


def test_the_loss_of_own_labels_by_hand():
    logits = torch.zeros(1, 2, 1, 2)
    share = torch.tensor([[0.9, 0.5], [0.1, 0.5]]).view(1, 2, 1, 2)
    found = pseudo_label_loss(logits, share.log())  # weights 0.8 and 0
    assert float(found) == pytest.approx(0.8 * torch.tensor(2.0).log().item() / 2)
    assert ramped_weight(Unlabelled(2.0, 0.0), 0.0) == 2.0


def test_the_average_labels_images_and_the_network_follows(dataset):
    """The average is sure of class 1 everywhere; more of it is found than without such images."""
    found = []
    for weight in (0.0, 4.0):
        torch.manual_seed(0)
        cached = cache_split(dataset)
        recipe = replace(FAST, learning_rate=3e-2, unlabelled=Unlabelled(weight, ramp_up=0.0))
        trainer = make_trainer(recipe=recipe, objective=Objective(recipe, unlabelled=cached))
        trainer._average.update = lambda model: None
        trainer.averaged.head.bias.data += torch.tensor([-20.0, 20.0])
        for _ in range(4):
            trainer.train_epoch(cached, lambda count: None)
            trainer.progress.epoch += 1
        with torch.inference_mode():
            logits = trainer.model.eval()(torch.zeros(1, 3, 32, 32))
        found.append(float(logits.softmax(1)[:, 1].mean()))
    assert found[1] > found[0] + 0.1


@pytest.mark.parametrize("taught", [False, True])
def test_a_resumed_training_with_images_without_masks_gives_the_same_bits(
    dataset, folder, tmp_path, taught
):
    given = config(dataset, epochs=2, deterministic=True, unlabelled=folder)
    if taught:
        train_model(config(dataset, epochs=1), out=tmp_path / "teacher", page=False)
        given = replace(given, teacher=str(tmp_path / "teacher"))
    train_model(given, out=tmp_path / "whole", page=False)
    with interrupt_before(1), pytest.raises(TrainingInterrupted):
        train_model(given, out=tmp_path / "parts", page=False)
    train_model(given, out=tmp_path / "parts", page=False)
    files = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "parts")]
    assert files[0] == files[1]
    info = read_checkpoint(tmp_path / "whole")[1]
    assert info.provenance["unlabelled"] == 9
    train_model(replace(given, unlabelled=None), out=tmp_path / "alone", page=False)
    assert (tmp_path / "alone" / "model.safetensors").read_bytes() != files[0]
