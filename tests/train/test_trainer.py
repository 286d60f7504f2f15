"""One epoch at a time: order, steps, validation in closed form, checkpoints."""

from dataclasses import replace

import pytest
import torch
from lightning.fabric import Fabric

from bmis.config import InputSpec
from bmis.data.folder import open_dataset
from bmis.errors import DataError, TrainingError
from bmis.models import SegmentationModel, build_model
from bmis.train.cached_dataset import CachedDataset
from bmis.train.recipes import find_recipe
from bmis.train.trainer import Trainer, normalise, read_progress
from helpers.tiny import NETWORK, write_dataset

FAST = find_recipe("fast", batch_size=2)


class Threshold(SegmentationModel):
    """Class 1 where the first channel is bright; one weight that can be learnt."""

    def __init__(self):
        super().__init__(3, 2, stride=1)
        self.level = torch.nn.Parameter(torch.tensor(0.0))
        self.batches = []

    def forward(self, x):
        self.batches.append(x.detach().clone())
        score = 20 * (x[:, :1] - self.level)
        return torch.cat([-score, score], 1)


def make_store(root, split="train", **spec):
    dataset = open_dataset(root)
    spec = InputSpec(**{"size": (32, 32), "channels": dataset.channels, **spec})
    return CachedDataset(
        dataset.split(split), dataset, spec, torch.device("cpu"), scratch=root.parent
    )


def make_trainer(model=None, recipe=FAST, **values):
    model = build_model("bmis", **NETWORK) if model is None else model
    fabric = Fabric(accelerator="cpu", devices=1)
    return Trainer(fabric, model, recipe, **{"epochs": 4, "seed": 0, **values})


def test_the_average_follows_the_weights_step_by_step(dataset):
    trainer = make_trainer(recipe=replace(FAST, average=0.99, weight_decay=0.0))
    seen, update = [], trainer._average.update
    trainer._average.update = lambda model: (update(model), seen.append(model.head.bias.clone()))
    start = trainer._model.head.bias.detach().clone()
    trainer.train_epoch(make_store(dataset), lambda count: None)
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
    store = make_store(dataset)
    losses = []
    for _ in range(8):
        losses.append(trainer.train_epoch(store, lambda count: None)["loss"])
        trainer.progress.epoch += 1
    assert losses[-1] < losses[0] - 0.05


def test_a_teacher_draws_the_answer_to_its_own(dataset):
    """It calls everything class 1, sure of it; the masks, mostly class 0, say otherwise."""

    def teacher(pixels):
        assert 0 <= pixels.min() <= pixels.max() <= 1
        asked.append(len(pixels))
        return torch.tensor([-8.0, 8.0]).view(1, 2, 1, 1).expand(len(pixels), 2, 32, 32)

    asked, found, store = [], [], make_store(dataset)
    for given in (None, teacher):
        torch.manual_seed(0)
        trainer = make_trainer(recipe=replace(FAST, learning_rate=3e-2), teacher=given)
        for _ in range(4):
            trainer.train_epoch(store, lambda count: None)
            trainer.progress.epoch += 1
        pixels = normalise(store.crops(torch.arange(4), torch.Generator())[0] / 255, store.spec)
        with torch.inference_mode():
            found.append(float(trainer.averaged.eval()(pixels).softmax(1)[:, 1].mean()))
    assert asked == [2] * 8
    assert found[1] > found[0] + 0.1


def test_an_epoch_shows_every_image_once_in_a_new_order(tmp_path):
    model = Threshold()
    still = replace(FAST.augmentation, flip=0.0, rotate=0.0, brightness=0.0, contrast=0.0)
    trainer = make_trainer(model, replace(FAST, augmentation=still))
    store = make_store(write_dataset(tmp_path / "d", splits=("train",) * 6))
    counts, orders = [], []
    for _ in range(3):
        model.batches.clear()
        trainer.train_epoch(store, counts.append)
        trainer.progress.epoch += 1
        orders.append([float(image.mean()) for batch in model.batches for image in batch])
    assert counts == [2] * 9
    for order in orders:
        assert len({round(mean, 3) for mean in order}) == 6
        assert sorted(order) == pytest.approx(sorted(orders[0]), abs=1e-4)
    assert orders[0] != pytest.approx(orders[1], abs=1e-4)


def test_a_last_smaller_batch_is_left_to_the_next_epoch(tmp_path):
    counts = []
    store = make_store(write_dataset(tmp_path / "d", splits=("train",) * 5))
    make_trainer().train_epoch(store, counts.append)
    assert counts == [2, 2]


@pytest.mark.parametrize("images", [1, 3])
def test_fewer_images_than_a_batch_make_one_step(tmp_path, images):
    counts = []
    store = make_store(write_dataset(tmp_path / "d", splits=("train",) * images))
    trainer = make_trainer(recipe=replace(FAST, batch_size=8))
    row = trainer.train_epoch(store, counts.append)
    assert counts == [images]
    assert row["loss"] > 0


def test_native_crops_add_up_to_the_area_of_the_images(tmp_path):
    counts = []
    root = write_dataset(tmp_path / "d", splits=("train",) * 2, size=(64, 96))
    make_trainer().train_epoch(make_store(root, resize="native"), counts.append)
    assert sum(counts) == 2 * 6


def test_the_rate_follows_the_schedule_step_by_step(dataset):
    trainer = make_trainer(recipe=replace(FAST, schedule="one_cycle"), epochs=1)
    row = trainer.train_epoch(make_store(dataset), lambda count: None)
    top, rest = FAST.learning_rate, (0.5 - 0.15) / 0.85  # the second of two steps
    cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * rest)).item())
    assert row["learning_rate"] == pytest.approx(top * (1e-3 + (1 - 1e-3) * cosine), rel=1e-5)
    rates = {g["lr"] for optimizer in trainer._optimizers for g in optimizer.param_groups}
    assert rates == {row["learning_rate"]}


def test_the_gradient_is_clipped_to_its_norm(dataset, monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters, limit):
        parameters = list(parameters)
        clip(parameters, limit)
        norms.append(torch.stack([p.grad.norm() for p in parameters]).norm().item())

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spy)
    trainer = make_trainer(recipe=replace(FAST, clip=1e-3))
    trainer.train_epoch(make_store(dataset), lambda count: None)
    assert len(norms) == 2
    assert max(norms) <= 1e-3 * 1.001


def paint(root, number, found, truth, size=(32, 32)):
    """An image bright in the first ``found`` columns and a mask of the first ``truth`` columns."""
    from PIL import Image

    columns = torch.arange(size[1]).expand(*size)
    pixels = ((columns < found) * 255).byte()[..., None].repeat(1, 1, 3).numpy()
    Image.fromarray(pixels).save(root / "images" / f"case{number}.png")
    marks = ((columns < truth) * 255).byte().numpy()
    Image.fromarray(marks).save(root / "masks" / f"case{number}.png")


@pytest.mark.parametrize("resize", ["squash", "native"])
def test_validation_in_closed_form(tmp_path, resize):
    """By image, not by pixel; an image rightly found empty counts as 1."""
    size = (32, 64) if resize == "native" else (32, 32)
    root = write_dataset(tmp_path / "d", splits=("val",) * 4, size=size)
    for number, (found, truth) in enumerate([(16, 8), (4, 8), (0, 0), (3, 0)]):
        paint(root, number, found, truth, size)
    row = make_trainer(Threshold()).validate(make_store(root, "val", resize=resize))
    assert row["val_iou"] == pytest.approx((8 / 16 + 4 / 8 + 1 + 0) / 4)
    assert row["val_dice"] == pytest.approx((16 / 24 + 8 / 12 + 1 + 0) / 4)


def test_validation_leaves_out_a_class_that_neither_shows(tmp_path):
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
    from PIL import Image

    marks = (torch.arange(32).expand(32, 32) < 8).byte().numpy()
    Image.fromarray(marks).save(root / "masks" / "case0.png")
    spec = InputSpec(size=(32, 32))
    cpu = torch.device("cpu")
    store = CachedDataset(dataset.split("val"), dataset, spec, cpu, scratch=tmp_path)
    assert make_trainer(Ones()).validate(store)["val_iou"] == pytest.approx(0.5)


def test_validation_of_a_large_image_never_holds_more_than_a_batch(tmp_path):
    model = Threshold()
    root = write_dataset(tmp_path / "d", splits=("val",), size=(96, 96))
    trainer = make_trainer(model, replace(FAST, average=0.0))
    trainer.validate(make_store(root, "val", resize="native"))
    assert [len(batch) for batch in model.batches] == [2, 2, 2, 2, 1]


def test_the_average_is_validated_and_not_the_last_weights(tmp_path):
    root = write_dataset(tmp_path / "d", splits=("val",))
    paint(root, 0, 8, 8)
    trainer = make_trainer(Threshold(), replace(FAST, average=0.99))
    trainer._model.level.data.fill_(5.0)  # finds nothing
    store = make_store(root, "val")
    assert trainer.validate(store)["val_iou"] == 1
    trainer = make_trainer(trainer._model, replace(FAST, average=0.0))
    assert trainer.validate(store)["val_iou"] == 0


def test_the_best_epoch_is_the_first_with_the_highest_iou_and_dice():
    trainer = make_trainer(Threshold())
    better = [trainer.record({"val_iou": i, "val_dice": d}) for i, d in
              [(0.0, 0.0), (0.5, 0.6), (0.6, 0.4), (0.6, 0.5), (0.4, 0.8)]]  # fmt: skip
    assert better == [True, True, False, False, True]
    assert trainer.progress.best_epoch == 5
    assert [row["epoch"] for row in trainer.progress.log] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_with_the_cure(dataset, weight):
    trainer = make_trainer()
    next(trainer._model.parameters()).data.fill_(weight)
    with pytest.raises(TrainingError, match=r"not a number in epoch 1;.*--learning-rate"):
        trainer.train_epoch(make_store(dataset), lambda count: None)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_what_is_no_number_in_half_precision_is_noticed_in_the_same_epoch(tmp_path, recipe):
    """ReLUs of bf16 may turn it into 0 on the way to the loss; the weights tell."""
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    recipe = find_recipe(recipe, batch_size=2)
    trainer = Trainer(fabric, build_model("bmis", **NETWORK), recipe, epochs=4, seed=0)
    store = make_store(write_dataset(tmp_path / "d", splits=("train",) * 2))
    ruined = -torch.tensor(torch.nan)
    trainer._model.stage_1[0].norm_1.register_forward_hook(lambda module, x, y: y * ruined)
    with pytest.raises(TrainingError, match="not a number"):
        trainer.train_epoch(store, lambda count: None)


def test_weights_ruined_by_the_last_step_are_noticed_in_the_same_epoch(tmp_path, monkeypatch):
    trainer = make_trainer(Threshold())
    store = make_store(write_dataset(tmp_path / "d", splits=("train",) * 2))
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda p, _: [w.grad.fill_(torch.nan) for w in p]
    )
    with pytest.raises(TrainingError, match="not a number"):
        trainer.train_epoch(store, lambda count: None)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_a_checkpoint_goes_on_with_the_same_bits(dataset, tmp_path, recipe):
    recipe = find_recipe(recipe, batch_size=2)
    store, val = make_store(dataset), make_store(dataset, "val")

    def epoch(trainer):
        return trainer.record(
            trainer.train_epoch(store, lambda count: None) | trainer.validate(val)
        )

    whole = make_trainer(recipe=recipe)
    epoch(whole)
    whole.save(tmp_path / "x.ckpt")
    epoch(whole)
    torch.manual_seed(99)
    resumed = make_trainer(recipe=recipe)
    resumed.load(tmp_path / "x.ckpt")
    assert resumed.progress == read_progress(tmp_path / "x.ckpt")
    epoch(resumed)
    assert resumed.progress.log == whole.progress.log
    for name in ("_model", "averaged"):
        mine, theirs = (getattr(t, name).state_dict() for t in (whole, resumed))
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert [file.name for file in tmp_path.glob("*.ckpt")] == ["x.ckpt"]


@pytest.mark.parametrize("content", ["half", "text", "other network", "other recipe"])
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, content):
    file = tmp_path / "last.ckpt"
    model = build_model("bmis", **{**NETWORK, "widths": [4, 8, 16]})
    other = {"other network": {"model": model}, "other recipe": {"recipe": find_recipe("paper")}}
    make_trainer(**other.get(content, {})).save(file)
    if content == "half":
        file.write_bytes(file.read_bytes()[:2000])
    if content == "text":
        file.write_text("no checkpoint")
    with pytest.raises(TrainingError, match=r"last.ckpt: cannot be resumed .*; delete it"):
        make_trainer().load(file)
    if content in ("half", "text"):
        with pytest.raises(TrainingError, match=r"last.ckpt: cannot be resumed .*; delete it"):
            read_progress(file)


def test_a_full_disk_is_told_and_the_old_checkpoint_stays(tmp_path, monkeypatch):
    trainer, file = make_trainer(), tmp_path / "last.ckpt"
    trainer.save(file)
    before = file.read_bytes()

    def full(state, path):
        path.write_bytes(b"a half")
        raise RuntimeError("PytorchStreamWriter failed writing file\nlong story")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DataError, match=r"last.ckpt: cannot be written \(PytorchStreamWriter"):
        trainer.save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
