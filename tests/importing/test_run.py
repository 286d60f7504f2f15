"""What is written and said: folders whole or not at all, equal lines counted, exit codes."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from bmis import ImportOptions, import_dataset, inspect_dataset
from bmis.cli.main import main
from bmis.errors import DataError, MissingExtraError
from bmis.importing import run as module
from bmis.importing.suggest import suggest_import, warn_of_masks
from bmis.importing.tree import read_tree
from helpers.annotated import annotation, coco, images, square, write
from helpers.folders import make_folder, save


@pytest.fixture
def source(tmp_path):
    make_folder(tmp_path / "in", 4, value=128)
    return tmp_path / "in"


def test_the_folder_holds_what_the_report_says(source, tmp_path):
    done = import_dataset(source, tmp_path / "new" / "out")
    assert sorted(path.name for path in done.out.iterdir()) == [
        *("dataset.yaml", "images", "import.json", "masks")
    ]
    report = json.loads((done.out / "import.json").read_text())
    assert report == json.loads(json.dumps(done.to_dict()))
    assert report["cases"][0]["image"] == "images/c00.png"
    assert inspect_dataset(done.out).problems == ()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("in", "which stays as it is; choose another folder"),
        ("in/sub", "which stays as it is; choose another folder"),
        ("full", "is there already; give a new or an empty folder"),
        ("file", "is there already; give a new or an empty folder"),
        ("file/out", "cannot write here"),
    ],
)
def test_nothing_that_is_there_is_touched(source, tmp_path, out, message):
    write(tmp_path / "full" / "mine.txt", "x")
    write(tmp_path / "file", "x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=message):
        import_dataset(source, tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled(source, tmp_path):
    (tmp_path / "out").mkdir()
    assert len(import_dataset(source, tmp_path / "out").cases) == 4


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_is_interrupted_leaves_nothing(source, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(module, "_describe", fail)
    with pytest.raises((KeyboardInterrupt, DataError)):
        import_dataset(source, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("a.dcm", "b.DCM", "c.nii.gz", "d.mp4"), "holds 2 DICOM, 1 NIfTI, 1 video, and no annot"),
        ((), "holds nothing, and no annotations that are known"),
    ],
)
def test_a_source_that_is_not_known_is_described(tmp_path, files, message):
    (tmp_path / "in").mkdir()
    for name in files:
        write(tmp_path / "in" / name, "x")
    with pytest.raises(DataError, match=message):
        import_dataset(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("name", ["coco", "labelme", "yolo", "cvat", "hrf", "drive", "one-hot"])
def test_a_format_that_is_not_there_is_one_line(source, tmp_path, capsys, name):
    assert main(["import", str(source), str(tmp_path / "out"), "--format", name]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"bmis: {source}: ")


def test_files_that_are_not_read_are_counted_by_kind(source, tmp_path):
    for name in ("a.dcm", "b.nii.gz", "masks/readme.txt", ".hidden", "notes"):
        write(source / name, "x")
    done = import_dataset(source, tmp_path / "out")
    assert done.not_read == {"DICOM": 1, "NIfTI": 1, "TXT": 1, "file without a suffix": 1}


def test_pycocotools_is_named_where_it_is_needed(tmp_path, monkeypatch):
    images(tmp_path / "in", "a.png")
    drawn = annotation(segmentation=[[1.5, 1, 9, 1, 9, 9]])
    write(tmp_path / "in" / "a.json", coco(drawn))

    def missing(name):
        raise ModuleNotFoundError(name=name.split(".")[0])

    monkeypatch.setattr("bmis.errors.import_module", missing)
    with pytest.raises(MissingExtraError, match=r'pip install "bmis\[import\]"'):
        import_dataset(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_thirty_equal_lines_become_one(tmp_path, capsys):
    names = tuple(f"c{number:02}.png" for number in range(31))
    images(tmp_path / "in", names[0])
    write(tmp_path / "in" / "a.json", coco(names=names))
    assert main(["import", str(tmp_path / "in"), str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert "1 image with masks in" in out
    assert err.count("\n") == 1
    assert "image 'c01.png' names 'c01.png', but there is no such file" in err
    assert err.endswith("(and 29 more like it)\n")


def test_json_holds_all_of_it(source, tmp_path, capsys):
    assert main(["import", str(source), str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["format"] == "masks"
    assert len(said["cases"]) == 4


def test_inspect_names_the_command(source, tmp_path, capsys):
    save(source / "masks" / "c01.png", square(200))
    main(["inspect", str(source), "--out", str(tmp_path / "sheet")])
    out = capsys.readouterr().out
    assert f"values 0 128 200 are classes 0 to 2; `bmis import {source} " in out


def test_inspect_names_the_command_where_it_can_read_nothing(tmp_path, capsys):
    images(tmp_path / "my set" / "images", "a.png")
    write(tmp_path / "my set" / "a.json", coco())
    assert main(["inspect", str(tmp_path / "my set")]) == 2
    err = capsys.readouterr().err
    found = re.search(r"holds COCO annotations; `bmis import ('.*') ('.*')` makes", err)
    assert found
    assert found[2] == "'my set-imported'"


def test_inspect_is_silent_about_a_sound_data_set(tmp_path):
    make_folder(tmp_path / "in", 12)
    assert inspect_dataset(tmp_path / "in").suggestion is None


@pytest.mark.parametrize("value", [0, 255])
def test_masks_of_one_value_are_no_reason_to_import(tmp_path, value):
    """The import would read them as bmis does."""
    make_folder(tmp_path / "in", 12)
    for path in (tmp_path / "in" / "masks").iterdir():
        save(path, np.full_like(square(), value))
    assert inspect_dataset(tmp_path / "in").suggestion is None


@pytest.mark.parametrize(("value", "ignored"), [(128, None), (2, 9), (255, 128)])
def test_what_bmis_reads_in_place_is_no_reason_to_import(tmp_path, value, ignored):
    make_folder(tmp_path / "in", 12, value=value)
    if ignored:
        (tmp_path / "in" / "dataset.yaml").write_text(f"ignore: {ignored}")
        save(
            tmp_path / "in" / "masks" / "c03.png",
            np.where(square(1), value, ignored).astype(np.uint8),
        )
    found = inspect_dataset(tmp_path / "in")
    assert (found.suggestion, found.problems) == (None, ())


def pasted(text):
    """The command in a text, as a shell would take it."""
    return shlex.split(re.search("`bmis (import .*?)`", text)[1])


def from_one(index, count=3):
    labels = np.ones((24, 32), np.uint8)
    for value in range(2, count + 1):
        labels[4:20, 4 * value : 4 * value + 3] = value
    return labels


def numbered(index):
    """9 to 12 objects, numbered."""
    labels = np.zeros((24, 32), np.uint8)
    for value in range(1, 10 + index % 4):
        labels[value, 1:31] = value
    return labels


@pytest.mark.parametrize(
    ("draw", "reason", "classes"),
    [
        (from_one, "no mask holds 0, the background: values 1 2 3 are classes 0 to 2", 3),
        (numbered, "masks hold up to 13 values, which look like numbers of objects", 2),
        (lambda index: square(index % 2 + 1) * 80, "values 0 80 160 are classes 0 to 2", 3),
    ],
)
@pytest.mark.parametrize("count", [6, 45])
def test_the_command_works_as_it_is_pasted(
    tmp_path, monkeypatch, capsys, draw, reason, classes, count
):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "in", count)
    for index in range(count):
        save(tmp_path / "in" / "masks" / f"c{index:02}.png", draw(index))
    main(["inspect", "in"])
    out = capsys.readouterr().out
    assert reason in out
    assert "No problems found." not in out
    assert main(pasted(out)) == 0
    made = inspect_dataset("in-imported")
    assert made.suggestion is None
    assert len({count.name for count in made.classes}) == classes


def test_a_background_that_few_masks_show_is_no_reason_to_import(tmp_path):
    make_folder(tmp_path / "in", 45)
    for index in range(45):
        labels = from_one(index)
        save(tmp_path / "in" / "masks" / f"c{index:02}.png", labels * (labels > (index == 3)))
    assert suggest_import(tmp_path / "in", enough=8) is None


def test_train_and_compare_are_told_once(tmp_path, caplog):
    make_folder(tmp_path / "in", 12)
    for index in range(12):
        save(tmp_path / "in" / "masks" / f"c{index:02}.png", from_one(index))
    for _ in range(2):
        warn_of_masks(tmp_path / "in")
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path / 'in'}: no mask holds 0, the background: ")


def test_a_class_that_a_few_masks_lack_is_no_reason_to_import(tmp_path):
    make_folder(tmp_path / "in", 45, value=1)
    for number in (3, 7):
        save(tmp_path / "in" / "masks" / f"c{number:02}.png", square(3) + square(1))
    save(tmp_path / "in" / "masks" / "c05.png", square(2))
    assert inspect_dataset(tmp_path / "in").suggestion is None


def test_links_are_not_followed_out_of_the_source(source, tmp_path):
    make_folder(tmp_path / "other", 2)
    (source / "linked").symlink_to(tmp_path / "other")
    (source / "images" / "z.png").symlink_to(tmp_path / "other" / "images" / "c00.png")
    (source / "masks" / "again.png").symlink_to(source / "masks" / "c00.png")
    tree = read_tree(source)
    assert {path.name for path in tree.links} == {"linked", "z.png"}
    assert Path("masks/again.png") in {path.relative_to(source) for path in tree.files}


def test_options_are_checked(tmp_path):
    assert main(["import", "in", "out", "--instances", "all"]) == 2
    assert ImportOptions.from_dict(ImportOptions(classes=("a",)).to_dict()).classes == ("a",)
