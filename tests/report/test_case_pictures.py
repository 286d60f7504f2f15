"""Pictures of cases: drawn on images if these are there, and safe from what records hold."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bmis.data.mask_text import read_mask_text
from bmis.errors import DataError
from bmis.records import write_record
from bmis.report.case_pictures import draw_cases
from bmis.report.results import read_results
from helpers.folders import make_folder
from helpers.records import make_record


def encode(array, form="PNG"):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, form)
    return base64.b64encode(stream.getvalue()).decode()


def labels(left=5):
    array = np.zeros((24, 32), np.uint8)
    array[5:15, left : left + 10] = 1
    return array


def decode(uri):
    head, data = uri.split(",", 1)
    return head, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def dataset(folder, masks, path="/nowhere"):
    """Two methods with these masks of their own, ids c00 to c11."""
    for method, mask in masks.items():
        record = make_record(method)
        cases = {**record.cases, "id": [f"c{i:02}" for i in range(12)]}
        data = {**record.data, "path": str(path)}
        write_record(folder, replace(record, cases=cases, data=data, masks=mask))
    (found,) = read_results(folder).datasets
    return found


def test_masks_are_drawn_on_image_and_truth(tmp_path):
    make_folder(tmp_path / "data", 12)
    mask = {"c00": encode(labels())}
    found = dataset(tmp_path / "r", {"bmis": mask, "unet": mask}, tmp_path / "data")
    cases, notes = draw_cases(found)
    assert notes == ()
    (tiles,) = cases.values()
    assert [tile.caption for tile in tiles] == ["image", "truth", "unet", "bmis"]  # best first
    assert tiles[2].detail.startswith("IoU 0.")
    head, image = decode(tiles[0].source)
    assert head == "data:image/jpeg;base64"
    assert image.shape == (24, 32, 3)
    original = np.asarray(Image.open(tmp_path / "data/images/c00.png"))
    assert np.abs(image.astype(int) - original).mean() < 25  # it is that image, but for the JPEG
    assert not np.array_equal(image, decode(tiles[2].source)[1])


def test_without_the_images_masks_are_drawn_alone(tmp_path):
    cases, notes = draw_cases(dataset(tmp_path, {"bmis": {"c00": encode(labels())}}))
    assert len(notes) == 1
    assert "the images were not found: /nowhere: not on this machine" in notes[0]
    (tile,) = cases["c00"]
    head, image = decode(tile.source)
    assert head == "data:image/png;base64"
    assert (image[8, 8] != image[0, 0]).any()
    assert np.array_equal(image[0, 0], image[20, 30])


def test_one_image_that_cannot_be_read_costs_only_itself(tmp_path):
    make_folder(tmp_path / "data", 12)
    (tmp_path / "data/images/c01.png").write_bytes(b"broken")
    masks = {"c00": encode(labels()), "c01": encode(labels())}
    cases, notes = draw_cases(dataset(tmp_path / "r", {"bmis": masks}, tmp_path / "data"))
    assert [len(tiles) for tiles in cases.values()] == [3, 1]
    assert "c01 are drawn alone" in notes[0]


def test_the_cases_are_those_that_most_methods_have(tmp_path):
    mask = encode(labels())
    masks = {"bmis": {"c09": mask, "c00": mask}, "unet": {"c09": mask}}
    cases, _ = draw_cases(dataset(tmp_path, masks))
    assert list(cases) == ["c09", "c00"]


def test_bad_masks_are_left_out_with_a_note(tmp_path):
    masks = {"bmis": {"c00": encode(labels())}, "unet": {"c00": "not base64!"}}
    cases, notes = draw_cases(dataset(tmp_path, masks))
    assert [tile.caption for tile in cases["c00"]] == ["bmis"]
    assert any("c00 by unet on polyps, seed 0: a mask in a record is no PNG" in n for n in notes)


HUGE = base64.b64encode(
    bytes.fromhex("89504e470d0a1a0a0000000d494844520000ea600000ea600800000000")
).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@@@", "is no PNG"),
        (base64.b64encode(b"GIF89a").decode(), "is no PNG"),
        (encode(labels(), "BMP"), "is no PNG"),
        (encode(labels())[:60], "is no PNG"),
        (encode(np.zeros((600, 20), np.uint8)), "20 x 600 pixels"),
        (encode(np.zeros((20, 20, 3), np.uint8)), "mode RGB"),
        (HUGE, "mask"),
        ("A" * (2**20 + 4), "too long"),
        (7, "no text"),
    ],
)
def test_what_is_no_mask_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        read_mask_text(text)


def test_a_mask_is_read_as_it_is():
    assert np.array_equal(read_mask_text(encode(labels())), labels())
