"""Stacks of TIFF in data sets: pages are images with the pages of their masks, files are groups."""

import numpy as np
import pytest

from bmis.data.cases import load_case
from bmis.data.folder import open_dataset
from bmis.data.images import read_image
from bmis.errors import DataError
from bmis.inspect.dataset import inspect_dataset
from bmis.train.run import train_model
from helpers.tiffs import grey_pages, write_stack
from helpers.tiny import config


def write_pair(root, name, *, pages=4, masks=None, images="images", folder="masks", end=""):
    """A stack and what is bright in it."""
    values = grey_pages(pages)
    write_stack(root / images / f"{name}.tif", values)
    bright = (values[:masks] > 120).astype(np.uint8) * 255
    write_stack(root / folder / f"{name}{end}.tif", bright)
    return values


@pytest.fixture
def stacks(tmp_path):
    """Four stacks of four pages."""
    for name in "abcd":
        write_pair(tmp_path, name)
    return tmp_path


def test_pages_are_images_and_no_split_divides_a_file(stacks):
    dataset = open_dataset(stacks)
    assert (len(dataset.cases), dataset.channels, dataset.num_classes) == (16, 1, 2)
    assert [case.id for case in dataset.cases[:5]] == [
        *(f"a-{number:04d}" for number in (1, 2, 3, 4)),
        "b-0001",
    ]
    splits = {case.group: case.split for case in dataset.cases}
    assert all(splits[case.group] == case.split for case in dataset.cases)
    assert set(splits) == set("abcd")
    assert set(splits.values()) == {"train", "val", "test"}
    for case in dataset.cases[4:8]:
        image, labels = load_case(case, dataset)
        page = int(case.id[-1]) - 1
        np.testing.assert_array_equal(image.pixels[..., 0], grey_pages(4)[page])
        np.testing.assert_array_equal(labels, grey_pages(4)[page] > 120)


def test_a_line_of_a_table_stands_for_all_pages(stacks):
    (stacks / "splits.csv").write_text("id,split\na,train\nb,val\nc,test\nd,\n")
    dataset = open_dataset(stacks)
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [4, 4, 4]
    assert {case.group for case in dataset.split("val")} == {"b"}


def test_training_and_inspection_take_stacks(stacks, tmp_path):
    found = inspect_dataset(stacks, out=tmp_path / "inspect")
    assert (found.images, found.problems) == (16, ())
    done = train_model(config(stacks), out=tmp_path / "run")
    assert done.best_epoch >= 1


@pytest.mark.parametrize("masks", [1, 3])
def test_a_mask_of_other_pages_is_refused_with_both_numbers(tmp_path, masks):
    write_pair(tmp_path, "a", masks=masks)
    with pytest.raises(DataError, match=rf"masks/a.tif: a mask of {masks} for an image of 4 pages"):
        open_dataset(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path):
    write_pair(tmp_path, "a")
    write_stack(tmp_path / "masks" / "a.tif", np.zeros((4, 48, 60), np.uint8))
    with pytest.raises(DataError, match="a mask of 48 x 60 pixels for pages of 48 x 64"):
        open_dataset(tmp_path)


def test_pages_are_channels_where_it_is_declared(tmp_path):
    for name in "abcde":
        write_stack(tmp_path / "images" / f"{name}.tif", grey_pages(5))
        write_stack(tmp_path / "masks" / f"{name}.tif", grey_pages(1)[0] // 128 * 255)
    (tmp_path / "dataset.yaml").write_text("channels: 5\n")
    dataset = open_dataset(tmp_path)
    assert [case.id for case in dataset.cases] == list("abcde")
    assert load_case(dataset.cases[0], dataset)[0].pixels.shape == (48, 64, 5)


def test_masks_beside_stacks_and_several_of_them(tmp_path):
    write_pair(tmp_path, "a", images=".", folder=".", end="_mask_1")
    write_stack(tmp_path / "a_mask_2.tif", (grey_pages(4) < 30).astype(np.uint8) * 255)
    for name in "bcd":
        write_pair(tmp_path, name, images=".", folder=".", end="_mask")
    dataset = open_dataset(tmp_path)
    assert len(dataset.cases) == 16
    _, labels = load_case(dataset.cases[2], dataset)
    page = grey_pages(4)[2]
    np.testing.assert_array_equal(labels, (page > 120) | (page < 30))


@pytest.mark.parametrize("count", [1, 4])
def test_a_field_of_view_is_of_all_pages_or_of_each(tmp_path, count):
    for name in "abc":
        write_pair(tmp_path, name)
        view = np.full((count, 48, 64), 255, np.uint8)
        write_stack(tmp_path / "fov" / f"{name}.tif", view if count > 1 else view[0])
    dataset = open_dataset(tmp_path)
    names = [case.field_of_view.name for case in dataset.cases[:2]]
    assert names == (["a.tif#1", "a.tif#2"] if count > 1 else ["a.tif"] * 2)
    assert read_image(dataset.cases[0].field_of_view).pixels.min() == 255


def test_a_page_never_takes_the_id_of_an_image(stacks):
    write_stack(stacks / "images" / "a-0002.tif", grey_pages(1)[0])
    write_stack(stacks / "masks" / "a-0002.tif", grey_pages(1)[0])
    with pytest.raises(DataError, match="has the same id 'a-0002' as"):
        open_dataset(stacks)
