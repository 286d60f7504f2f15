"""Pages of stacks and images inside of LabelMe's files become images of their own."""

import json
import re
from base64 import b64encode

import numpy as np
import pytest
import tifffile
from PIL import Image

from bmis import import_dataset, inspect_dataset, open_dataset
from bmis.cli.main import main
from bmis.data.images import read_image
from bmis.errors import DataError
from bmis.importing import unpack
from helpers.annotated import SIZE, images, labelme, mask, square, write
from helpers.folders import picture, save


def stack(path, pages, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.stack(pages), **{"photometric": "minisblack"} | options)
    return path


def greys(count):
    return [picture(seed, SIZE, grey=True) for seed in range(count)]


def shifted(count):
    return [np.roll(square(255), step, axis=1) for step in range(count)]


@pytest.fixture
def source(tmp_path):
    """An image and a mask of three pages."""
    stack(tmp_path / "in" / "images" / "a.tif", greys(3))
    stack(tmp_path / "in" / "masks" / "a.tif", shifted(3))
    return tmp_path / "in"


def run(source):
    return import_dataset(source, source.parent / "out")


def test_each_page_is_a_case_with_the_page_of_the_mask(source, tmp_path):
    done = run(source)
    assert [case.id for case in done.cases] == ["a-001", "a-002", "a-003"]
    assert done.cases[1].image == "images/a.tif (page 2)"
    assert done.cases[1].annotation == "masks/a.tif (page 2)"
    assert done.failed == ()
    assert done.not_read == {}
    for case, grey, drawn in zip(done.cases, greys(3), shifted(3), strict=True):
        image = read_image(done.out / "images" / f"{case.id}.png")
        np.testing.assert_array_equal(image.pixels[..., 0], grey)
        np.testing.assert_array_equal(mask(done.out, case.id), drawn)
    assert "every page is an image of its own, in 2 files such as images/a.tif" in done.notes[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert inspect_dataset(done.out).problems == ()


def test_a_mask_with_a_suffix_in_one_folder(tmp_path):
    stack(tmp_path / "in" / "a.tif", greys(2))
    stack(tmp_path / "in" / "a_mask.tif", shifted(2))
    assert [case.id for case in run(tmp_path / "in").cases] == ["a-001", "a-002"]


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_frames_of_films(tmp_path, suffix):
    for folder, frames in (("images", greys(2)), ("masks", shifted(2))):
        path = tmp_path / "in" / folder / f"a.{suffix}"
        path.parent.mkdir(parents=True)
        first, second = map(Image.fromarray, frames)
        options = {"lossless": True} if suffix == "webp" else {}
        first.save(path, save_all=True, append_images=[second], **options)
    done = run(tmp_path / "in")
    assert done.failed == ()
    np.testing.assert_array_equal(mask(done.out, "a-002"), shifted(2)[1])
    pixels = read_image(done.out / "images" / "a-002.png").pixels
    np.testing.assert_array_equal(pixels[..., 0], greys(2)[1])


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_deep_pages_are_stretched_as_files_of_one_page_are(source, kind):
    deep = [page.astype(kind) * 3 for page in greys(3)]
    stack(source / "images" / "a.tif", deep)
    done = run(source)
    single = stack(source.parent / "single.tif", deep[1:2])
    (written,) = (done.out / "images").glob("a-002.*")
    np.testing.assert_array_equal(read_image(written).pixels, read_image(single).pixels)


def test_pages_in_colour_with_sixteen_bits(source):
    deep = [picture(seed, SIZE).astype(np.uint16) * 200 for seed in range(3)]
    stack(source / "images" / "a.tif", deep, photometric="rgb")
    done = run(source)
    assert done.failed == ()
    assert len(list((done.out / "images").iterdir())) == 3
    assert open_dataset(done.out).channels == 3


@pytest.mark.parametrize("bits", [False, True])
def test_where_white_is_zero_the_stored_numbers_count_in_pages_too(source, bits):
    pages = [page > 0 if bits else page for page in shifted(3)]
    stack(source / "masks" / "a.tif", pages, photometric="miniswhite")
    done = run(source)
    assert "white is zero" in done.cases[0].notes[0]
    np.testing.assert_array_equal(mask(done.out, "a-002"), shifted(3)[1])


def test_three_stacks_are_three_groups(source):
    for name in ("b", "c"):
        stack(source / "images" / f"{name}.tif", greys(3))
        stack(source / "masks" / f"{name}.tif", shifted(3))
    done = run(source)
    groups = [case.group for case in done.cases]
    assert done.notes[0].endswith("; the pages of a file are a group")
    assert groups == [f"images/{name}" for name in "abc" for _ in range(3)]


def test_one_stack_is_no_group_as_it_could_not_be_split(source):
    done = run(source)
    assert {case.group for case in done.cases} == {None}
    assert done.notes[0].endswith("scores of neighbouring pages come out too good")


@pytest.mark.parametrize("pages", [1, 2, 4])
def test_masks_with_other_pages_are_not_guessed(source, pages):
    stack(source / "masks" / "a.tif", shifted(pages))
    save(source / "images" / "b.png", picture(7, SIZE))
    save(source / "masks" / "b.png", square(255))
    done = run(source)
    assert [case.id for case in done.cases] == ["b"]
    assert f"{source}/" in done.failed[0]
    assert re.search("holds . pictures .pages or frames., and one is read", done.failed[0])


def test_patients_may_have_stacks_of_other_lengths(tmp_path):
    for name, pages in (("p1", 2), ("p2", 4)):
        stack(tmp_path / "in" / name / "images" / "a.tif", greys(pages))
        stack(tmp_path / "in" / name / "masks" / "a.tif", shifted(pages))
    groups = sorted(case.group for case in run(tmp_path / "in").cases)
    assert groups == ["p1"] * 2 + ["p2"] * 4


def test_no_page_takes_the_place_of_a_file(source):
    save(source / "images" / "a-001.png", picture(7, SIZE))
    save(source / "masks" / "a-001.png", square(255))
    done = run(source)
    assert [case.id for case in done.cases] == ["a-001"]
    assert "holds 3 pictures" in done.failed[0]


def test_a_damaged_page_is_named_and_the_others_are_imported(source):
    path = stack(source / "masks" / "a.tif", shifted(3), compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        at = file.pages[1].dataoffsets[0]
    content[at : at + 8] = bytes(8)
    path.write_bytes(content)
    done = run(source)
    assert [case.id for case in done.cases] == ["a-001", "a-003"]
    (line,) = done.failed
    assert line.startswith(f"{path} (page 2): truncated or damaged")


def test_errors_name_the_files_of_the_source(source):
    stack(source / "masks" / "a.tif", [page[:9] for page in shifted(3)])
    with pytest.raises(DataError) as caught:
        run(source)
    assert str(caught.value).startswith(f"{source}/masks/a.tif (page 1): mask of 9 x 32 pixels")
    assert ".tmp" not in str(caught.value)


def test_without_links_files_are_copied(source, monkeypatch):
    def refuse(*_args):
        raise OSError(1, "no right to make links")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    write(source / "dataset.yaml", "classes: [background, lesion]")
    assert run(source).classes == ("background", "lesion")


def test_nothing_is_left_where_the_folder_cannot_be_written(source, tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpack, "_write_page", fail)
    with pytest.raises(DataError, match=r"test_[^/]*: cannot be written \(No space"):
        run(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def inside(name="lost.png", content=None, **values):
    if content is None:
        path = save(values.pop("folder") / "of.png", picture(0, SIZE))
        content = path.read_bytes()
    return labelme(name, imageData=b64encode(content).decode(), **values)


@pytest.mark.parametrize(
    "name", ["lost.png", r"..\photos\lost.png", "../../../lost.png", "/home/me/lost.png", "lost"]
)
def test_an_image_that_only_labelme_holds_is_imported(tmp_path, name):
    write(tmp_path / "in" / "json" / "a.json", inside(name, folder=tmp_path / "other"))
    done = run(tmp_path / "in")
    (case,) = done.cases
    assert (case.id, case.image) == ("lost", "json/a.json (imageData)")
    np.testing.assert_array_equal(read_image(done.out / "images/lost.png").pixels, picture(0, SIZE))
    np.testing.assert_array_equal(mask(done.out, "lost") > 0, square() > 0)
    assert "images that only files of LabelMe hold: 1" in done.notes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "other", "out"]


def test_a_file_beside_counts_and_not_the_copy_in_the_json(tmp_path):
    images(tmp_path / "in", "a.png")
    write(tmp_path / "in" / "a.json", inside("a.png", b"not read"))
    assert [case.image for case in run(tmp_path / "in").cases] == ["a.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image", "b.json (imageData): not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "b.json (imageData): truncated or damaged"),
        (bytes(128) + b"DICM", "b.json (imageData): a DICOM file"),
    ],
)
def test_a_wrong_image_inside_is_named_and_the_others_are_imported(tmp_path, content, message):
    images(tmp_path / "in", "a.png")
    write(tmp_path / "in" / "a.json", labelme("a.png"))
    write(tmp_path / "in" / "b.json", inside("b.png", content))
    done = run(tmp_path / "in")
    assert [case.id for case in done.cases] == ["a"]
    (line,) = done.failed
    assert line.startswith(f"{tmp_path}/in/{message}")


def test_broken_base64_is_as_no_image(tmp_path, capsys):
    write(tmp_path / "in" / "a.json", labelme("a.png", imageData="=é"))
    assert main(["import", str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    assert "but there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x\0.png", "x" * 300 + ".png", ".."])
def test_a_name_that_no_file_can_have_is_as_no_image(tmp_path, name):
    images(tmp_path / "in", "a.png")
    write(tmp_path / "in" / "a.json", labelme("a.png"))
    write(tmp_path / "in" / "b.json", inside(name, folder=tmp_path / "other"))
    done = run(tmp_path / "in")
    assert [case.id for case in done.cases] == ["a"]
    (line,) = done.failed
    assert line.startswith(f"{tmp_path}/in/b.json: imagePath names ")


def test_nothing_is_written_into_the_source(tmp_path):
    """An image may claim a place below a file, or that of one whose name differs in capitals."""
    images(tmp_path / "in", "a.png")
    write(tmp_path / "in" / "a.json", labelme("a.png"))
    write(tmp_path / "in" / "b.json", inside("a.json/b.png", folder=tmp_path / "other"))
    write(tmp_path / "in" / "c.json", inside("A.PNG", folder=tmp_path / "other"))
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    done = run(tmp_path / "in")
    assert done.failed == ()
    assert len(done.cases) == 3
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before


def test_two_files_for_one_image_inside(tmp_path):
    for seed, name in enumerate("ab"):
        content = save(tmp_path / "of.png", picture(seed, SIZE)).read_bytes()
        write(tmp_path / "in" / f"{name}.json", inside(content=content))
    done = run(tmp_path / "in")
    assert len(done.cases) == 1
    np.testing.assert_array_equal(read_image(done.out / "images/lost.png").pixels, picture(0, SIZE))
    assert "b.json: a second file for lost.png" in done.failed[0]


def test_the_report_says_it_too(source, tmp_path, capsys):
    assert main(["import", str(source), str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "every page is an image of its own" in out
    assert "3 images to PNG" in out
    report = json.loads((tmp_path / "out" / "import.json").read_text())
    assert report["source"] == str(source)
    assert ".tmp" not in json.dumps(report)


def test_paths_may_be_relative_and_the_folder_above_may_be_new(source, tmp_path, monkeypatch):
    write(source / "dataset.yaml", "classes: [background, lesion]")
    monkeypatch.chdir(tmp_path)
    assert import_dataset("in", "new/out").classes == ("background", "lesion")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
