"""Ranges come from real training images only."""

import numpy as np
import pytest
from PIL import Image

from bmis.config import InputSpec
from bmis.data.folder import open_dataset
from bmis.data.phantoms.write import write_phantoms
from bmis.errors import DataError
from bmis.export import calibration
from bmis.export.calibration import read_calibration

SPLITS = ["train"] * 9 + ["val", "test", "test"]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "data"
    write_phantoms(root, modality="endoscopy", count=12, size=(48, 64), seed=0)
    ids = sorted(path.stem for path in (root / "images").iterdir())
    rows = [f"{name},{split}" for name, split in zip(ids, SPLITS, strict=True)]
    (root / "splits.csv").write_text("\n".join(["id,split", *rows]) + "\n", encoding="utf-8")
    return root


def repaint(folder, paint):
    for path in (folder / "images").iterdir():
        with Image.open(path) as image:
            shape = np.asarray(image).shape
        Image.fromarray(paint(shape)).save(path)


def test_only_training_images_are_read_as_the_network_gets_them(folder):
    images = read_calibration(open_dataset(folder), InputSpec((32, 40), 3))
    assert images.shape == (9, 3, 32, 40)
    assert images.dtype == np.float32
    assert -1 <= images.min() < 0 < images.max() <= 1


def test_only_as_many_images_as_needed_are_read(folder, monkeypatch):
    monkeypatch.setattr(calibration, "COUNT", 8)
    assert len(read_calibration(open_dataset(folder), InputSpec((32, 40), 3))) == 8


def test_one_tile_of_each_native_image_is_read(folder):
    images = read_calibration(open_dataset(folder), InputSpec((32, 32), 3, resize="native"))
    assert images.shape == (9, 3, 32, 32)


def test_noise_is_refused(folder):
    rng = np.random.default_rng(0)
    repaint(folder, lambda shape: rng.integers(0, 256, shape, dtype=np.uint8))
    with pytest.raises(DataError, match=r"look like noise .* calibrate with the training images"):
        read_calibration(open_dataset(folder), InputSpec((48, 64), 3))


def test_one_colour_is_refused(folder):
    repaint(folder, lambda shape: np.full(shape, 90, np.uint8))
    with pytest.raises(DataError, match="are of one colour"):
        read_calibration(open_dataset(folder), InputSpec((48, 64), 3))


def test_too_few_images_are_refused(folder):
    table = folder / "splits.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("train", "val", 2), encoding="utf-8")
    with pytest.raises(
        DataError, match="needs 8 training images or more to read ranges from, got 7"
    ):
        read_calibration(open_dataset(folder), InputSpec((48, 64), 3))
