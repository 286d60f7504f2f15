"""COCO: outlines and run lengths as pycocotools reads them, and files that are wrong."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from bmis import ImportOptions, import_dataset
from bmis.errors import DataError
from bmis.importing.run_lengths import decode_runs, unpack_counts
from helpers.annotated import SIZE, annotation, coco, images, mask, square, write
from helpers.folders import picture, save


@pytest.fixture
def source(tmp_path):
    images(tmp_path / "in" / "images", "a.png", "b.png")
    return tmp_path / "in"


def run(source, content, **options):
    write(source / "annotations.json", content)
    return import_dataset(source, source.parent / "out", ImportOptions(**options))


def test_a_traced_outline_gives_the_pixels_it_was_traced_around(source):
    done = run(source, coco(names=("a.png", "b.png")))
    assert done.format == "coco"
    assert done.classes == ("background", "lesion", "hair")
    assert [case.id for case in done.cases] == ["a", "b"]
    np.testing.assert_array_equal(mask(done.out), square())
    original = (source / "images" / "a.png").read_bytes()
    assert (done.out / "images" / "a.png").read_bytes() == original


def test_a_drawn_outline_is_filled_as_pycocotools_fills_it(source):
    rasters = pytest.importorskip("pycocotools.mask")
    points = [4.5, 3.2, 20.1, 5.7, 14.9, 18.3]
    done = run(source, coco(annotation(segmentation=[points])), classes=["lesion"])
    rle = rasters.merge(rasters.frPyObjects([points], *SIZE))
    truth = decode_runs(unpack_counts(rle["counts"].decode()), SIZE, by_columns=True)
    np.testing.assert_array_equal(mask(done.out) > 0, truth)
    assert int(truth.sum()) == int(rasters.area(rle))


@pytest.mark.parametrize("packed", [True, False])
def test_run_lengths_keep_holes(source, packed):
    rasters = pytest.importorskip("pycocotools.mask")
    truth = square()
    truth[8:11, 7:10] = 0
    counts = np.diff(np.flatnonzero(np.diff(truth.ravel("F"), prepend=2, append=2))).tolist()
    if packed:
        counts = rasters.encode(np.asfortranarray(truth))["counts"].decode()
    one = annotation(segmentation={"size": list(SIZE), "counts": counts})
    np.testing.assert_array_equal(mask(run(source, coco(one)).out), truth)


@pytest.mark.parametrize("seed", range(4))
def test_packed_counts_are_unpacked_as_pycocotools_packs_them(seed):
    rasters = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    truth = (rng.random((37, 53)) < (0.5, 0.01, 0.99, 0.0)[seed]).astype(np.uint8)
    text = rasters.encode(np.asfortranarray(truth))["counts"].decode()
    np.testing.assert_array_equal(
        decode_runs(unpack_counts(text), (37, 53), by_columns=True), truth
    )


def test_where_classes_overlap_the_later_one_counts_and_it_is_said(source):
    later = [8, 5, 17, 5, 17, 14, 8, 14]
    done = run(source, coco(annotation(), annotation(category_id=9, segmentation=[later])))
    assert mask(done.out)[7, 10] == 2
    assert "classes overlap in 60 pixels: the later one counts" in done.cases[0].notes


def test_some_classes_are_taken_and_the_others_are_background(source):
    done = run(source, coco(annotation(category_id=9)), classes=["lesion"])
    assert done.classes == ("background", "lesion")
    assert not mask(done.out).any()
    assert done.notes == ("not taken, so background: hair",)


def test_names_of_files_are_splits(source):
    for split, name in (("train", "a.png"), ("val2017", "b.png")):
        write(source / "annotations" / f"instances_{split}.json", coco(names=(name,)))
    write(source / "annotations" / "captions_train.json", {"annotations": [], "images": []})
    done = import_dataset(source, source.parent / "out")
    assert {case.id: case.split for case in done.cases} == {"a": "train", "b": "val"}
    assert (done.out / "splits.csv").read_text() == "id,split\na,train\nb,val\n"
    assert done.not_read == {"JSON": 1}


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (annotation(category_id=99), "annotation 1 of the unknown category 99"),
        (annotation(segmentation=[]), "annotation 1 of 'a.png': has a box but no outline"),
        (annotation(segmentation=[[1, 2, float("nan"), 4, 5, 6]]), "no pairs of numbers"),
        (annotation(segmentation=[[1, 2, 1e300, 4, 5, 6]]), "has a point far from the image"),
        (annotation(segmentation=[[1, 2, 3]]), "no list of x, y, x, y"),
        (annotation(segmentation="abc"), "'segmentation' that is no list"),
        (annotation(segmentation={"size": [9, 9], "counts": [81]}), r"\(RLE\) for \[9, 9\]"),
        (annotation(segmentation={"size": [*SIZE], "counts": [5]}), "do not fill its 24 x 32"),
        (annotation(segmentation={"size": [*SIZE], "counts": [-5, 773]}), "do not fill"),
        (annotation(segmentation={"size": [*SIZE], "counts": "~~"}), "that are damaged"),
        (annotation(segmentation={"size": [*SIZE], "counts": "P"}), "that end early"),
    ],
)
def test_a_wrong_annotation_leaves_out_its_image_and_no_other(source, one, message):
    content = coco(one, annotation(image_id=2), names=("a.png", "b.png"))
    done = run(source, content)
    assert [case.id for case in done.cases] == ["b"]
    (line,) = done.failed
    assert line.startswith(str(source / "annotations.json"))
    assert re.search(message, line), line


def test_an_outline_without_pixels_is_named_and_the_image_is_imported(source):
    flat = annotation(id=5, segmentation=[[3, 3, 9, 9, 3, 3]])
    done = run(source, coco(annotation(), flat))
    assert done.failed == (
        "annotations.json: annotation 5 of 'a.png' encloses no pixel and was left out; draw it "
        "again",
    )
    np.testing.assert_array_equal(mask(done.out), square())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../etc/passwd", "which leads out of the folder"),
        ("/etc/passwd", "which leads out of the folder"),
        ("lost.png", "but there is no such file"),
        ("out.png", "a link that leads out of the folder"),
    ],
)
def test_no_name_leads_out_of_the_source(source, tmp_path, name, message):
    images(tmp_path, "out.png")
    (source / "images" / "out.png").symlink_to(tmp_path / "out.png")
    done = run(source, coco(names=(name, "b.png")))
    assert [case.id for case in done.cases] == ["b"]
    (line,) = done.failed
    assert message in line
    assert done.not_read["link out of the folder"] == 1


def test_a_path_of_another_machine_ends_in_a_file_of_this_one(source):
    done = run(source, coco(names=(r"C:\data\set\a.png",)))
    assert [case.image for case in done.cases] == ["images/a.png"]


def test_an_image_of_another_size_is_refused(source):
    content = coco(names=("a.png", "b.png"))
    content["images"][0]["height"] = 25
    done = run(source, content)
    assert "is for an image of 25 x 32 pixels, and the image has 24 x 32" in done.failed[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"annotations": [', "cannot be read as JSON"),
        (b'{"annotations": 5, "images": [], "categories": []}', "cannot be read as JSON"),
        (b'{"images": [], "categories": [], "annotations": ' + b"[" * 9999, "JSON|too deep"),
        (b'{"annotations": [], "images": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "too deep"),
        (b'\xff\xfe{"annotations"', "cannot be read as JSON"),
    ],
)
def test_a_file_that_is_no_coco_is_one_line(source, text, message):
    with pytest.raises(DataError, match=message) as caught:
        run(source, text)
    assert "\n" not in str(caught.value)
    assert not (source.parent / "out").exists()
    assert sorted(path.name for path in source.parent.iterdir()) == ["in"]


@pytest.mark.parametrize("value", ["[" * 900 + "]" * 900, "[[1, 2, 1e999, 4, 5, 6]]"])
def test_a_segmentation_that_cannot_be_read_leaves_out_its_image(source, value):
    whole = coco(annotation(segmentation="HERE"), annotation(image_id=2), names=("a.png", "b.png"))
    done = run(source, json.dumps(whole).replace('"HERE"', value))
    assert [case.id for case in done.cases] == ["b"]


def test_annotations_of_images_that_are_not_listed_are_named(source):
    done = run(source, coco(annotation(), annotation(image_id=55)))
    assert "has annotations of 1 image it does not list (id 55)" in done.failed[0]


def test_the_source_stays_as_it_was(source):
    write(source / "annotations.json", coco())
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    import_dataset(source, source.parent / "out")
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("tag", ["exif", "xmp"])
def test_outlines_on_an_image_that_is_stored_turned_are_said(tmp_path, tag):
    """Height and width in the annotation are those of the upright image, as tools show it."""
    exif = Image.Exif()
    exif[274] = 6
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    notes = {"exif": {"exif": exif}, "xmp": {"xmp": xmp}}[tag]
    save(tmp_path / "in" / "images" / "a.jpg", picture(0, SIZE[::-1]), **notes)
    done = run(tmp_path / "in", coco(names=("a.jpg",)))
    assert done.failed == ()
    assert done.cases[0].notes == (
        "the image is stored turned: outlines are taken as those of the upright image",
    )
    np.testing.assert_array_equal(mask(done.out), square())
