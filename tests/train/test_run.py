"""``train_model`` from a data set to a run folder; which data sets it takes."""

import json
from importlib.metadata import version

import numpy as np
import pytest
import torch
from PIL import Image

from bmis.data.folder import open_dataset
from bmis.errors import BmisError, DataError
from bmis.models.checkpoint import read_checkpoint
from bmis.models.networks.bmis import BMIS
from bmis.system.environment import source_hash
from bmis.train.recipes import Recipe, find_recipe
from bmis.train.run import train_model
from bmis.train.trainer import Trainer
from helpers.tiny import config, write_dataset
from helpers.training import best_weights, read_log, same_weights


def test_a_folder_becomes_a_run_folder(dataset, tmp_path):
    run = tmp_path / "a" / "run"
    done = train_model(config(dataset, epochs=3), out=run)
    files = ["config.yaml", "environment.json", "facts.json", "last.ckpt", "log.csv"]
    files += ["model.safetensors", "report.html", "validation"]
    assert sorted(file.name for file in run.iterdir()) == files
    log = read_log(run)
    assert [row["epoch"] for row in log] == [1, 2, 3]
    assert list(log[0]) == [
        *("epoch", "loss", "learning_rate", "images", "train_seconds"),
        *("val_iou", "val_dice", "seconds"),
    ]
    assert 0 < float(log[0]["train_seconds"]) < float(log[0]["seconds"])
    assert (done.run, done.epochs) == (run, 3)
    best = log[done.best_epoch - 1]
    assert best["val_iou"] + best["val_dice"] == max(r["val_iou"] + r["val_dice"] for r in log)
    assert done.val_iou == pytest.approx(best["val_iou"], rel=1e-5)
    assert done.val_dice == pytest.approx(best["val_dice"], rel=1e-5)
    assert done.images_per_second == pytest.approx(3 * 4 / done.seconds)
    model, info = read_checkpoint(run)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)
    assert info.provenance["best_epoch"] == done.best_epoch
    assert info.provenance["seed"] == 0
    assert info.provenance["weights"] == "none"
    assert info.provenance["recipe"]["name"] == "default"
    assert info.provenance["recipe"]["batch_size"] == 2
    environment = json.loads((run / "environment.json").read_text())
    assert Recipe.from_dict(environment.pop("recipe")) == find_recipe("default", batch_size=2)
    assert environment == info.provenance["environment"]
    assert environment["torch"] == version("torch")
    assert environment["threads"] == torch.get_num_threads()
    assert environment["source"] == source_hash()


def test_the_epoch_is_chosen_by_validation_and_not_by_test(tmp_path, monkeypatch):
    """With forged validation scores, the forged best epoch is kept."""
    data = write_dataset(tmp_path / "data")
    seen, kept = [], []
    validate = Trainer.validate

    def forged(self, dataset):
        seen.append(dataset.crops(torch.tensor([0]), torch.Generator())[0])
        kept.append({k: v.clone() for k, v in self.averaged.state_dict().items()})
        row = validate(self, dataset)
        return {**row, "val_iou": [0.1, 0.9, 0.5][self.progress.epoch]}

    monkeypatch.setattr(Trainer, "validate", forged)
    done = train_model(config(data, epochs=3), out=tmp_path / "run", page=False)
    assert done.best_epoch == 2
    assert same_weights(best_weights(tmp_path / "run"), kept[1])
    assert not same_weights(best_weights(tmp_path / "run"), kept[2])
    val = torch.tensor(list(Image.open(data / "images" / "case4.png").tobytes()), dtype=torch.uint8)
    for images in seen:  # case4 is the one validation image
        assert torch.equal(images[0].permute(1, 2, 0).flatten(), val)


def test_the_test_images_are_never_opened(tmp_path):
    data = write_dataset(tmp_path / "data")
    (data / "dataset.yaml").write_text("classes: [background, thing]\nchannels: 3\n")
    (data / "images" / "case5.png").write_bytes(b"unreadable")
    assert train_model(config(data, epochs=1), out=tmp_path / "run", page=False).epochs == 1


def test_equal_seeds_give_equal_files_and_other_seeds_other_weights(dataset, tmp_path):
    for name, seed in {"a": 3, "b": 3, "c": 4}.items():
        train_model(
            config(dataset, seed=seed, epochs=1, deterministic=True),
            out=tmp_path / name,
            page=False,
        )
    one, same, _ = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert one == same
    assert not same_weights(best_weights(tmp_path / "a"), best_weights(tmp_path / "c"))


@pytest.mark.parametrize(
    "values",
    [
        {"resize": "letterbox"},
        {"resize": "native"},
        {"size": (32, 48)},
        {"precision": "bf16"},
        {"recipe": "paper"},
        {"recipe": "fast", "batch_size": None},
    ],
)
def test_every_resize_rule_size_precision_and_recipe_trains(tmp_path, values):
    data = write_dataset(tmp_path / "data", size=(40, 56))
    done = train_model(config(data, epochs=1, **values), out=tmp_path / "run", page=False)
    assert done.epochs == 1
    info = read_checkpoint(tmp_path / "run")[1]
    assert info.input.resize == values.get("resize", "squash")
    assert info.input.size == values.get("size", (32, 32))


def test_grey_images_and_three_classes(tmp_path):
    data = write_dataset(tmp_path / "data", channels=1, classes=3)
    train_model(config(data, epochs=1), out=tmp_path / "run", page=False)
    model, info = read_checkpoint(tmp_path / "run")
    assert (info.model.in_channels, info.model.num_classes) == (1, 3)
    assert len(info.classes) == 3
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 3, 32, 32)


def test_one_image_to_train_on_is_enough(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train", "val"))
    assert train_model(config(data, batch_size=8), out=tmp_path / "run", page=False).epochs == 2


def test_a_missing_validation_split_is_an_error_with_a_hint(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train", "test"))
    message = (
        r"no images in split 'val'; .*train \(1\), test \(1\).*name them in splits.csv, or use"
    )
    with pytest.raises(DataError, match=message):
        train_model(config(data), out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()


def test_images_that_cannot_be_used_leave_no_run_folder(tmp_path):
    data = write_dataset(tmp_path / "data")
    mask = next((data / "masks").iterdir())
    Image.new("L", (5, 7)).save(mask)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    for run in ("run", "mine"):
        with pytest.raises(DataError, match="mask of 7 x 5 pixels for an image of"):
            train_model(config(data), out=tmp_path / run, page=False)
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "mine" / "notes.txt").read_text() == "kept"


def test_bad_files_of_both_splits_are_named_at_once(tmp_path):
    data = write_dataset(tmp_path / "data")
    splits = {case.split: case for case in open_dataset(data).cases}
    (data / "dataset.yaml").write_text("classes: [rest, square]\nchannels: 3")
    for split in ("train", "val"):
        splits[split].image.write_text("no picture")
    with pytest.raises(DataError) as caught:
        train_model(config(data), out=tmp_path / "run", page=False)
    said = str(caught.value)
    assert "(and 1 more like it)\n2 problems; `bmis inspect" in said
    assert not (tmp_path / "run").exists()


def test_a_fold_made_by_bmis_trains(tmp_path):
    data = write_dataset(tmp_path / "data", splits=("train",) * 10)
    (data / "splits.csv").unlink()
    train_model(config(data, fold=2, epochs=1), out=tmp_path / "run", page=False)
    assert read_checkpoint(tmp_path / "run")[1].provenance["fold"] == 2


def test_a_nan_in_training_is_one_clear_error(dataset, tmp_path, monkeypatch):
    forward = BMIS.forward
    monkeypatch.setattr(BMIS, "forward", lambda self, x: forward(self, x) * float("nan"))
    with pytest.raises(BmisError, match="not a number in epoch 1") as caught:
        train_model(config(dataset), out=tmp_path / "run", page=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_groups_that_splits_divide_are_warned_of(dataset, tmp_path, caplog):
    table = dataset / "splits.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{rows[0]},group", *(f"{row},one" for row in rows[1:])]))
    train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False)
    assert "1 group divided between splits, such as 'one'" in caplog.text


def test_masks_that_an_import_would_read_better_are_warned_of(tmp_path, caplog):
    root = write_dataset(tmp_path / "d", classes=3)
    for path in (root / "masks").iterdir():
        Image.fromarray(np.array(Image.open(path)) + np.uint8(1)).save(path)
    train_model(config(root, epochs=1), out=tmp_path / "run", page=False)
    (said,) = (message for message in caplog.messages if "bmis import" in message)
    assert said.startswith(f"{root}: no mask holds 0, the background: values 1 2 3 are classes")


@pytest.mark.parametrize("resize", ["squash", "native"])
def test_images_without_any_object_are_trained_on(tmp_path, resize):
    """Batches of one, so that some steps see no object; what such an image shows is learnt."""
    states = []
    for number, level in enumerate((30, 200)):
        root = write_dataset(tmp_path / f"d{number}", size=(40, 40))
        for name in ("case0", "case1"):
            Image.fromarray(np.zeros((40, 40), np.uint8)).save(root / "masks" / f"{name}.png")
            pixels = np.full((40, 40, 3), level, np.uint8)
            Image.fromarray(pixels).save(root / "images" / f"{name}.png")
        run = tmp_path / f"run{number}"
        train_model(
            config(root, epochs=1, batch_size=1, resize=resize, deterministic=True), out=run
        )
        (row,) = read_log(run)
        assert np.isfinite(row["loss"])
        assert row["images"] == (4 if resize == "squash" else 8)
        states.append(best_weights(run))
    assert not same_weights(*states)
