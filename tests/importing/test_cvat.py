"""CVAT for images: every kind of shape, and XML that is wrong or hostile."""

import re

import numpy as np
import pytest

from bmis import ImportOptions, import_dataset
from bmis.errors import DataError
from helpers.annotated import SIZE, images, mask, square, write

NAMES = "".join(f"<label><name>{name}</name></label>" for name in ("hair", "lesion"))
META = f"<meta><labels>{NAMES}</labels></meta>"
POLYGON = '<polygon label="lesion" points="4,5;13,5;13,14;4,14" z_order="0"/>'


def xml(*shapes, name="a.png", height=SIZE[0], other=POLYGON, start=""):
    """Two images: the first with some shapes."""
    size = f'width="{SIZE[1]}" height="{height}"'
    first = f'<image id="0" name="{name}" subset="train" {size}>{"".join(shapes)}</image>'
    second = f'<image id="1" name="b.png" width="32" height="24">{other}</image>'
    return f'<?xml version="1.0"?>{start}<annotations>{META}{first}{second}</annotations>'


@pytest.fixture
def source(tmp_path):
    images(tmp_path / "in" / "images", "a.png", "b.png")
    return tmp_path / "in"


def run(source, content, **options):
    write(source / "annotations.xml", content)
    return import_dataset(source, source.parent / "out", ImportOptions(**options))


@pytest.mark.parametrize(
    "shape",
    [
        POLYGON,
        '<box label="lesion" xtl="4" ytl="5" xbr="14" ybr="15"/>',
        '<box label="lesion" xtl="4" ytl="5" xbr="14" ybr="15" rotation="90"/>',
        '<mask label="lesion" rle="0, 100" left="4" top="5" width="10" height="10"/>',
    ],
)
def test_shapes_are_filled(source, shape):
    pytest.importorskip("pycocotools")
    done = run(source, xml(shape))
    assert done.classes == ("background", "hair", "lesion")
    np.testing.assert_array_equal(mask(done.out), square(2))


def test_an_ellipse_has_the_area_of_an_ellipse(source):
    shape = '<ellipse label="lesion" cx="16" cy="12" rx="10" ry="6" rotation="30"/>'
    found = mask(run(source, xml(shape)).out) > 0
    assert found.sum() == pytest.approx(np.pi * 60, rel=0.03)
    rows, columns = np.nonzero(found)
    assert np.corrcoef(rows, columns)[0, 1] > 0.3  # y grows downwards: it was turned clockwise


def test_a_mask_keeps_its_hole_and_runs_along_rows(source):
    shape = '<mask label="lesion" rle="0, 11, 2, 7" left="4" top="5" width="10" height="2"/>'
    truth = np.zeros(SIZE, np.uint8)
    truth[5:7, 4:14] = 2
    truth[6, 5:7] = 0
    np.testing.assert_array_equal(mask(run(source, xml(shape)).out), truth)


def test_the_order_of_layers_counts(source):
    above = POLYGON.replace("lesion", "hair").replace('"0"', '"2"')
    assert set(np.unique(mask(run(source, xml(above, POLYGON)).out))) == {0, 1}


def test_an_image_without_shapes_is_background_and_it_is_said(source):
    done = run(source, xml())
    assert done.cases[0].notes == ("nothing is labelled: all background",)
    assert done.cases[0].split == "train"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (xml('<polygon label="lesion" points="1,nan;2,3;4,5"/>'), "no pairs of numbers"),
        (xml('<polygon label="lesion" points="a,b"/>'), "no pairs of numbers"),
        (xml('<polygon label="lesion"/>'), "no pairs of numbers"),
        (xml('<box label="lesion" xtl="4"/>'), "has no number as 'ytl'"),
        (
            xml('<mask label="hair" rle="5" left="0" top="0" width="9" height="9"/>'),
            "do not fill",
        ),
        (xml('<mask label="lesion" rle="81" left="30" top="0" width="9" height="9"/>'), "beyond"),
        (xml('<mask label="lesion" rle="x" left="0" top="0" width="9" height="9"/>'), "no numbers"),
        (xml(POLYGON, name="../../etc/passwd"), "leads out of the folder"),
        (xml(POLYGON, name="b.png", other=""), "is listed for the second time"),
        (xml(POLYGON, height=99), "is for an image of 99 x 32"),
    ],
)
def test_a_wrong_shape_leaves_out_its_image_and_no_other(source, content, message):
    done = run(source, content)
    assert [case.id for case in done.cases] == ["b"]
    assert re.search(message, done.failed[0]), done.failed


def test_lines_are_named_and_the_image_is_imported(source):
    done = run(source, xml(POLYGON, '<polyline label="lesion" points="1,1;5,5"/>'))
    assert "polyline 2 of 'a.png' encloses no pixel" in done.failed[0]
    np.testing.assert_array_equal(mask(done.out), square(2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (xml(start='<!DOCTYPE x [<!ENTITY a "aaaa">]>'), "has a document type"),
        (xml(start='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "has a document type"),
        ("<annotations><image>", "cannot be read as XML"),
        ("<annotations><track/></annotations>", "holds tracks of a video"),
        ("<annotations></annotations>", "names no class"),
    ],
)
def test_wrong_xml_is_one_line(source, content, message):
    with pytest.raises(DataError, match=message) as caught:
        run(source, content)
    assert "\n" not in str(caught.value)
    assert not (source.parent / "out").exists()
