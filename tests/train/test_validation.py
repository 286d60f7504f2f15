"""Validation in closed form: each image and each class counts the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from bmis.config import InputSpec
from bmis.data.folder import open_dataset
from bmis.train.cached_dataset import CachedDataset
from helpers.tiny import write_dataset
from helpers.training import FAST, Threshold, cache_split, make_trainer


def paint(root, number, found, truth, size=(32, 32)):
    """An image bright in the first ``found`` columns and a mask of the first ``truth`` columns."""
    columns = torch.arange(size[1]).expand(*size)
    pixels = ((columns < found) * 255).byte()[..., None].repeat(1, 1, 3).numpy()
    Image.fromarray(pixels).save(root / "images" / f"case{number}.png")
    marks = ((columns < truth) * 255).byte().numpy()
    Image.fromarray(marks).save(root / "masks" / f"case{number}.png")


@pytest.mark.parametrize("resize", ["squash", "native"])
def test_validation_in_closed_form(tmp_path, resize):
    """By image, not by pixel; an empty image that is predicted empty is left out."""
    size = (32, 64) if resize == "native" else (32, 32)
    root = write_dataset(tmp_path / "d", splits=("val",) * 4, size=size)
    for number, (found, truth) in enumerate([(16, 8), (4, 8), (0, 0), (3, 0)]):
        paint(root, number, found, truth, size)
    row = make_trainer(Threshold()).validate(cache_split(root, "val", resize=resize))
    assert row["val_iou"] == pytest.approx((8 / 16 + 4 / 8 + 0) / 3)
    assert row["val_dice"] == pytest.approx((16 / 24 + 8 / 12 + 0) / 3)


def test_validation_of_nothing_found_where_nothing_is_gives_no_score(tmp_path):
    root = write_dataset(tmp_path / "d", splits=("val",) * 2)
    for number in range(2):
        paint(root, number, 0, 0)
    row = make_trainer(Threshold()).validate(cache_split(root, "val"))
    assert row == {"val_iou": 0.0, "val_dice": 0.0}


def test_the_best_epoch_is_never_an_early_one_that_finds_nothing():
    trainer = make_trainer(Threshold())
    better = [trainer.progress.record({"val_iou": s, "val_dice": s}) for s in (0, 0, 0.2, 0, 0.1)]
    assert (better, trainer.progress.best_epoch) == ([True, True, True, False, False], 3)
    trainer = make_trainer(Threshold())
    for _ in range(3):
        trainer.progress.record({"val_iou": 0.0, "val_dice": 0.0})
    assert trainer.progress.best_epoch == 3  # nothing chooses, so the last one counts


def test_validation_leaves_out_a_class_that_is_in_neither_mask(tmp_path):
    root = write_dataset(tmp_path / "d", splits=("val",), classes=3)
    dataset = open_dataset(root)
    assert dataset.num_classes == 3

    class Ones(Threshold):
        def __init__(self):
            super().__init__()
            self.num_classes = 3

        def forward(self, x):
            return torch.cat([super().forward(x), torch.full_like(x[:, :1], -99.0)], 1)

    paint(root, 0, 16, 8)
    marks = (torch.arange(32).expand(32, 32) < 8).byte().numpy()
    Image.fromarray(marks).save(root / "masks" / "case0.png")
    spec = InputSpec(size=(32, 32))
    cpu = torch.device("cpu")
    cached = CachedDataset(dataset.split("val"), dataset, spec, cpu, scratch=tmp_path)
    assert make_trainer(Ones()).validate(cached)["val_iou"] == pytest.approx(0.5)


def test_validation_of_a_large_image_never_holds_more_than_a_batch(tmp_path):
    model = Threshold()
    root = write_dataset(tmp_path / "d", splits=("val",), size=(96, 96))
    trainer = make_trainer(model, replace(FAST, average=0.0))
    trainer.validate(cache_split(root, "val", resize="native"))
    assert [len(batch) for batch in model.batches] == [2, 2, 2, 2, 1]


def test_the_average_is_validated_and_not_the_last_weights(tmp_path):
    root = write_dataset(tmp_path / "d", splits=("val",))
    paint(root, 0, 8, 8)
    trainer = make_trainer(Threshold(), replace(FAST, average=0.99))
    trainer.model.level.data.fill_(5.0)  # finds nothing
    cached = cache_split(root, "val")
    assert trainer.validate(cached)["val_iou"] == 1
    trainer = make_trainer(trainer.model, replace(FAST, average=0.0))
    assert trainer.validate(cached)["val_iou"] == 0


def test_the_best_epoch_is_the_first_with_the_highest_iou_and_dice():
    trainer = make_trainer(Threshold())
    better = [trainer.progress.record({"val_iou": i, "val_dice": d}) for i, d in
              [(0.0, 0.0), (0.5, 0.6), (0.6, 0.4), (0.6, 0.5), (0.4, 0.8)]]  # fmt: skip
    assert better == [True, True, False, False, True]
    assert trainer.progress.best_epoch == 5
    assert [row["epoch"] for row in trainer.progress.log] == [1, 2, 3, 4, 5]


def test_ignored_pixels_do_not_count(tmp_path):
    root = write_dataset(tmp_path / "d", splits=("val",) * 2)
    paint(root, 0, found=16, truth=8)
    paint(root, 1, found=32, truth=16)
    (root / "dataset.yaml").write_text("ignore: 9")
    for number, start in enumerate((12, 16)):
        labels = np.array(Image.open(root / "masks" / f"case{number}.png"))
        labels[:, start:] = 9
        Image.fromarray(labels).save(root / "masks" / f"case{number}.png")
    trainer = make_trainer(Threshold(), recipe=replace(FAST, batch_size=1))
    found = trainer.validate(cache_split(root, "val"))
    assert found["val_iou"] == pytest.approx((8 / 12 + 1) / 2)
    assert found["val_dice"] == pytest.approx((16 / 20 + 1) / 2)
