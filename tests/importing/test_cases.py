"""Data as people have them: `bmis inspect` names the way on, which leads to their pixels."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
from PIL import Image

from bmis import inspect_dataset, open_dataset
from bmis.cli.main import main
from bmis.data.cases import load_case
from helpers.annotated import OUTLINE, SIZE, coco, images, labelme, square, write
from helpers.folders import picture, save

COUNT = 12
NAMES = [f"c{index:02}" for index in range(COUNT)]
OTHERS = square(0)
OTHERS[16:22, 18:30] = 2
COLOURS = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255]], np.uint8)
ALPHA = "the masks lie in the transparency (alpha)"
GREYS = "masks with grey edges or JPEG noise; write `mask_threshold: 128` into dataset.yaml, or "


def masks(root: Path, change, suffix=".png", **options):
    """``images/`` and ``masks/``; the masks are what becomes of the labels."""
    images(root / "images", *(f"{name}.png" for name in NAMES))
    for name in NAMES:
        save(root / "masks" / (name + suffix), change(square() + OTHERS), **options)


def in_jpeg(root):
    masks(root, lambda labels: (labels == 1) * np.uint8(255), ".jpg", quality=80)


def blurred(labels):
    picture = Image.fromarray((labels == 1) * np.uint8(255))
    small = picture.resize((27, 20), Image.Resampling.BILINEAR)
    return np.array(small.resize(SIZE[::-1], Image.Resampling.BILINEAR))


def with_names(root):
    masks(root, lambda labels: COLOURS[labels])
    write(root / "labelmap.txt", "lesion:250,50,83::\nhair:51,221,255::")


ABOVE = np.zeros(SIZE, np.uint8)
ABOVE[:23] = 1


def numbered(root):
    """12 to 15 objects a mask, one below the other."""
    masks(root, lambda labels: labels)
    for index, file in enumerate(sorted((root / "masks").iterdir())):
        rows = 1 + np.arange(24) * (12 + index % 4) // 23
        save(file, ABOVE * rows.astype(np.uint8)[:, None])


def white_is_zero(root):
    masks(root, lambda labels: labels)
    for file in (root / "masks").iterdir():
        file.unlink()
        how = {"photometric": "miniswhite", "metadata": None}
        tifffile.imwrite(file.with_suffix(".tif"), square(255), **how)


def transparent(labels):
    return np.dstack([np.full((*SIZE, 3), 255, np.uint8), (labels == 1) * np.uint8(255)])


def patients(root):
    for index, name in enumerate(NAMES):
        folder = root / f"patient{index // 3}"
        save(folder / "images" / f"{name}.png", picture(index, SIZE))
        save(folder / "masks" / f"{name}.png", square(255))


def labelme_files(root):
    images(root, *(f"{name}.png" for name in NAMES))
    for name in NAMES:
        write(root / f"{name}.json", labelme(f"{name}.png"))


def coco_file(root):
    images(root / "images", *(f"{name}.png" for name in NAMES))
    write(root / "annotations.json", coco(names=tuple(f"{name}.png" for name in NAMES)))


def yolo_files(root):
    images(root / "images/train", *(f"{name}.png" for name in NAMES))
    write(root / "data.yaml", "path: .\ntrain: images/train\nnames: {0: lesion}")
    line = " ".join(f"{value / SIZE[1 - at % 2]}" for at, value in enumerate(OUTLINE))
    for name in NAMES:
        write(root / "labels/train" / f"{name}.txt", f"0 {line}")


def drive(root):
    for part, numbers in (("training", range(21, 29)), ("test", range(1, 5))):
        for number in numbers:
            save(root / part / "images" / f"{number:02}_{part}.tif", picture(number, SIZE))
            save(root / part / "1st_manual" / f"{number:02}_manual1.gif", square(255))
            seen = np.full(SIZE, 255, np.uint8)
            save(root / part / "mask" / f"{number:02}_{part}_mask.gif", seen)


class As(NamedTuple):
    """A folder as people have it, what is said of it, and its labels."""

    draw: Callable[[Path], None]
    said: str
    labels: np.ndarray = square()


IMPORTED = {
    "jpeg-masks": As(in_jpeg, GREYS),
    "soft-masks": As(lambda root: masks(root, blurred), GREYS),
    "instances": As(
        numbered,
        "masks hold up to 16 values, which look like numbers of objects and not like classes",
        ABOVE,
    ),
    "from-one": As(
        lambda root: masks(root, lambda labels: labels + np.uint8(1)),
        "no mask holds 0, the background: values 1 2 3 are classes 0 to 2; write `first_class: 1`",
        square() + OTHERS,
    ),
    "colours": As(
        lambda root: masks(root, lambda labels: COLOURS[labels]),
        "colours #000000 #33ddff #fa3253 are classes 0 to 2",
        square(2) + OTHERS // 2,
    ),
    "colours with names": As(with_names, "holds masks in colours", square() + OTHERS),
    "inverted-tiff": As(white_is_zero, "white is zero: the stored numbers count"),
    "mask-in-alpha": As(lambda root: masks(root, transparent), ALPHA),
    "patients": As(patients, "holds pictures of masks"),
    "labelme": As(labelme_files, "holds LabelMe annotations"),
    "coco": As(coco_file, "holds COCO annotations"),
    "yolo": As(yolo_files, "holds YOLO outlines"),
    "drive": As(drive, "holds DRIVE"),
}


@pytest.fixture
def inspected(tmp_path, monkeypatch, capsys):
    """Draws a folder and gives what `bmis inspect` prints of it."""
    monkeypatch.chdir(tmp_path)

    def inspect(draw):
        draw(Path("in"))
        main(["inspect", "in"])
        return "".join(capsys.readouterr())

    return inspect


def assert_labels(root, labels):
    data = open_dataset(root)
    assert len(data.cases) == COUNT
    for case in data.cases:
        np.testing.assert_array_equal(load_case(case, data)[1], labels)


@pytest.mark.parametrize("case", IMPORTED)
def test_inspect_names_an_import_that_gives_the_labels(inspected, case):
    printed = inspected(IMPORTED[case].draw)
    assert IMPORTED[case].said in printed
    assert "No problems found." not in printed
    assert main(shlex.split(re.search("`bmis (import .*?)`", printed)[1])) == 0
    made = inspect_dataset("in-imported")
    assert (made.problems, made.suggestion) == ((), None)
    assert_labels("in-imported", IMPORTED[case].labels)


@pytest.mark.parametrize(
    ("case", "labels"), [("jpeg-masks", 1), ("soft-masks", 1), ("from-one", 2)]
)
def test_the_line_for_dataset_yaml_gives_the_labels_in_place(inspected, case, labels):
    printed = inspected(IMPORTED[case].draw)
    line = re.search("write `([^`]*)` into dataset.yaml, or `bmis import", printed)[1]
    write(Path("in/dataset.yaml"), line)
    found = inspect_dataset("in")
    assert (found.problems, found.suggestion) == ((), None)
    assert_labels("in", IMPORTED[case].labels)


@pytest.mark.parametrize("value", [128, 65535])
def test_two_values_are_read_in_place_and_it_is_said(inspected, value):
    def draw(root):
        depth = np.uint8 if value < 256 else np.uint16
        masks(root, lambda labels: (labels == 1) * depth(value))

    printed = inspected(draw)
    assert f"masks hold 0 and {value}: {value} is read as foreground" in printed
    assert printed.endswith("No problems found.\n")
    assert_labels("in", square())


def test_patients_are_groups(inspected):
    printed = inspected(patients)
    main(shlex.split(re.search("`bmis (import .*?)`", printed)[1]))
    assert {case.group for case in open_dataset("in-imported").cases} == {
        f"patient{number}" for number in range(4)
    }


def test_drive_keeps_its_fields_of_view(inspected):
    printed = inspected(drive)
    main(shlex.split(re.search("`bmis (import .*?)`", printed)[1]))
    assert inspect_dataset("in-imported").fields_of_view == COUNT
