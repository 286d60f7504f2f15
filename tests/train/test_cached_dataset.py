"""The cached data set: its contents, crops and windows by index, the mapped file, bad files."""

import numpy as np
import pytest
import torch
from PIL import Image

from bmis.config import InputSpec
from bmis.data.cases import load_case
from bmis.data.folder import open_dataset
from bmis.data.preprocess import fit, fit_labels
from bmis.errors import DataError
from bmis.train import cached_dataset as module
from bmis.train.cached_dataset import CachedDataset
from helpers.tiny import write_dataset

SIZES = [(40, 70), (64, 32), (20, 50), (33, 97)]  # one is lower than the crop


@pytest.fixture
def mixed(tmp_path):
    """Four images of different sizes whose pixels hold their own place and image."""
    root = tmp_path / "mixed"
    write_dataset(root, splits=("train",) * len(SIZES))
    for number, (height, width) in enumerate(SIZES):
        y, x = np.mgrid[:height, :width]
        pixels = np.stack([y, x, np.full_like(x, number)], -1).astype(np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"case{number}.png")
        Image.fromarray(((x + y) % 3).astype(np.uint8)).save(root / "masks" / f"case{number}.png")
    return root


def cache(root, **spec):
    dataset = open_dataset(root)
    spec = InputSpec(**{"size": (32, 48), "channels": dataset.channels, **spec})
    scratch = root.parent
    return CachedDataset(dataset.cases, dataset, spec, torch.device("cpu"), scratch=scratch)


def everything(cached):
    """All that a cached data set returns, as one list of tensors."""
    generator = torch.Generator().manual_seed(0)
    crops = cached.crops(torch.tensor([3, 0, 2, 1, 0]), generator)
    return [*crops, *(part for number in range(len(cached)) for part in cached.windows(number))]


@pytest.mark.parametrize("resize", ["squash", "letterbox"])
def test_uniform_data_sets_hold_what_fit_returns(mixed, resize):
    cached, dataset = cache(mixed, resize=resize), open_dataset(mixed)
    images, labels = cached.crops(torch.tensor([2, 0]), torch.Generator())
    assert (images.shape, images.dtype) == ((2, 3, 32, 48), torch.uint8)
    assert (labels.shape, labels.dtype) == ((2, 32, 48), torch.uint8)
    for row, number in enumerate((2, 0)):
        image, mask = load_case(dataset.cases[number], dataset)
        expected = torch.tensor(fit(image.pixels, cached.spec)[0]).permute(2, 0, 1)
        assert torch.equal(images[row], expected)
        assert torch.equal(labels[row], torch.tensor(fit_labels(mask, cached.spec)))
        whole = cached.windows(number)
        assert torch.equal(whole[0][0], images[row])
        assert torch.equal(whole[1][0], labels[row])
    assert cached.crops_per_image() == 1
    assert cached.uniform


def test_native_crops_lie_inside_their_image_and_reach_every_edge(mixed):
    cached = cache(mixed, resize="native")
    assert cached.shapes == [(40, 70), (64, 48), (32, 50), (33, 97)]  # padded up to the crop
    generator = torch.Generator().manual_seed(0)
    number = torch.arange(3).repeat(300)
    number[number == 2] = 3  # the padded ones below
    images, labels = cached.crops(number, generator)
    for index in (0, 3):
        y, x, marked = images[number == index].unbind(1)
        height, width = SIZES[index]
        assert (marked == index).all()
        assert (y[:, 1:] - y[:, :-1] == 1).all()
        assert (x[..., 1:] - x[..., :-1] == 1).all()
        assert (labels[number == index] == (x.int() + y.int()) % 3).all()
        assert (y.min(), y.max()) == (0, height - 1)
        assert (x.min(), x.max()) == (0, width - 1)


def test_an_image_smaller_than_the_crop_is_padded_with_background(mixed):
    cached = cache(mixed, resize="native")
    images, labels = cached.windows(2)
    assert images.shape == (2, 3, 32, 48)
    assert not images[:, :, 20:].any()
    assert not labels[:, 20:].any()
    assert (images[:, 2, :20] == 2).all()


def test_windows_cover_every_pixel_of_the_image(mixed):
    cached = cache(mixed, resize="native")
    for number, (height, width) in enumerate(SIZES):
        images, labels = cached.windows(number)
        seen = np.zeros((height, width), bool)
        for image, mask in zip(images, labels, strict=True):
            real = (image[2] == number).numpy() | (number == 0)  # not the padding
            y, x = image[0].numpy()[real], image[1].numpy()[real]
            seen[y, x] = True
            assert (mask.numpy()[real] == (x.astype(int) + y) % 3).all()
        assert seen.all()
    assert len(cached.windows(1)[0]) == 2  # no more windows than it takes
    assert len(cached.windows(3)[0]) == 2 * 3


def test_crops_per_image_is_the_mean_area_over_that_of_a_crop(mixed):
    area = 40 * 70 + 64 * 48 + 32 * 50 + 33 * 97
    assert cache(mixed, resize="native").crops_per_image() == round(area / 4 / (32 * 48))
    assert cache(mixed, resize="native", size=(128, 128)).crops_per_image() == 1


@pytest.mark.parametrize("resize", ["squash", "native"])
def test_what_does_not_fit_into_memory_is_mapped_and_holds_the_same(mixed, resize, monkeypatch):
    expected = everything(cache(mixed, resize=resize))
    monkeypatch.setattr(module, "_free", lambda device: 0)
    made = []
    memmap = np.memmap
    monkeypatch.setattr(
        np, "memmap", lambda *args, **more: made.append(memmap(*args, **more)) or made[0]
    )
    before = set(mixed.parent.rglob("*"))
    cached = cache(mixed, resize=resize)
    assert made
    for ours, theirs in zip(everything(cached), expected, strict=True):
        assert torch.equal(ours, theirs)
    assert set(mixed.parent.rglob("*")) == before  # nothing has to be cleaned up


def test_a_disk_without_room_is_an_error_before_it_is_filled(mixed, monkeypatch):
    monkeypatch.setattr(module, "_free", lambda device: 0)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1000}))
    with pytest.raises(DataError, match=r"no room for 0.0 GiB of images; free memory or disk"):
        cache(mixed)


def test_grey_images_take_one_channel(tmp_path):
    cached = cache(write_dataset(tmp_path / "grey", channels=1))
    assert cached.spec.channels == 1
    assert cached.crops(torch.tensor([1]), torch.Generator())[0].shape == (1, 1, 32, 48)


def test_all_bad_files_are_named_and_the_good_ones_not(dataset):
    (dataset / "dataset.yaml").write_text("classes: [background, thing]\nchannels: 3\n")
    (dataset / "images" / "case1.png").write_bytes(b"no picture")
    Image.new("L", (5, 5)).save(dataset / "masks" / "case4.png")
    with pytest.raises(DataError) as caught:
        cache(dataset)
    message = str(caught.value)
    assert "case1.png" in message
    assert "case4.png" in message
    assert "case0" not in message
    assert message.endswith(f"2 problems; `bmis inspect {dataset}` lists all of them")
    assert "bmis inspect" in message


def test_many_files_that_are_bad_alike_are_one_line(tmp_path):
    root = write_dataset(tmp_path / "data", splits=("train",) * 13)
    (root / "dataset.yaml").write_text("classes: [background, thing]\nchannels: 3\n")
    for file in (root / "images").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        cache(root, resize="native")
    first, advice = str(caught.value).splitlines()
    assert first.startswith(f"{root}/images/case0.png: the file is empty")
    assert first.endswith(" (and 12 more like it)")
    assert advice.startswith("13 problems; ")
