"""Which images each step of an epoch takes."""

from dataclasses import replace
from itertools import product

import pytest

from bmis.config import TrainConfig
from bmis.errors import TrainingError
from bmis.train.batches import draw_batches, mix_seed
from bmis.train.run import train_model
from bmis.train.trainer import Trainer
from helpers.tiny import config, write_dataset
from helpers.training import FAST, Threshold, cache_split, make_trainer


def test_an_epoch_shows_every_image_once_in_a_new_order(tmp_path):
    model = Threshold()
    still = replace(FAST.augmentation, flip=0.0, rotate=0.0, brightness=0.0, contrast=0.0)
    trainer = make_trainer(model, replace(FAST, augmentation=still))
    cached = cache_split(write_dataset(tmp_path / "d", splits=("train",) * 6))
    counts, orders = [], []
    for _ in range(3):
        model.batches.clear()
        trainer.train_epoch(cached, counts.append)
        trainer.progress.epoch += 1
        orders.append([float(image.mean()) for batch in model.batches for image in batch])
    assert counts == [2] * 9
    for order in orders:
        assert len({round(mean, 3) for mean in order}) == 6
        assert sorted(order) == pytest.approx(sorted(orders[0]), abs=1e-4)
    assert orders[0] != pytest.approx(orders[1], abs=1e-4)


def test_a_last_smaller_batch_is_left_to_the_next_epoch(tmp_path):
    counts = []
    cached = cache_split(write_dataset(tmp_path / "d", splits=("train",) * 5))
    make_trainer().train_epoch(cached, counts.append)
    assert counts == [2, 2]


@pytest.mark.parametrize("images", [1, 3])
def test_fewer_images_than_a_batch_make_one_step(tmp_path, images):
    counts = []
    cached = cache_split(write_dataset(tmp_path / "d", splits=("train",) * images))
    trainer = make_trainer(recipe=replace(FAST, batch_size=8))
    row = trainer.train_epoch(cached, counts.append)
    assert counts == [images]
    assert row["loss"] > 0


def test_native_crops_add_up_to_the_area_of_the_images(tmp_path):
    counts = []
    root = write_dataset(tmp_path / "d", splits=("train",) * 2, size=(64, 96))
    make_trainer().train_epoch(cache_split(root, resize="native"), counts.append)
    assert sum(counts) == 2 * 6


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_the_images_of_an_epoch(world_size):
    seen = [
        image
        for rank in range(world_size)
        for batch in draw_batches(12, 6, seed=3, rank=rank, world_size=world_size)
        for image in batch.tolist()
    ]
    assert sorted(seen) == list(range(12))


def test_random_streams_differ_by_seed_epoch_and_stream():
    numbers = {mix_seed(*place) for place in product(range(8), range(8), range(8))}
    assert len(numbers) == 8**3
    assert all(0 <= number < 2**63 for number in numbers)


@pytest.mark.parametrize(
    ("images", "batch_size", "fix"),
    [
        (4, 1, "use --batch-size 2 or more, now 1"),
        (1, 8, "give it 2 training images or more, now 1"),
    ],
)
def test_one_image_at_a_time_is_refused_where_a_norm_needs_two(tmp_path, images, batch_size, fix):
    data = write_dataset(tmp_path / "d", splits=("train",) * images + ("val",))
    settings = TrainConfig(
        str(data), "fast_scnn", epochs=1, size=(32, 32), batch_size=batch_size, device="cpu"
    )
    with pytest.raises(TrainingError) as caught:
        train_model(settings, out=tmp_path / "run", page=False)
    wanted = f"fast_scnn cannot be trained with one image at a time (batch norm); {fix}"
    assert str(caught.value) == wanted
    two = replace(settings, batch_size=2)
    if images > 1:  # the folder holds no epoch yet
        assert train_model(two, out=tmp_path / "run", page=False).epochs == 1


def test_other_errors_of_values_are_not_taken_for_it(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("another")

    monkeypatch.setattr(Trainer, "train_epoch", fail)
    data = write_dataset(tmp_path / "d")
    with pytest.raises(ValueError, match="another"):
        train_model(config(data), out=tmp_path / "run", page=False)
