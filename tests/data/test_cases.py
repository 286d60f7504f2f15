"""Images, labels and fields of view as they are loaded."""

from dataclasses import replace

import numpy as np
import pytest

from bmis.data.cases import load_case, load_counted, load_field_of_view
from bmis.data.folder import open_dataset
from bmis.errors import DataError
from helpers.folders import blob, make_folder, picture, save, write_table


@pytest.fixture
def root(tmp_path):
    return make_folder(tmp_path / "mine")


def test_a_loaded_case_has_pixels_and_class_numbers(root):
    dataset = open_dataset(root)
    image, labels = load_case(dataset.cases[4], dataset)
    np.testing.assert_array_equal(image.pixels, picture(4))
    np.testing.assert_array_equal(labels, blob(4, value=1))
    assert labels.dtype == np.uint8


def test_several_masks_are_merged_the_higher_class_above(tmp_path):
    first, second = blob(0, value=1), blob(3, value=2)
    for index in range(3):
        save(tmp_path / f"a{index}.png", picture(index))
        save(tmp_path / f"a{index}_mask.png", second)
        save(tmp_path / f"a{index}_mask_1.png", first)
    dataset = open_dataset(tmp_path)
    _, labels = load_case(dataset.cases[0], dataset)
    np.testing.assert_array_equal(labels, np.maximum(first, second))


@pytest.mark.parametrize("listing", [True, False])
def test_a_field_of_view_is_true_where_its_file_is_not_0(root, listing):
    seen = blob(3, value=1) + blob(0, value=254)
    save(root / "fov" / "c04.png", seen)
    if listing:
        write_table(root / "splits.csv", "id,split", *(f"c{i:02},train" for i in range(10)))
    dataset = open_dataset(root)
    inside = load_field_of_view(dataset.cases[4], (24, 32))
    assert inside.dtype == np.bool_
    np.testing.assert_array_equal(inside, seen > 0)
    assert load_field_of_view(dataset.cases[5], (24, 32)) is None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.zeros((24, 32), np.uint8), r"fov/c01.png: an empty field of view; set what is inside"),
        (blob(0, (32, 24)), r"fov/c01.png: field of view of 32 x 24 pixels for an image of 24 x 3"),
        (picture(0), r"fov/c01.png: a mask in colours"),
    ],
)
def test_an_unusable_field_of_view_is_refused(root, raw, message):
    save(root / "fov" / "c01.png", raw)
    case = open_dataset(root).cases[1]
    with pytest.raises(DataError, match=message):
        load_field_of_view(case, (24, 32))


def test_a_mask_of_another_size(root):
    save(root / "masks" / "c01.png", blob(0, (32, 24)))
    dataset = open_dataset(root)
    with pytest.raises(DataError, match=r"c01.png: mask of 32 x 24 pixels for an image of 24 x 32"):
        load_case(dataset.cases[1], dataset)


def test_ignored_pixels_win_where_masks_overlap_and_follow_no_order(tmp_path):
    first, second = blob(0, value=1), blob(3, value=9)
    for index in range(3):
        save(tmp_path / f"a{index}.png", picture(index))
        save(tmp_path / f"a{index}_mask.png", first)
        save(tmp_path / f"a{index}_mask_1.png", second)
    (tmp_path / "dataset.yaml").write_text("classes: [a, b, c]\nignore: 9")
    dataset = replace(open_dataset(tmp_path), order=(0, 2, 1))
    _, labels = load_case(dataset.cases[0], dataset)
    np.testing.assert_array_equal(labels, np.where(second == 9, 255, first * 2))


def check(found, labels, counted):
    np.testing.assert_array_equal(found[0], labels)
    np.testing.assert_array_equal(found[1], counted)


def test_pixels_count_in_the_field_of_view_where_they_are_not_ignored(root):
    case = open_dataset(root).cases[4]
    labels = blob(4, value=1)
    check(load_counted(case, labels), labels, None)
    marked = labels.copy()
    marked[:, :9] = 255
    wanted = np.where(marked == 255, 0, marked)
    check(load_counted(case, marked), wanted, marked != 255)
    seen = blob(3, value=255)
    save(root / "fov" / "c04.png", seen)
    case = open_dataset(root).cases[4]
    check(load_counted(case, labels), labels, seen > 0)
    both = (seen > 0) & (marked != 255)
    check(load_counted(case, marked), wanted, both)
    with pytest.raises(DataError, match=r"c04.png: all pixels are ignored, so there is nothing"):
        load_counted(case, np.full_like(labels, 255))
