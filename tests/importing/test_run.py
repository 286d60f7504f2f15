"""What is written and said: folders whole or not at all, equal lines counted, exit codes."""

import json
from pathlib import Path

import pytest

from bmis import ImportOptions, import_dataset, inspect_dataset
from bmis.cli.main import main
from bmis.errors import DataError, MissingExtraError
from bmis.importing import run as module
from bmis.importing.tree import read_tree
from helpers.annotated import annotation, coco, images, write
from helpers.folders import make_folder


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
