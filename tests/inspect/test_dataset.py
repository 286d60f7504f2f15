"""A sound data set, and one with every error at once."""

import json
from dataclasses import replace

import pytest

from bmis.cli.inspect import render
from bmis.data.images import read_image
from bmis.errors import DataError
from bmis.inspect.dataset import Problem, inspect_dataset
from helpers.folders import blob, make_folder, picture, save, write_table


@pytest.fixture
def damaged(tmp_path):
    """Ten cases, nearly each with an error of its own, and a table with two."""
    root = make_folder(tmp_path / "data")
    images, masks = root / "images", root / "masks"
    (images / "c00.png").write_bytes(b"")
    (images / "c01.png").write_text("not a picture")
    save(masks / "c02.png", blob(0, (9, 9)))
    save(masks / "c03.png", blob(0, value=77))
    (masks / "c04.png").unlink()
    save(masks / "stray.png", blob(0))
    save(images / "c05.bmp", picture(30))
    save(images / "c07.png", picture(6))
    lines = [f"c{i:02},{'train' if i % 2 else 'test'},g{i // 2}" for i in range(9)]
    write_table(root / "splits.csv", "id,split,group", *lines, "ghost,val,g9")
    return root


def test_what_there_is(tmp_path):
    root = make_folder(tmp_path / "data")
    (root / "dataset.yaml").write_text("name: mine\nspacing: [0.5, 0.25]\n")
    found = inspect_dataset(root)
    assert (found.name, found.images, found.channels) == ("mine", 10, 3)
    assert found.splits == {"train": 7, "val": 1, "test": 2}
    assert found.sizes == ((24, 32),) * 3
    assert found.distinct_sizes == 1
    assert found.spacing == (0.5, 0.25)
    assert found.problems == ()
    assert found.duplicates == ()
    assert found.contact_sheet is None
    everywhere = {c.name: c for c in found.classes if c.split == "all"}
    share = sum((blob(i) > 0).mean() for i in range(10)) / 10
    assert everywhere["foreground"].images == 10
    assert everywhere["foreground"].share == pytest.approx(share)
    text = render(found)
    assert "10 (train 7, val 1, test 2)" in text
    assert "No problems found" in text
    assert "[0.5" not in text.split("mine")[0]


def test_every_problem_is_reported_and_none_stops_the_rest(damaged):
    found = inspect_dataset(damaged)
    problems = [(problem.path.rsplit("/", 1)[-1], problem.message) for problem in found.problems]
    for name, start in (
        ("c05.png", "has the same id 'c05'"),
        ("splits.csv", "no image for id 'ghost'"),
        ("splits.csv", "image 'c09' is in no split"),
        ("c04.png", "has no mask"),
        ("stray.png", "goes with no image"),
        ("c00.png", "the file is empty"),
        ("c01.png", "not an image"),
        ("c02.png", "mask of 9 x 9 pixels for an image of 24 x 32"),
        ("c03.png", "mask values 0 77, expected 0/1 or 0/255"),
        ("data", "4 groups divided between splits, such as 'g0' between test and train"),
    ):
        assert any(file == name and text.startswith(start) for file, text in problems), name
    assert len(problems) == 10
    assert found.splits["none"] == 1
    assert [pair.ids for pair in found.duplicates if pair.same_pixels] == [("c06", "c07")]
    text = render(found)
    assert "problems: 10" in text
    assert "masks/c03.png" in text
    assert "same pixels, masks differ" in text


def test_fields_of_view_are_counted_and_their_problems_listed(tmp_path):
    root = make_folder(tmp_path / "data")
    for index in range(4):
        save(root / "fov" / f"c{index:02}.png", blob(index))
    assert inspect_dataset(root).problems == ()
    save(root / "fov" / "c00.png", blob(0, value=0))
    save(root / "fov" / "stray.png", blob(0))
    found = inspect_dataset(root)
    assert found.fields_of_view == found.to_dict()["fields_of_view"] == 4
    assert [(p.path.rsplit("/", 2)[-2:], p.message[:18]) for p in found.problems] == [
        (["fov", "stray.png"], "goes with no image"),
        (["fov", "c00.png"], "an empty field of "),
    ]
    assert "4 of 10 images" in render(found)


def test_a_table_that_cannot_be_read_is_one_problem(tmp_path):
    root = make_folder(tmp_path / "data")
    write_table(root / "splits.csv", "id,split", "c00,nonsense")
    found = inspect_dataset(root)
    assert [problem.message[:8] for problem in found.problems] == ["line 2: "]
    assert found.images == 10


def test_the_sheet_and_the_record_are_written(damaged, tmp_path):
    found = inspect_dataset(damaged, out=tmp_path / "out")
    assert found.contact_sheet == tmp_path / "out" / "contact_sheet.png"
    sheet = read_image(found.contact_sheet).pixels
    assert sheet.shape[1] == 5 * 264 + 8  # the five sound cases side by side
    record = json.loads((tmp_path / "out" / "inspection.json").read_text())
    assert record["problems"][0] == vars(found.problems[0])
    assert record["sizes"] == {name: [24, 32] for name in ("smallest", "median", "largest")}
    assert record["duplicates"][0]["crosses_splits"] is True
    assert record == json.loads(json.dumps(found.to_dict()))


def test_without_a_sound_case_there_is_no_contact_sheet(tmp_path):
    root = make_folder(tmp_path / "data", 3)
    for file in (root / "images").iterdir():
        file.write_bytes(b"")
    found = inspect_dataset(root, out=tmp_path / "out")
    assert found.contact_sheet is None
    assert (found.sizes, len(found.problems)) == ((), 3)
    assert not (tmp_path / "out" / "contact_sheet.png").exists()
    assert "problems: 3" in render(found)


def test_long_lists_are_cut_on_the_terminal_only(tmp_path):
    root = make_folder(tmp_path / "data", 3)
    found = inspect_dataset(root)
    words = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(60)]  # equal ones are one row
    problems = tuple(Problem(f"{word}.png", f"is {word}") for word in words)
    assert "... and 10 more; --out DIR lists them all" in render(replace(found, problems=problems))


def test_files_with_the_same_problem_are_one_row_on_the_terminal_only(tmp_path):
    root = make_folder(tmp_path / "data", 3)
    for index in range(30):
        save(root / "masks" / f"stray{index:02}.png", blob(0))
    save(root / "masks" / "c01.png", blob(0, size=(8, 8)))
    found = inspect_dataset(root)
    assert len(found.to_dict()["problems"]) == 31
    text = render(found)
    assert text.count("stray") == 1
    rows = [line.split()[:2] for line in text.splitlines() if line.endswith("rename or remove it")]
    assert rows == [["30", "masks/stray00.png"]]
    assert "problems: 31" in text
    assert "inspection.json in the folder of --out names every file" in text


def test_folds_are_inspected_as_they_will_be_used(tmp_path):
    root = make_folder(tmp_path / "data")
    lines = [f"c{i:02},{'val' if i < 4 else 'test'}" for i in range(10)]
    write_table(root / "folds" / "fold3.csv", "id,split", *lines)
    assert inspect_dataset(root, fold=3).splits == {"train": 0, "val": 4, "test": 6}


def test_a_missing_folder_and_an_output_that_is_a_file(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        inspect_dataset(tmp_path / "none")
    root = make_folder(tmp_path / "data", 3)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot write here"):
        inspect_dataset(root, out=tmp_path / "file")
