"""LabelMe: every kind of shape, the order of the classes, and files that are wrong."""

import io
import re
from base64 import b64encode

import numpy as np
import pytest
from PIL import Image

from bmis import ImportOptions, import_dataset
from bmis.errors import DataError
from helpers.annotated import SIZE, images, labelme, mask, shape, square, write


@pytest.fixture
def source(tmp_path):
    images(tmp_path / "in", "a.png", "b.png")
    write(tmp_path / "in" / "b.json", labelme("b.png"))
    return tmp_path / "in"


def run(source, content, **options):
    write(source / "a.json", content)
    return import_dataset(source, source.parent / "out", ImportOptions(**options))


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()


def disc():
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    return (rows - 10) ** 2 + (columns - 12) ** 2 <= 5.5**2


@pytest.mark.parametrize(
    ("one", "truth"),
    [
        (shape(), square()),
        (shape(None), square()),
        (shape("rectangle", [[13, 14], [4, 5]]), square()),
        (shape("circle", [[12, 10], [12, 15]]), disc()),
        (shape("mask", [[4, 5], [13, 14]], mask=png(np.ones((10, 10), bool))), square()),
    ],
)
def test_shapes_are_filled_as_labelme_fills_them(source, one, truth):
    done = run(source, labelme("a.png", one))
    assert done.failed == ()
    np.testing.assert_array_equal(mask(done.out) > 0, truth > 0)


def test_a_mask_inside_the_file_keeps_its_hole(source):
    ring = np.ones((10, 10), bool)
    ring[4:6, 4:6] = False
    done = run(source, labelme("a.png", shape("mask", [[4, 5], [13, 14]], mask=png(ring))))
    assert (mask(done.out) > 0).sum() == 96


def test_classes_are_sorted_and_the_background_is_drawn(source):
    hole = shape("rectangle", [[6, 7], [9, 10]], label="_background_")
    done = run(source, labelme("a.png", shape(label="zebra"), hole))
    assert done.classes == ("background", "lesion", "zebra")
    assert (mask(done.out) == 2).sum() == 100 - 16


def test_labels_txt_says_the_order(source):
    write(source / "labels.txt", "__ignore__\n_background_\nzebra\nlesion\n")
    done = run(source, labelme("a.png", shape(label="zebra")))
    assert done.classes == ("background", "zebra", "lesion")
    assert done.not_read == {}


def test_an_image_in_another_folder_is_found(source):
    images(source / "photos", "c.png")
    write(source / "json" / "c.json", labelme(r"..\photos\c.png"))
    done = run(source, labelme())
    assert [case.image for case in done.cases] == ["a.png", "b.png", "photos/c.png"]


def test_images_without_a_file_are_counted(source):
    images(source, "d.png")
    assert run(source, labelme()).not_read == {"PNG": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (labelme("../../../etc/passwd"), "imagePath names .* leads out of the folder"),
        (labelme("lost.png"), "imagePath names 'lost.png', but there is no such file"),
        (labelme(imageHeight=9), "is for an image of 9 x 32 pixels"),
        (labelme("a.png", shape("polygon", [[1, 2], [3, None], [4, 5]])), "no pairs of numbers"),
        (labelme("a.png", shape("polygon", [1, 2, 3])), "no pairs of numbers"),
        (labelme("a.png", shape("circle", [[1, 2]])), "has 1 point instead of 2"),
        (labelme("a.png", shape("mask", [[1, 1], [3, 3]], mask="AAAA")), "no whole PNG"),
        (labelme("a.png", shape("mask", [[1, 1], [3, 3]], mask="A")), "no whole PNG"),
        (labelme("a.png", shape("mask", [[1, 1], [3, 3]])), "no whole PNG"),
        (
            labelme("a.png", shape("mask", [[1, 1], [3, 3]], mask=png(np.ones((9, 9), bool)))),
            r"has a mask of \(9, 9\) pixels for a place of \(3, 3\)",
        ),
        (labelme("b.png"), "a second file for b.png"),
        ({"shapes": 5, "imagePath": "a.png"}, "cannot be read as JSON"),
        (b'{"shapes": ' + b"[" * 10**5, "too deep"),
    ],
)
def test_a_wrong_file_leaves_out_its_image_and_no_other(source, content, message):
    done = run(source, content)
    assert "b" in {case.id for case in done.cases}
    assert "a" not in {case.id for case in done.cases}
    (line,) = done.failed
    assert re.search(message, line), line
    assert "\n" not in line


def test_a_line_is_named_and_the_image_is_imported(source):
    line = shape("line", [[1, 1], [9, 9]])
    done = run(source, labelme("a.png", shape(), line))
    assert "shape 2 ('lesion') encloses no pixel and was left out" in done.failed[0]
    np.testing.assert_array_equal(mask(done.out) > 0, square() > 0)


def test_without_a_label_there_is_nothing_to_import(tmp_path):
    images(tmp_path / "in", "a.png")
    write(tmp_path / "in" / "a.json", labelme() | {"shapes": []})
    with pytest.raises(DataError, match="names no class"):
        import_dataset(tmp_path / "in", tmp_path / "out")
