"""Folders as publishers and hospitals make them: patients, splits, GIF, fields of view."""

import csv

import numpy as np
import pytest

from bmis import ImportOptions, import_dataset, open_dataset
from helpers.annotated import images, mask, square, write
from helpers.folders import picture, save


def run(root, **options):
    return import_dataset(root, root.parent / "out", ImportOptions(**options))


def rows(out):
    with (out / "splits.csv").open() as stream:
        return {row["id"]: row for row in csv.DictReader(stream)}


def pair(root, name, image="images/{}.png", truth="masks/{}.png"):
    images((root / image.format(name)).parent, (root / image.format(name)).name)
    save(root / truth.format(name), square(255))


def test_a_folder_a_patient_is_a_group(tmp_path):
    for patient in range(3):
        for number in range(2):
            pair(tmp_path / "in" / f"patient{patient}", f"c{patient}{number}")
    done = run(tmp_path / "in")
    assert {name: row["group"] for name, row in rows(done.out).items()} == {
        f"c{p}{n}": f"patient{p}" for p in range(3) for n in range(2)
    }
    splits = {case.group: case.split for case in open_dataset(done.out).cases}
    assert len(splits) == 3


def test_images_of_one_name_get_the_names_of_their_folders(tmp_path):
    for patient in ("p1", "p2"):
        pair(tmp_path / "in" / patient, "scan")
    done = run(tmp_path / "in")
    assert [case.id for case in done.cases] == ["p1_images_scan", "p2_images_scan"]
    assert done.cases[0].notes == ("called 'p1_images_scan'",)


@pytest.mark.parametrize(
    ("image", "truth"),
    [
        ("train/images/{}.png", "train/masks/{}.png"),
        ("images/training/{}.png", "masks/training/{}.png"),
        ("train/Original/{}.png", "train/Ground Truth/{}.png"),
        ("train/{}.png", "train/{}_mask.png"),
        ("imgs/train/{}.png", "labels/train/{}_gt.png"),
    ],
)
def test_words_in_the_names_of_folders_are_splits(tmp_path, image, truth):
    for name in ("a", "b"):
        pair(tmp_path / "in", name, image, truth)
        for split, other in (("val", "c"), ("test", "d")):
            there = [
                path.replace("training", split).replace("train", split) for path in (image, truth)
            ]
            pair(tmp_path / "in", f"{other}{name}", *there)
    done = run(tmp_path / "in")
    assert {case.id: case.split for case in done.cases} == {
        **dict.fromkeys(("a", "b"), "train"),
        **dict.fromkeys(("ca", "cb"), "val"),
        **dict.fromkeys(("da", "db"), "test"),
    }


def test_isic_as_it_is_published(tmp_path):
    root = tmp_path / "in"
    for part in ("Training", "Test"):
        for number in range(3):
            name = f"ISIC_{part}{number}"
            photos = f"ISIC2018_Task1-2_{part}_Input"
            pair(
                root,
                name,
                photos + "/{}.jpg",
                f"ISIC2018_Task1_{part}_GroundTruth/{{}}_segmentation.png",
            )
            save(root / photos / f"{name}_superpixels.png", picture(1))
    done = run(root)
    assert sorted(case.split for case in done.cases) == ["test"] * 3 + ["train"] * 2 + ["val"]
    assert done.notes == ("no validation split: 1 of 3 training images taken for it",)
    assert done.not_read == {"PNG": 6}


def test_drive_as_it_is_published(tmp_path):
    root = tmp_path / "in"
    view = np.zeros_like(square())
    view[2:-2, 3:-3] = 255
    for part, numbers in (("training", (21, 22, 23)), ("test", (1, 2))):
        for number in numbers:
            save(root / part / "images" / f"{number:02}_{part}.tif", picture(number))
            save(root / part / "1st_manual" / f"{number:02}_manual1.gif", square(255))
            save(root / part / "mask" / f"{number:02}_{part}_mask.gif", view)
    save(root / "test" / "2nd_manual" / "01_manual2.gif", square(255))
    done = run(root)
    assert (done.format, done.classes) == ("drive", ("background", "vessel"))
    np.testing.assert_array_equal(mask(done.out, "21_training"), square(255))
    data = open_dataset(done.out)
    assert {case.id[:2]: case.split for case in data.cases}["01"] == "test"
    assert all(case.field_of_view for case in data.cases)
    assert done.not_read == {"GIF": 1}


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (np.ones((9, 9), np.uint8), "field of view of 9 x 9 pixels"),
        (square() * 0, "an empty field"),
    ],
)
def test_a_wrong_field_of_view_leaves_out_its_image(tmp_path, view, message):
    for name in ("a", "b"):
        pair(tmp_path / "in", name)
    save(tmp_path / "in" / "fov" / "a.png", view)
    done = run(tmp_path / "in")
    assert [case.id for case in done.cases] == ["b"]
    assert message in done.failed[0]


def test_hrf_as_it_is_published(tmp_path):
    root = tmp_path / "in"
    for number, name in enumerate(("01_dr", "01_g", "02_h")):
        save(root / "images" / f"{name}.JPG", picture(1), format="JPEG")
        save(root / "manual1" / f"{name}.tif", np.roll(square(255), number, 1))
        save(root / "mask" / f"{name}_mask.tif", np.dstack([np.full_like(square(), 255)] * 3))
    done = run(root)
    assert (done.format, len(done.cases)) == ("hrf", 3)
    for number, case in enumerate(done.cases):
        np.testing.assert_array_equal(mask(done.out, case.id), np.roll(square(255), number, 1))
    assert len(list((done.out / "fov").iterdir())) == 3


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_images_are_copied_byte_for_byte(tmp_path, suffix):
    image = save(tmp_path / "in" / "images" / f"a.{suffix}", picture(0, grey=True))
    save(tmp_path / "in" / "masks" / "a.png", square(255))
    done = run(tmp_path / "in")
    assert [case.copied for case in done.cases] == [True]
    assert (done.out / "images" / f"a.{suffix}").read_bytes() == image.read_bytes()


def test_a_mask_in_lossy_webp_is_cut_at_half(tmp_path):
    save(tmp_path / "in" / "images" / "a.png", picture(0))
    save(tmp_path / "in" / "masks" / "a.webp", square(255), quality=30)
    done = run(tmp_path / "in")
    assert "cut at" in done.cases[0].notes[0]
    assert (mask(done.out) > 0).sum() == pytest.approx(100, abs=12)


def test_a_mask_in_gif_keeps_its_greys(tmp_path):
    """Its palette numbers them anew: 2 becomes 1 there."""
    for name, value in (("a", 1), ("b", 2)):
        save(tmp_path / "in" / "images" / f"{name}.png", picture(value))
        save(tmp_path / "in" / "masks" / f"{name}.gif", square(value))
    done = run(tmp_path / "in")
    assert [int(mask(done.out, name).max()) for name in ("a", "b")] == [1, 2]


def test_what_bmis_itself_knows_of_a_folder_is_kept(tmp_path):
    root = tmp_path / "in"
    for name in ("a", "b", "c"):
        pair(root, name)
        save(root / "fov" / f"{name}.png", np.full_like(square(), 255))
    write(root / "splits.csv", "id,split,group\na,train,p1\nb,val,p2\nc,,p3")
    write(root / "dataset.yaml", "classes: [background, polyp]\nspacing: [0.1, 0.2]\nlicence: CC0")
    done = run(root)
    data = open_dataset(done.out)
    assert (data.classes, data.spacing, data.licence) == (
        ("background", "polyp"),
        (0.1, 0.2),
        "CC0",
    )
    assert {c.id: (c.split, c.group) for c in data.cases} == {
        "a": ("train", "p1"),
        "b": ("val", "p2"),
    }


def test_patients_in_names_are_proposed_and_taken_where_asked(tmp_path):
    for patient in range(3):
        for number in range(2):
            pair(tmp_path / "in", f"p{patient}_slice{number}")
    done = run(tmp_path / "in")
    assert list(done.proposed_groups) == ["p0", "p1", "p2"]
    assert not (done.out / "splits.csv").exists()
    done = import_dataset(tmp_path / "in", tmp_path / "grouped", ImportOptions(groups=True))
    assert {row["group"] for row in rows(done.out).values()} == {"p0", "p1", "p2"}


def test_one_folder_an_image_with_a_mask_an_object(tmp_path):
    root = tmp_path / "in" / "3f21"
    save(root / "images" / "3f21.png", picture(0))
    save(root / "masks" / "aa.png", np.where(square() > 0, 255, 0).astype(np.uint8))
    other = np.zeros_like(square())
    other[18:22, 20:28] = 255
    save(root / "masks" / "bb.png", other)
    done = run(tmp_path / "in")
    np.testing.assert_array_equal(mask(done.out, "3f21") > 0, (square() > 0) | (other > 0))


def test_names_that_tables_would_change_are_changed_first(tmp_path):
    pair(tmp_path / "in", " a b ,c ")
    for name in ("d", "e"):
        pair(tmp_path / "in", name)
    done = run(tmp_path / "in")
    assert [case.id for case in done.cases] == ["a b ,c", "d", "e"]
    assert len(open_dataset(done.out).cases) == 3
