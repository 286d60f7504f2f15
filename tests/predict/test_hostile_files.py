"""One bad file in a folder costs that file alone, whatever is wrong with it or its name."""

import csv
import os

import numpy as np
import pytest

import bmis.predict.folder
from bmis.data.arrays import to_image
from bmis.data.image_files import find_images
from bmis.data.images import write_image
from bmis.errors import DataError
from bmis.predict.folder import write_masks
from bmis.predict.predictor import Predictor
from helpers.fakes import Brightness, info


@pytest.fixture
def predictor():
    return Predictor(Brightness(), info(resize="native"))


@pytest.fixture
def good(tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "good.png", np.full((20, 24, 3), 200, np.uint8))
    return tmp_path / "in" / "good.png"


def rows_of(prediction):
    with prediction.measurements.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("kind", ["pipe", "broken link", "loop", "device"])
def test_what_is_no_file_is_listed_and_the_others_are_done(good, predictor, tmp_path, kind):
    bad = good.with_name("bad.png")
    if kind == "pipe":
        os.mkfifo(bad)  # reading it would wait for ever
    else:
        bad.symlink_to({"broken link": "nowhere", "loop": bad, "device": "/dev/zero"}[kind])
    done = write_masks(predictor, find_images(good.parent), tmp_path / "out")
    assert [path.name for path in done.written] == ["good.png"]
    ((path, why),) = done.failed
    assert path == bad
    assert why.startswith(f"{bad}: cannot be read (")
    assert len(rows_of(done)) == 1


@pytest.mark.parametrize(
    "error", [MemoryError(), ZeroDivisionError("x"), KeyError("a"), RecursionError("too\ndeep")]
)
@pytest.mark.parametrize("place", ["to_image", "finish"])
def test_whatever_one_file_raises_becomes_one_line(
    good, predictor, tmp_path, monkeypatch, error, place
):
    bad = good.with_name("bad.png")
    write_image(bad, np.full((6, 6, 3), 9, np.uint8))
    finish = predictor.finish

    def read(path, channels):
        if path == bad:
            raise error
        return to_image(path, channels)

    def end(found):
        mask = finish(found)
        if mask.labels.shape == (6, 6):
            raise error
        return mask

    if place == "to_image":
        monkeypatch.setattr(bmis.predict.folder, "to_image", read)
    else:
        monkeypatch.setattr(predictor, "finish", end)
    done = write_masks(predictor, [bad, good], tmp_path / "out")
    assert [path.name for path in done.written] == ["good.png"]
    ((_, why),) = done.failed
    words = "not enough memory" if isinstance(error, MemoryError) else "truncated or damaged"
    assert why.startswith(f"{bad}: {words}")
    assert "\n" not in why


def test_names_that_are_no_text_keep_all_measurements(good, predictor, tmp_path):
    """Before, one such name lost the table of all images."""
    odd = good.with_name(os.fsdecode(b"odd\xff\xfe.png"))
    odd.write_bytes(good.read_bytes())
    done = write_masks(predictor, find_images(good.parent), tmp_path / "out")
    assert len(done.written) == 2
    assert all(path.exists() for path in done.written)
    assert [row["id"] for row in rows_of(done)] == ["good", "odd\\udcff\\udcfe"]


@pytest.mark.parametrize("stem", ["a" * 251, "é" * 125, "a" * 245])
def test_the_longest_names_get_their_masks(good, predictor, tmp_path, stem):
    long = good.with_name(f"{stem}.png")
    long.write_bytes(good.read_bytes())
    done = write_masks(predictor, [long, good], tmp_path / "out", overlay=True)
    assert done.failed == []
    assert [path.name for path in done.written] == [long.name, "good.png"]


def test_a_name_too_long_for_a_mask_costs_that_file_alone(good, predictor, tmp_path):
    long = good.with_name("a" * 254)
    long.write_bytes(good.read_bytes())
    done = write_masks(predictor, [long, good], tmp_path / "out")
    assert [path.name for path in done.written] == ["good.png"]
    assert "too long for that of a mask" in done.failed[0][1]


def test_a_name_cannot_make_lines_of_its_own(good, predictor, tmp_path):
    bad = good.with_name("a\nbmis: all is well\x1b[2J\u202e.png")
    bad.write_bytes(b"no image")
    done = write_masks(predictor, [bad, good], tmp_path / "out")
    assert done.failed[0][1].isprintable()


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(File name too long\)"):
        find_images(tmp_path / ("a" * 300))
